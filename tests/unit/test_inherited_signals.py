"""What the tests start has default signals, also where the tests' own caller ignores or blocks some (`nohup … &`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OF_LIBC = 0b11 << 31  # signals 32 and 33 belong to the C library


def _masks(status: str) -> dict[str, int]:
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return {name: int(fields[name], 16) & ~OF_LIBC for name in ("SigBlk", "SigIgn")}


def test_a_started_program_ignores_and_blocks_no_signal() -> None:
    shown = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    assert _masks(shown) == {"SigBlk": 0, "SigIgn": 0}


def test_a_forked_python_is_interrupted_by_ctrl_c() -> None:
    child = os.fork()
    if child == 0:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def _as_under_nohup() -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGINT})


@pytest.mark.parametrize(
    "test", [test_a_started_program_ignores_and_blocks_no_signal, test_a_forked_python_is_interrupted_by_ctrl_c]
)
def test_the_same_where_the_caller_ignores_and_blocks_signals(test: object) -> None:
    which = f"{Path(__file__).relative_to(ROOT)}::{test.__name__}"  # type: ignore[attr-defined]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", which]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, preexec_fn=_as_under_nohup)
    assert done.returncode == 0, done.stdout + done.stderr
