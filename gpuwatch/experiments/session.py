"""One experiment on the user's own training: start it, order windows, collect results, end it.

The command runs under the hook in experiment mode (`hook/experiment/experiment_mode.py`) with its output in a log. A training that ends
before the orders are done (a short script) is started again, until the budget is spent; an arm under which it ends
again and again is given up, and the others go on.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import IO, Any

import psutil

from gpuwatch.errors import GpuwatchError
from gpuwatch.experiments.undriven import CANNOT, LoopNotDriven, why_undriven
from gpuwatch.hook.entry import inject
from gpuwatch.model.recording import Recording
from gpuwatch.records import dataclass
from gpuwatch.store import folder, liveness
from gpuwatch.store.reader import Tail
from gpuwatch.supervise import outside_tool_environment

LOG = "output.log"
_POLL_S = 0.05
# How often it is asked whether a loop can still come.
_CHECK_S = 2.0
_END_S = 5.0
# Starts without a result after which the window that is next is given up, or the command when it never gave one.
_BARREN = 2


@dataclass(frozen=True, slots=True)
class Window:
    """One window to run: see `hook/experiment/windows.py`. `seconds` is the time measured, without the warm-up."""

    arm: str
    kind: str = "real"
    round: int = 0
    seconds: float = 1.0
    steps: int = 6
    loader: dict[str, Any] = field(default_factory=dict)
    remedies: tuple[tuple[str, dict[str, Any]], ...] = ()
    cores: int | None = None
    epochs: bool = False
    memory: bool = False

    def to_order(self) -> dict[str, Any]:
        """Return the window as the hook reads it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Result:
    """What one window measured; `step_ms` is None when it failed, and `note` says why."""

    arm: str
    round: int
    kind: str
    steps: int
    samples: int
    seconds: float | None
    startup_s: float | None
    note: str | None
    memory_bytes: float | None = None

    @property
    def step_ms(self) -> float | None:
        return None if not self.seconds or not self.steps else 1e3 * self.seconds / self.steps


