"""The lines of a few functions, timed by line_profiler: which code, in which batches, and the file of the results."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time

from ..jitter import Jitter
from ..source_code.named_code import Named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType, FrameType
    from typing import Any

FORMAT = "gpuwatch.exact/1"
FETCH, STEP = "fetch", "step"
_CORE = "LINE_PROFILER_CORE"
_FLUSH_NS = 2_000_000_000
_FIRST_EVERY = 5
_MOST_EVERY = 500
_MOST_SLOWDOWN = 0.1
_now = time.monotonic_ns


class Turns:
    """Which batches are measured: one in each `every`, at a place that changes, so that no period hides between them.

    Without an `every` it is chosen so that all batches together take about a tenth longer, from the times of measured
    and other ones so far. The second batch is the first measured one: what a worker does once, at its first batch, is
    no part of the making.
    """

    __slots__ = ("block", "every", "fixed", "jitter", "measured", "measured_ns", "next", "others", "others_ns", "seen")

    def __init__(self, every: int | None = None) -> None:
        self.every, self.fixed = every or _FIRST_EVERY, bool(every)
        self.seen = self.measured = self.measured_ns = self.others = self.others_ns = 0
        self.block = 0
        self.next = min(1, self.every - 1)
        self.jitter = Jitter(os.getpid())

    def take(self) -> bool:
        """Count one batch; return whether it is to be measured."""
        number = self.seen
        self.seen += 1
        if number != self.next:
            return False
        self._plan(self.block + self.every)
        return True

    def _plan(self, block: int) -> None:
        """Choose the next batch to measure, among the `every` from `block` on."""
        if not self.fixed:
            self.every = self._affordable()
        self.block, self.next = block, block + self.jitter.below(self.every)

    def took(self, measured: bool, ns: int) -> None:
        """Note how long a batch took; of those that are not measured the first is left out."""
        if measured:
            self.measured += 1
            self.measured_ns += ns
        elif self.seen > 1:
            self.others += 1
            self.others_ns += ns
            if self.others == self.measured == 1 and not self.fixed:
                self._plan(self.seen)  # now that it is known what measuring costs

    def _affordable(self) -> int:
        if not self.measured or not self.others_ns:
            return self.every
        longer = self.measured_ns / self.measured / (self.others_ns / self.others) - 1
        return min(max(int(longer / _MOST_SLOWDOWN) + 1, 2), _MOST_EVERY)


class _Code:
    """Represents a function where line_profiler wants one: it replaces `__code__`, and the user's is left alone."""

    def __init__(self, code: CodeType) -> None:
        self.__code__ = code
        self.__name__ = code.co_name


class Lines:
    """The measured functions of this process, and what is known of their lines."""

    def __init__(self, plan: dict[str, Any], codes: Mapping[CodeType, int] | None = None) -> None:
        self.plan = plan
        self.named = [Named(function) for function in plan["functions"]]
        self.profiler = _new_profiler()
        self.turns = {kind: Turns(plan.get("sample")) for kind in (FETCH, STEP)}
        self.codes: dict[CodeType, int] = {}
        self.worker = -1
        self.modules = 0
        self.flushed_ns = _now()
        self.path: str | None = None
        for code, number in (codes or {}).items():
            self._measure(code, number)

    def wants(self, kind: str) -> bool:
        """Return whether a function of the plan runs in this kind of window."""
        return any(function.get("during") in (None, kind) for function in self.plan["functions"])

    def open(self, kind: str, frame: FrameType | None) -> bool:
        """Begin to measure if it is this one's turn; return whether it is measured."""
        turns = self.turns[kind]
        # A debugger or coverage that traces already goes first: there can be one tracer of a thread.
        if not turns.take() or sys.gettrace() is not None:
            return False
        self._find(frame)
        if not self.codes:
            return False
        self.profiler.enable_by_count()
        return True

    def close(self, kind: str, took_ns: int) -> None:
        """Stop measuring a batch that took so long; write the file every two seconds."""
        self.profiler.disable_by_count()
        self.turns[kind].took(True, took_ns)
        if self.path is None or _now() - self.flushed_ns > _FLUSH_NS:
            self.write()

    def _find(self, frame: FrameType | None) -> None:
        missing = [number for number in range(len(self.named)) if number not in self.codes.values()]
        # A function of the script that runs may be found on the stack at any time; new ones come with new modules.
        if missing and (len(sys.modules) != self.modules or frame is not None):
            self.modules = len(sys.modules)
            for number in missing:
                for code in self.named[number].find(frame):
                    self._measure(code, number)

    def _measure(self, code: CodeType, number: int) -> None:
        if code in self.codes:
            return
        paddings = getattr(self.profiler, "_all_paddings", None)
        if paddings is not None:
            paddings[code.co_code] = 0  # line_profiler 5 pads code to know it again, and what runs already has none
        self.profiler.add_function(_Code(code))
        self.codes[code] = number

    def write(self) -> None:
        """Write this process's file whole."""
        self.flushed_ns = _now()
        write_file(self, {"functions": self._functions()})

    def _functions(self) -> list[dict[str, Any]]:
        stats = self.profiler.get_stats()
        places = {(code.co_filename, code.co_firstlineno): number for code, number in self.codes.items()}
        functions = []
        for (file, first, name), rows in stats.timings.items():
            if (file, first) not in places:
                continue
            number = places[file, first]
            lines = [[line, hits, int(spent * stats.unit * 1e9)] for line, hits, spent in rows if hits]
            functions.append(
                {"asked": number, "file": os.path.abspath(file), "first": first, "name": name, "lines": lines}
            )
        return functions


def _new_profiler() -> Any:
    """Return a LineProfiler; on Python 3.12+ with its tracing core, which costs less than sys.monitoring's."""
    before = os.environ.get(_CORE)
    os.environ.setdefault(_CORE, "ctrace")
    try:
        return importlib.import_module("line_profiler").LineProfiler()
    finally:
        if before is None:
            del os.environ[_CORE]


def write_file(lines: Lines | None, results: Mapping[str, Any]) -> None:
    """Write the process's file whole; `lines` None: nothing is measured, and `results` has the reason."""
    folder = os.path.join(os.environ.get("GPUWATCH_RUN") or "", "exact")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = (lines.path if lines else None) or os.path.join(folder, f"{os.getpid()}-{_now()}.json")
    whole = dict(results, format=FORMAT, pid=os.getpid(), python=sys.version.split()[0], executable=sys.executable)
    if lines:
        lines.path = path
        whole["worker"] = lines.worker
        whole["batches"] = {kind: [turns.measured, turns.seen] for kind, turns in lines.turns.items()}
        whole["took"] = {kind: [t.measured_ns, t.others, t.others_ns] for kind, t in lines.turns.items()}
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(whole, file)
    os.replace(path + ".new", path)
