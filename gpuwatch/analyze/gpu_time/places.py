"""Where in the host's Python the time of a class goes: the innermost function of the program's own that holds most of it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuwatch.analyze.gpu_time.calls import named
from gpuwatch.analyze.gpu_time.intervals import Spans, overlap
from gpuwatch.model.gpu_time import GpuPlace
from gpuwatch.model.measures import Place
from gpuwatch.model.trace import Floats, Trace
from gpuwatch.words import gpu_trace as words

# A function that holds less of a class's time is one of several, not the place.
_MOST = 0.5
_FRAME = re.compile(r"^(?P<file>.+?)\((?P<line>\d+)\): (?P<function>.+)$")
# Libraries below the code that one would change, and what starts threads and processes above it.
_LIBRARY = re.compile(
    r"(?:^|/)(?:torch|torchvision|torchdata|numpy|scipy|PIL|cv2|pandas|threading\.py|multiprocessing|concurrent|"
    r"contextlib\.py|functools\.py|runpy\.py|importlib|nvidia/dali|triton)(?:/|$)|^<"
)
# Calls that only lead on to others: a module's, the loader's own, and those of the interpreter.
_PASSED = re.compile(
    r"^nn\.Module: |torch/utils/data/|torch/nn/modules/module\.py|torch/utils/_device\.py|torch/(?:autograd/)?profiler|^<built-in function next>"
)
_INSTALLED = re.compile(r"^.*/(?:site|dist)-packages/")


class _Function(NamedTuple):
    name: str
    held: float


def places_of(trace: Trace, idle: dict[str, Spans]) -> tuple[GpuPlace, ...]:
    """Return a place for each class of idle time that one function of the program's own holds most of."""
    found = (_place(trace, what, spans) for what, spans in idle.items() if spans.length > 0)
    return tuple(place for place in found if place is not None)


def has_stacks(trace: Trace) -> bool:
    """Say whether the trace has Python functions, or operators with their stacks."""
    return bool((trace.host.kind == words.PYTHON).any() or (trace.host.stack >= 0).any())


def _place(trace: Trace, what: str, spans: Spans) -> GpuPlace | None:
    functions = _functions(trace, spans) or _stacked(trace, spans)
    holding = [each for each in functions if each.held >= _MOST]
    own = [each for each in holding if _is_own(each.name)]
    if not own:
        return None
    innermost = own[-1]
    below = holding[holding.index(innermost) + 1 :]
    callee = next((each.name for each in below if not _PASSED.search(each.name)), None)
    at = _FRAME.match(innermost.name)
    assert at is not None
    place = Place(at["file"], int(at["line"]), at["function"])
    return GpuPlace(what, place, _called(callee) if callee else None, min(innermost.held, 1.0))


def _is_own(name: str) -> bool:
    at = _FRAME.match(name)
    return at is not None and not _LIBRARY.search(at["file"])


def _called(name: str) -> str:
    at = _FRAME.match(name)
    return f"{at['function']} ({_INSTALLED.sub('', at['file'])})" if at else name


def _functions(trace: Trace, spans: Spans) -> list[_Function]:
    """Return the functions with the share of the spans that their calls hold, from the outermost to the innermost."""
    host = trace.host
    rows = np.flatnonzero(host.kind == words.PYTHON)
    if not len(rows):
        return []
    start, end, name = host.start[rows], host.end[rows], host.name[rows]
    held = _sum(name, overlap(spans, start, end), len(trace.names)) / spans.length
    known = np.flatnonzero(held >= _MOST)
    # The longest call of a function is in one of its caller's that is no shorter; equal ones are in the order of their starts.
    calls = {int(number): name == number for number in known}
    order = sorted(calls, key=lambda n: (-round(float((end - start)[calls[n]].max()), 1), float(start[calls[n]].min())))
    return [_Function(trace.names[number], float(held[number])) for number in order]


def _stacked(trace: Trace, spans: Spans) -> list[_Function]:
    """Return the frames of the stack whose operators hold most of the spans: the recorder wrote stacks, no functions."""
    host = trace.host
    stacked = host.stack >= 0
    rows = np.flatnonzero(stacked & ~named(trace, host, words.STEP, among=stacked))
    if not len(rows):
        return []
    shares: Floats = _sum(host.stack[rows], overlap(spans, host.start[rows], host.end[rows]), len(trace.names))
    if not shares.any():
        return []
    held: dict[str, float] = {}
    for number in np.flatnonzero(shares):
        for frame in set(trace.names[number].split(";")):
            held[frame] = held.get(frame, 0.0) + float(shares[number]) / spans.length
    best = trace.names[int(shares.argmax())].split(";")
    return [_Function(frame.strip(), held[frame]) for frame in reversed(best)]


def _sum(keys: NDArray[Any], values: Floats, size: int) -> Floats:
    return np.bincount(keys, values, size).astype(np.float64)
