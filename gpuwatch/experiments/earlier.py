"""The run whose findings an experiment proves: the newest of the same command, or a short one made now."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gpuwatch.build_report import build
from gpuwatch.errors import GpuwatchError
from gpuwatch.model.report import Report
from gpuwatch.store import folder
from gpuwatch.store.reader import read
from gpuwatch.words.masking import same_command

_END_S = 15.0


def find(command: Sequence[str], base: Path) -> Report | None:
    """Return the report of the newest ordinary run of this command; None when there is none that can be read."""
    for path in reversed(folder.list_runs(base)):
        try:
            info = folder.read_info(path)
            if same_command(info.command, command) and info.experiment is None and info.state != "running":
                report = build(read(path), with_timeline=False)
                if report.verdict.bound != "unknown":
                    return report
        except GpuwatchError:
            continue
    return None


def make(command: Sequence[str], base: Path, seconds: float) -> Report | None:
    """Record the command for at most `seconds`, then end it, and return the report; None when nothing came of it."""
    call = [
        sys.executable,
        "-m",
        "gpuwatch",
        "run",
        "--quiet",
        "--dir",
        str(base),
        "--name",
        "before-try",
        "--",
        *command,
    ]
    with subprocess.Popen(
        call, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            _end(process)
        except KeyboardInterrupt:
            _end(process)
            raise
    return find(command, base)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the recording as a person would: the signal goes on to the command."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        try:
            process.wait(_END_S)
            return
        except subprocess.TimeoutExpired:
            continue