class Session:
    """A training under experiment. Use as a context manager; `run` may be called again and again."""

    def __init__(
        self,
        command: Sequence[str],
        path: Path,
        deadline: float,
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = list(command)
        self.path = path.absolute()
        self.environment = dict(environment or {})
        self.deadline = deadline
        self.cwd = cwd
        self.respect_epochs = False
        self.loop: dict[str, Any] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self.code: list[str] = []
        self.starts = 0
        self.resolved = 0
        self.startup_s: float | None = None
        self.run_folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._recording: Recording | None = None
        self._check_at = 0.0
        self._orders = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, windows: Sequence[Window], seen: Callable[[Result], None] = lambda result: None) -> list[Result]:
        """Run windows in their order and return their results; fewer when the budget ends first.

        Raises LoopNotDriven when the command ends again and again without any result, GpuwatchError when it cannot
        be started or the run folder cannot be written."""
        left, barren = list(windows), 0
        results: list[Result] = []
        with self._reported():
            while left and time.monotonic() < self.deadline:
                if self._process is None:
                    self._start()
                before = len(results)
                for result in self._order(left):
                    results.append(result)
                    left = left[1:]
                    seen(result)
                if left and self._has_ended():
                    barren = 0 if len(results) > before else barren + 1
                    left = self._after_end(left, barren, results, seen)
        return results

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise GpuwatchError(f"{error.filename or self.path}: {error.strerror or error}") from error

    def find_loop(self, watch: Callable[[float | None], bool] = lambda since: False) -> None:
        """Start the command and let it run as it is until its loop is found and, from then on, for as long as `watch`
        (which gets the seconds since then; None before) is true, or the command or the budget ends.

        Raises LoopNotDriven when the command has no loop that can be fed, or ends before it came to one."""
        begun, found = time.monotonic(), None
        if self._process is None:
            with self._reported():
                self._start()
        while time.monotonic() < self.deadline:
            ended = self._has_ended()
            for _ in self._results():
                pass
            if self.loop and found is None:
                found = time.monotonic()
                self.startup_s = self.startup_s or found - begun
            wanted = watch(None if found is None else time.monotonic() - found)
            if (found and not wanted) or ended:
                break
            self._check_loop()
            time.sleep(_POLL_S)
        if self._has_ended():
            self._ended_early()

    def _check_loop(self) -> None:
        """Raise LoopNotDriven once it is clear that the training does without what an experiment feeds."""
        now = time.monotonic()
        if self.loop or self._recording is None or now < self._check_at:
            return
        self._check_at = now + _CHECK_S
        if reason := why_undriven(self._recording):
            raise LoopNotDriven(*reason)

    def _ended_early(self) -> None:
        """Note the end of a command that was only watched. Raises LoopNotDriven when it came to no loop."""
        code = self._process.returncode if self._process else 0
        self.stop()
        if not self.loop:
            raise self._not_driven(code)

    def stop(self) -> None:
        """End the training and everything it started."""
        process, self._process = self._process, None
        if process is None:
            return
        family = _descendants(process.pid)
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                break
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                continue
        process.wait()
        # Launchers put their trainings into sessions of their own.
        for other in family:
            with contextlib.suppress(psutil.Error):
                other.kill()
        psutil.wait_procs(family, _END_S)

    def log_tail(self, lines: int = 3) -> str:
        """Return the last lines that the command wrote."""
        try:
            text = (self.path / LOG).read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])

    def _start(self) -> None:
        self.starts += 1
        self._orders = 0
        run = self.run_folder = self.path / f"start-{self.starts}"
        inject.install_boot(run)
        info = folder.new_info(run, tuple(self.command), None, "")
        folder.write_info(run, info)
        environment = inject.child_environment({**outside_tool_environment(os.environ), **self.environment}, run)
        self._folder = run / "orders"
        self._folder.mkdir(mode=0o700)
        environment["GPUWATCH_EXPERIMENT"] = str(self._folder)
        environment["GPUWATCH_EXPERIMENT_PID"] = str(os.getpid())
        if self.respect_epochs:
            environment["GPUWATCH_RESPECT_EPOCHS"] = "1"
        self._tail = Tail(run)
        self._recording = None
        self._read = 0
        self._check_at = time.monotonic() + _CHECK_S
        with (self.path / LOG).open("ab") as log:
            self._process = self._popen(environment, log)
        pid = self._process.pid
        folder.write_info(run, replace(info, child_pid=pid, child_start=liveness.start_ticks(pid)))

    def _popen(self, environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start the command in a session of its own: what is typed here is for gpuwatch, which then ends it whole."""
        try:
            return self._call(self.command, environment, log)
        except OSError as error:
            program = shutil.which(self.command[0], path=environment.get("PATH"))
            if error.errno != errno.ENOEXEC or program is None:
                raise
            # A script without a first line: a shell runs it, as `run` has it.
            return self._call(["/bin/sh", program, *self.command[1:]], environment, log)

    def _call(self, command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=environment, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip

    def _order(self, windows: Sequence[Window]) -> Iterator[Result]:
        self._orders += 1
        order = self._folder / f"{self._orders:04d}.json"
        whole = order.with_suffix(".new")
        whole.write_text(json.dumps({"windows": [window.to_order() for window in windows]}))
        whole.replace(order)
        expected, begun = len(windows), time.monotonic()
        while expected and time.monotonic() < self.deadline:
            ended = self._process is None or self._process.poll() is not None
            for result in self._results():
                expected -= 1
                yield result
            if self.loop and self.startup_s is None:
                self.startup_s = time.monotonic() - begun
            if ended:
                return
            self._check_loop()
            time.sleep(_POLL_S)

    def _results(self) -> Iterator[Result]:
        """Yield the window results written since the last call; note the loop's facts."""
        recording = self._recording = self._tail.refresh()
        rows = []
        for log in recording.by_writer("hook"):
            rows += log.table("window").dicts()
            for fact in log.table("experiment").dicts():
                if fact["key"] == "loop":
                    self.loop = fact["value"]
                elif fact["key"] == "code":
                    self.code = fact["value"]
                elif fact["key"] in ("outputs", "losses"):
                    self._keep_outputs(fact["key"], fact["value"])
        new, self._read = rows[self._read :], len(rows)
        self.resolved += len(new)
        yield from (_result(row) for row in new)

    def _keep_outputs(self, key: str, found: dict[str, Any]) -> None:
        """Keep what a remedy does to the samples, and what it does to the losses as `losses` beside it."""
        kept = self.outputs.setdefault(found["arm"], {})
        kept.update(found if key == "outputs" else {"losses": found})

    @property
    def is_running(self) -> bool:
        """Say whether the command runs."""
        return self._process is not None and not self._has_ended()

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _after_end(
        self, left: list[Window], barren: int, results: list[Result], seen: Callable[[Result], None]
    ) -> list[Window]:
        """Return what is still to run after the command ended by itself: all of it, or without a fatal arm's windows."""
        code = self._process.returncode if self._process else 0
        self.stop()
        if self.loop and code != 0:
            # A schedule that counts steps may have run out, since experiments do not end the epoch.
            self.respect_epochs = True
        if barren < _BARREN:
            return left
        if not self.resolved:
            raise self._not_driven(code)
        note = f"the training ended under it (status {code})" + (f": {self.log_tail(1)}" if self.log_tail(1) else "")
        fatal = left[0]
        failed = Result(fatal.arm, fatal.round, fatal.kind, 0, 0, None, None, note)
        results.append(failed)
        seen(failed)
        return [window for window in left if window.arm != fatal.arm]

    def _not_driven(self, code: int) -> LoopNotDriven:
        ended = f"it ended with status {code}" if code >= 0 else f"it was ended by {signal.Signals(-code).name}"
        if self.loop:
            return LoopNotDriven(f"{CANNOT}: {ended} before anything was measured", self._last_output())
        if code == 0 and self._recording is not None and (reason := why_undriven(self._recording, has_ended=True)):
            return LoopNotDriven(*reason)
        why = f"{ended} before a loop over a torch DataLoader got going (three batches with a backward between them)"
        return LoopNotDriven(f"{CANNOT}: {why}", self._last_output())

    def _last_output(self) -> str:
        tail = self.log_tail()
        return f"Its last output:\n{tail}" if tail else "It printed nothing"


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _result(row: dict[str, Any]) -> Result:
    measured = row["t0"] is not None and row["t1"] is not None and not row["note"]
    return Result(
        row["arm"],
        row["round"],
        row["kind"],
        row["steps"] or 0,
        row["samples"] or 0,
        (row["t1"] - row["t0"]) / 1e9 if measured else None,
        None if row["startup_ns"] is None else row["startup_ns"] / 1e9,
        row["note"],
        row.get("memory"),
    )
