"""One try: a training under `gpuwatch run`, one fault at a random instant, and what came of training and recording."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

import psutil

from scripts.benchmarks.faults.kinds import HERE, Kind, Place, clear, mounted

# A training takes a few seconds; what still runs then was left behind.
_MOST_S = 60.0
_START_UP_S = 1.0


@dataclass(frozen=True)
class Ran:
    """How a command ended: status as of subprocess, stdout, and whether every process of it has ended."""

    status: int
    out: str
    err: str
    seconds: float
    ended: bool
    struck: bool = True


@dataclass(frozen=True)
class Trial:
    """What came of a try. `why` says what of the training is not as without gpuwatch; `run` is what there is to report."""

    struck: bool
    why: str
    run: Path | None
    ran: Ran
    folder: tempfile.TemporaryDirectory[str]


@lru_cache
def bare(arguments: tuple[str, ...], limit: str) -> Ran:
    """Return how the training ends without gpuwatch."""
    with tempfile.TemporaryDirectory(prefix="gpuwatch-faults-") as folder:
        place = Place(Path(folder), Path(folder, "none"), arguments, limit)
        return _run(place, [], None, 0.0)


def attempt(kind: Kind, noise: Random) -> Trial:
    """Make one try. Raises RuntimeError where the fault cannot be made on this machine."""
    holder = tempfile.TemporaryDirectory(prefix="gpuwatch-faults-", ignore_cleanup_errors=True)
    folder = Path(holder.name)
    place = Place(folder, folder / "runs")
    with mounted(kind, place.base):
        kind.prepare(place)
        expected = bare(place.arguments, place.limit)
        (folder / "tmp").mkdir(exist_ok=True)
        place.environment["TMPDIR"] = str(folder / "tmp")
        base = [] if kind.name == "long paths" else ["--dir", str(place.base)]
        wrapper = [sys.executable, "-m", "gpuwatch", "run", *base, "--"]
        ran = _run(place, wrapper, kind, noise.uniform(0.1, expected.seconds + _START_UP_S))
        run = place.run() or next((path.parent for path in (folder / "tmp").glob("gpuwatch-*/*/run.json")), None)
        kept = _kept(run, folder) if kind.mounts and run else run
    return Trial(ran.struck, _changed(kind, ran, expected), kept, ran, holder)


def _kept(run: Path, folder: Path) -> Path:
    """Copy a run folder off the disk that is about to be unmounted."""
    target = folder / "kept" / run.name
    target.parent.mkdir()
    subprocess.run(["cp", "-r", str(run), str(target)], check=True)
    return target


def _run(place: Place, wrapper: list[str], kind: Kind | None, delay_s: float) -> Ran:
    (place.folder / place.script).write_text((HERE / "train.py").read_text())
    command = [*wrapper, sys.executable, place.script, *place.arguments]
    out, err = place.folder / "out", place.folder / "err"
    # Whoever of the command's processes still runs has the other end of this pipe open.
    alive, inherited = os.pipe()
    begun = time.monotonic()
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(
            ["bash", "-c", f'{place.limit}exec "$@"', "bash", *command],
            cwd=place.folder, env=clear(place.environment), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            pass_fds=(inherited,),
        )  # fmt: skip
        os.close(inherited)
        struck = _strike(process, kind, place, delay_s)
        try:
            status = process.wait(_MOST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
            struck = True
    ended = bool(select.select([alive], [], [], 20.0)[0])
    os.close(alive)
    seconds = time.monotonic() - begun
    return Ran(status, out.read_text(errors="replace"), err.read_text(errors="replace"), seconds, ended, struck)


def _strike(process: subprocess.Popen[bytes], kind: Kind | None, place: Place, delay_s: float) -> bool:
    if kind is None or kind.strike is None:
        return True
    time.sleep(delay_s)
    try:
        return process.poll() is None and kind.strike(psutil.Process(process.pid), place)
    except psutil.Error:
        return False


def _changed(kind: Kind, ran: Ran, expected: Ran) -> str:
    """Return what of the training is not as without gpuwatch; empty when nothing is."""
    if not ran.ended:
        return "a process was left behind"
    if "Traceback" in ran.err and "gpuwatch/" in ran.err and "site-packages/torch" not in ran.err:
        return f"gpuwatch printed a traceback: {ran.err[-300:]!r}"
    whole = ran.out == expected.out
    if kind.name == "kill gpuwatch":
        return "" if whole else f"its output is {ran.out!r}"
    if ran.status == expected.status:
        return "" if whole else f"its output is {ran.out!r}"
    if ran.status in kind.ends:
        return "" if expected.out.startswith(ran.out) or kind.name == "kill rank" else f"its output is {ran.out!r}"
    return f"its status is {ran.status}, not {expected.status}: {ran.err[-200:]!r}"
