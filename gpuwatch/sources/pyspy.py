"""One burst of py-spy over a training process and its children, in a way that cannot harm them.

Non-blocking: py-spy only reads the memory of its targets and never stops them, so it may be killed at any time.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from gpuwatch.records import dataclass
from gpuwatch.words.environment import PYSPY

# Beyond its own duration: finding the interpreters of many processes, writing the file; then an interrupt; then a kill.
PATIENCE_S, INTERRUPT_PATIENCE_S = 10.0, 1.2
DUMP_PATIENCE_S = 5.0
_LOOK_S = 0.05

# What py-spy says when it may not look at all, or cannot read this Python: trying again is no use.
_LASTING = (
    "permission denied",
    "operation not permitted",
    "failed to get process executable name",
    "no python processes found",
    "failed to find python version",
    "unsupported version of python",
    "failed to find a python interpreter",
)


# What py-spy says once it has found its processes, just before the first sample.
_GREETING = b"Sampling process"


class Stop(Protocol):
    """Tells a burst to end early: a threading.Event, or what is asked like one."""

    def wait(self, timeout: float) -> bool:
        """Wait for so many seconds at most; return whether to end."""

    def is_set(self) -> bool:
        """Return whether to end."""


@dataclass(frozen=True)
class Burst:
    """What came of a burst. `profile`: the speedscope file, None when there is none; `note`: py-spy's own words.

    `began`: when the first sample was due; None when py-spy did not say."""

    t0: int
    t1: int
    hz: int
    profile: dict[str, Any] | None
    note: str | None
    cpu_ns: int
    began: int | None = None

    @property
    def lasting(self) -> bool:
        """Tell whether the failure will not go away by itself."""
        return self.profile is None and any(words in (self.note or "").lower() for words in _LASTING)


def find_pyspy() -> str | None:
    """Return the py-spy that GPUWATCH_PYSPY names, else the one that came with gpuwatch, else one on PATH, else None."""
    named = PYSPY.read(os.environ)
    if named:
        return named
    own = Path(sys.executable).parent / "py-spy"
    return str(own) if os.access(own, os.X_OK) else shutil.which("py-spy")


def why_not() -> str | None:
    """Return why py-spy cannot be started here, or None."""
    return None if find_pyspy() else "py-spy is not installed beside gpuwatch: pip install py-spy"


def record(
    pid: int,
    hz: int,
    seconds: float,
    file: Path,
    stop: Stop,
    clock: Callable[[], int] = time.monotonic_ns,
    held: bool = False,
) -> Burst:
    """Sample `pid` and its children for `seconds`; `stop` ends it early with what there is. Never raises for py-spy.

    `held`: only the threads of `pid` that hold the interpreter lock; which these are is sure, their lines are not."""
    t0, cpu = clock(), _children_cpu_ns()
    binary = find_pyspy()
    if binary is None:
        return Burst(t0, t0, hz, None, why_not(), 0)
    command = [binary, "record", "-p", str(pid), "-s", "--nonblocking", "--gil" if held else "--idle"]
    command += ["--full-filenames"]
    command += ["-r", str(hz), "-d", str(max(1, round(seconds))), "-f", "speedscope", "-o", str(file)]
    began = None
    try:
        said, began = _run(command, seconds, stop, clock)
        profile = json.loads(file.read_bytes()) if file.exists() else None
    except (OSError, ValueError) as error:
        said, profile = str(error), None
    file.unlink(missing_ok=True)
    return Burst(t0, clock(), hz, profile, _note(said, profile), _children_cpu_ns() - cpu, began)


def dump(pid: int, with_locals: bool = False) -> tuple[list[dict[str, Any]], str | None]:
    """Return the threads of a process as they stand now, each with pid, name and frames (the leaf first), and py-spy's
    complaint where there are none. The process is not stopped, so a frame may be torn. Never raises for py-spy."""
    binary = find_pyspy()
    if binary is None:
        return [], why_not()
    command = [binary, "dump", "-p", str(pid), "--nonblocking", "--json", "--full-filenames"]
    command += ["--locals"] * with_locals
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DUMP_PATIENCE_S, start_new_session=True
        )
        threads = json.loads(done.stdout) if done.stdout.strip() else []
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return [], str(error)
    return threads, None if threads else _note(done.stderr.decode("utf-8", "replace"), None)


def _run(command: list[str], seconds: float, stop: Stop, clock: Callable[[], int]) -> tuple[str, int | None]:
    """Return what py-spy printed, and when it began to sample; it is interrupted (it then writes its file) when late or
    asked to, and killed after that."""
    # In a session of its own: a Ctrl-C is not for it.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    deadline = time.monotonic() + seconds + PATIENCE_S
    said, began = b"", None
    while process.poll() is None and time.monotonic() < deadline and not stop.wait(0 if began is None else _LOOK_S):
        if began is None:
            said += _heard(process)
            began = clock() if _GREETING in said else None
    late = process.poll() is None and not stop.is_set()
    reported = said.decode("utf-8", "replace") + _end(process)
    return ("py-spy did not end in time and was stopped" if late else reported), began


def _heard(process: subprocess.Popen[bytes]) -> bytes:
    """Return what py-spy says within a moment; nothing when it is silent."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _LOOK_S)
    heard = os.read(process.stdout.fileno(), 4096) if ready else b""
    if ready and not heard:
        time.sleep(_LOOK_S)  # it has closed its output and is about to end
    return heard


def _end(process: subprocess.Popen[bytes]) -> str:
    for number, patience in ((signal.SIGINT, INTERRUPT_PATIENCE_S), (signal.SIGKILL, INTERRUPT_PATIENCE_S)):
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.communicate(timeout=patience)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            continue
    return "py-spy could not be ended"


def _note(said: str, profile: dict[str, Any] | None) -> str | None:
    """Return py-spy's complaint without its greetings; None when all went well."""
    # Errors come with a backtrace of py-spy's own code, of no use to anybody here.
    reported = said.partition("Stack backtrace:")[0]
    lines = [line.removeprefix("py-spy>").strip() for line in reported.splitlines()]
    if profile is not None:
        counts = (
            line.partition("Samples:")[2] for line in lines if "Errors:" in line and not line.endswith("Errors: 0")
        )
        return next((f"samples:{count}".replace("Errors", "errors") for count in counts), None)
    spoken = [line for line in lines if line and not line.startswith(("Sampling process", "Visit https", "Wrote"))]
    return "; ".join(spoken)[:500] or "py-spy wrote nothing"


def _children_cpu_ns() -> int:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1e9)
