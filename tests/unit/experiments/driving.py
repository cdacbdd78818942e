"""Drive the training program `programs/training.py` with a few windows, in a session of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from gpuwatch.experiments.session import Result, Session, Window

PROGRAM = str(Path(__file__).parent / "programs" / "training.py")


def command(way: str, *arguments: str) -> list[str]:
    """Return the command that trains in a way of the program."""
    return [sys.executable, PROGRAM, way, *arguments]


def environment(**settings: object) -> dict[str, str]:
    """Return the program's settings as environment variables."""
    return {name: str(value) for name, value in settings.items()}


def session(folder: Path, way: str, seconds: float = 200, **settings: object) -> Session:
    """Return a session on the program that ends after `seconds` at the latest."""
    deadline = time.monotonic() + seconds
    return Session(command(way), folder, deadline, cwd=folder, environment=environment(**settings))


def drive(folder: Path, way: str, windows: Sequence[Window], **settings: object) -> tuple[Session, list[Result]]:
    """Run windows on the program, and see that nothing of it is left."""
    with session(folder, way, **settings) as driven:
        results = driven.run(windows)
    assert not leftovers(folder)
    return driven, results


def leftovers(folder: Path) -> list[str]:
    """Return the command lines of the processes that still run for experiments in a folder."""
    mark, found = str(folder), []
    for process in psutil.process_iter():
        try:
            if mark in process.environ().get("GPUWATCH_EXPERIMENT", ""):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def truth(**settings: object) -> dict[str, float]:
    """Return the steps per second of hand-written loops by kind: device, loader and both."""
    done = subprocess.run(
        command("truth"),
        env={**os.environ, **environment(**settings)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    rates: dict[str, float] = json.loads(done.stdout)
    return rates
