"""Start a command bare or wrapped, so that one test says the same of both."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GPUWATCH = [sys.executable, "-m", "gpuwatch"]


@dataclass(frozen=True)
class Way:
    """How to start: `prefix` goes before the command."""

    name: str
    prefix: list[str]
    folder: Path

    def run(self, *command: str, **options: object) -> subprocess.CompletedProcess[str]:
        options.setdefault("text", True)
        return subprocess.run(
            self.prefix + list(command), capture_output=True, timeout=60, cwd=self.folder, env=environment(), **options
        )  # type: ignore[call-overload,no-any-return]

    @contextmanager
    def start(self, *command: str, **options: object) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            self.prefix + list(command), text=True, cwd=self.folder, env=environment(), **options
        )  # type: ignore[call-overload]
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


def environment() -> dict[str, str]:
    """Return our environment with gpuwatch importable and none of its settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GPUWATCH_", "COV_"))}
    return {**kept, "PYTHONPATH": str(ROOT)}


def bare(folder: Path) -> Way:
    return Way("bare", [], folder)


def wrapped(folder: Path) -> Way:
    return Way("wrapped", [*GPUWATCH, "run", "--quiet", "--"], folder)


def script(folder: Path, name: str, text: str) -> str:
    """Write a script; return its path."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def wait_for(met: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until something is true; fail saying what never was."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def newest_run(folder: Path) -> Path:
    return max((folder / ".gpuwatch").glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns).parent


def alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def sampler_pids(run: Path) -> list[int]:
    """Return the pids of the samplers that write into this run."""
    pids = []
    for folder in Path("/proc").iterdir():
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdecimal() else []
        except OSError:
            continue
        if os.fsencode(run) in arguments and any(b"gpuwatch.sampler" in argument for argument in arguments):
            pids.append(int(folder.name))
    return pids
