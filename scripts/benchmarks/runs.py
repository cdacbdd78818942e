"""One training process at a time, started bare or under a tool: its speed, memory, files, and how it ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from scripts.benchmarks.machine import ROOT

TRAIN = Path(__file__).with_name("train.py")
PHOTO_SIZE = (360, 270)
MEMORY_EVERY_S = 1.0


@dataclass(frozen=True)
class Outcome:
    """How one training went. Seconds; bytes; None: it did not get that far."""

    status: int | None
    """As subprocess tells it: an exit code, or minus a signal; None: killed after the time limit."""
    wall_s: float
    steps_per_s: float | None = None
    start_s: float | None = None
    """From its start to the first batch."""
    finish_s: float | None = None
    """From the last batch to the end of the process."""
    memory_bytes: int = 0
    """The most that the whole tree held at once, shared pages counted once (PSS)."""
    output_bytes: int = 0
    interrupted: bool = False
    """The script's own `except KeyboardInterrupt` ran."""
    text: str = ""
    folder: Path = field(default_factory=Path)


@dataclass(frozen=True)
class Start:
    """How to start the training: words before the script, words after it, its environment's extras."""

    before: Sequence[str]
    after: Sequence[str] = ()
    separator: Sequence[str] = ()
    """What must stand between the script's name and its own arguments."""


def take_interrupts() -> None:
    """Let the trainings started from here get SIGINT, also where nohup or a shell's `&` has this process ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def make_photos(folder: Path, count: int = 60) -> Path:
    """Write the photographs that the training reads; return their folder."""
    from PIL import Image

    photos = folder / "photos"
    maker = ROOT / "gpuwatch" / "demo" / "make_photos.py"
    subprocess.run([sys.executable, str(maker), str(photos), str(count)], check=True, stderr=subprocess.DEVNULL)
    for path in photos.rglob("*.jpg"):
        with Image.open(path) as photo:
            small = photo.resize(PHOTO_SIZE)
        small.save(path, quality=90)
    return photos


def run(
    start: Start, photos: Path, folder: Path, arguments: Sequence[str], limit_s: float, interrupt: bool = False
) -> Outcome:
    """Train once in `folder` (emptied first); send SIGINT to all of it after the first batches when `interrupt`."""
    shutil.rmtree(folder, ignore_errors=True)
    out = folder / "out"
    out.mkdir(parents=True)
    result = folder / "result.json"
    words = [word.replace("{out}", str(out)) for word in [*start.before, str(TRAIN), *start.separator]]
    words += [str(photos), "--result", str(result), *arguments]
    words += [word.replace("{out}", str(out)) for word in start.after]
    take_interrupts()
    began = time.monotonic()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            words, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder, start_new_session=True
        )
        memory = _Memory(process.pid)
        try:
            if interrupt:
                told = (process, Path(f"{result}.training"), limit_s)
                threading.Thread(target=_interrupt, args=told, daemon=True).start()
            status = _wait(process, limit_s)
        finally:
            ended = time.monotonic()
            most = memory.close()
            _end_group(process.pid)
            memory.end_left_over()
    return _outcome(status, began, ended, most, result, folder)


def _outcome(status: int | None, began: float, ended: float, memory: int, result: Path, folder: Path) -> Outcome:
    text = (folder / "said").read_text(errors="replace")
    size = sum(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file())
    interrupted = Path(f"{result}.interrupted").exists()
    seen = json.loads(result.read_text()) if result.exists() and result.stat().st_size else None
    if seen is None or not seen["steps"]:
        return Outcome(status, ended - began, None, None, None, memory, size, interrupted, text, folder)
    return Outcome(
        status,
        ended - began,
        seen["steps"] / seen["loop_s"],
        seen["first_batch_ns"] / 1e9 - began,
        ended - seen["loop_end_ns"] / 1e9,
        memory,
        size,
        interrupted,
        text,
        folder,
    )


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> int | None:
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        _end_group(process.pid)
        process.wait()
        return None


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _interrupt(process: subprocess.Popen[bytes], training: Path, limit_s: float) -> None:
    """Do what Ctrl-C at a terminal does, once the training trains."""
    until = time.monotonic() + limit_s
    while not training.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)


class _Memory:
    """Watches a process and all below it: the most that they held at once (PSS, bytes), and who they were."""

    def __init__(self, pid: int) -> None:
        self.pid, self.most, self.ended = pid, 0, threading.Event()
        self.seen: set[psutil.Process] = set()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.ended.wait(MEMORY_EVERY_S):
            tree = _tree(self.pid)
            self.seen.update(tree)
            self.most = max(self.most, sum(map(_bytes, tree)))

    def close(self) -> int:
        """Stop watching; return the most bytes."""
        self.ended.set()
        self.thread.join()
        return self.most

    def end_left_over(self) -> None:
        """Kill what was below the process and has outlived it, in a group of its own."""
        for process in self.seen:
            try:
                process.kill()
            except psutil.Error:
                continue


def _tree(pid: int) -> list[psutil.Process]:
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.Error:
        return []


def _bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def abba(first: Callable[[], float | None], second: Callable[[], float | None], pairs: int) -> list[float]:
    """Return second/first of each pair, run in turns AB BA AB …; a pair in which one failed is left out."""
    ratios = []
    for pair in range(pairs):
        a, b = _in_order(first, second, pair % 2 == 1)
        if a and b:
            ratios.append(b / a)
    return ratios


def _in_order(
    first: Callable[[], float | None], second: Callable[[], float | None], swap: bool
) -> tuple[float | None, float | None]:
    if not swap:
        a = first()
        return a, second()
    b = second()
    return first(), b


def middle(values: Sequence[float]) -> float | None:
    """Return the median, None of nothing."""
    return statistics.median(values) if values else None


def spread(values: Sequence[float]) -> str:
    """Return the lowest and highest of several values."""
    return f"{min(values):.3f} … {max(values):.3f}" if len(values) > 1 else "one pair"
