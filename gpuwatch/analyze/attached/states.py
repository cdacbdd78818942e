"""What a trainer's main thread did at each tick of a look, in the words of the phases."""

from __future__ import annotations

import linecache
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gpuwatch.analyze.attached.loops import SampledLoops, Stack, asked_at
from gpuwatch.analyze.lines.frames import Frame, activity_of, imports
from gpuwatch.analyze.lines.model_calls import Part, part_of
from gpuwatch.analyze.numbers.arrays import as_list
from gpuwatch.analyze.numbers.statistics import no_narrower, ratio_interval
from gpuwatch.model.measures import Interval
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import is_library, is_process_queue

MAIN = "MainThread"
WAIT = "input wait"
# In a training loop; the others are outside of it.
IN_LOOP = (WAIT, "forward", "backward", "optimizer", "other in-step")
_PHASES: Mapping[Part, str] = {
    "forward": "forward",
    "torch": "forward",
    "backward": "backward",
    "optimizer": "optimizer",
}
# Neighbouring samples are not independent: an interval is made of blocks of so many seconds.
_BLOCK_S = 1.0
_READS = re.compile(r"\.(item|cpu|tolist|numpy|synchronize)\(")


@dataclass(frozen=True, slots=True)
class Seen:
    """The samples of one main thread, in order: the phase of each. `hz`: how many there are a second. `receiving`: of them, in
    reading a batch that a worker has sent, and making it again."""

    phases: tuple[str, ...]
    loops: SampledLoops
    hz: float
    makes_batches: bool
    pins: bool = False
    receiving: int = 0

    def count(self, *names: str) -> int:
        """Return how many samples were in one of these phases."""
        return sum(phase in names for phase in self.phases)

    @property
    def in_loop(self) -> int:
        """How many samples fell into a training loop."""
        return self.count(*IN_LOOP)

    def wait_share(self) -> Interval | None:
        """Return the share of the training loop's samples that wait for a batch, with its interval; None without any."""
        inside = [phase for phase in self.phases if phase in IN_LOOP]
        if not inside:
            return None
        waits = np.array([float(phase == WAIT) for phase in inside])
        found = ratio_interval(waits, np.ones(len(waits)), max(round(self.hz * _BLOCK_S), 1))
        return None if found is None else no_narrower(found, len(waits))


def seen_of(pid: int, stacks: Sequence[tuple[Mapping[str, Any], Stack]], hz: float, on_gpu: bool) -> Seen:
    """Return what one trainer's samples say. `stacks`: all rows of the look, with their frames. `on_gpu`: whether the
    trainer uses one, for which its lines may wait."""
    mine = [(row, frames) for row, frames in stacks if row.get("pid") == pid]
    main = [(row, frames) for row, frames in mine if row.get("tid") == MAIN]
    loops = SampledLoops((frames, int(row.get("weight") or 0)) for row, frames in main)
    named = {frames: phase_of(frames, loops, on_gpu) for _, frames in main}
    return Seen(
        phases=_in_order(main, named),
        loops=loops,
        hz=hz,
        makes_batches=any(activity_of(frames) in ("fetch", "collate") for _, frames in main),
        receiving=sum(int(row.get("weight") or 0) for row, frames in main if _receives(frames)),
        pins=any(frame.name == "_pin_memory_loop" for _, frames in mine for frame in frames),
    )


def phase_of(frames: Stack, loops: SampledLoops, on_gpu: bool = False) -> str:
    """Return the phase that a stack of the main thread is of. A line that waits for the GPU to compute is of the forward."""
    role = loops.role_of(frames)
    if role == "evaluation":
        return "evaluation"
    if asked_at(frames):
        return WAIT
    if imports(frames):
        return "startup"
    activity = activity_of(frames)
    if activity in ("startup", "shutdown"):
        return "loader startup" if activity == "startup" else "between loops"
    part = _PHASES.get(part_of(frames))
    if role is None and loops and part not in ("backward", "optimizer"):
        return "evaluation" if part_of(frames) == "forward" else "between loops"
    return part or ("forward" if on_gpu and _waits_for_device(frames[-1]) else "other in-step")


def _receives(frames: Stack) -> bool:
    """Say whether a thread that requests a batch reads one, or makes it again: what unpickles has no frame of its own."""
    asked = asked_at(frames)
    leaf = frames[-1]
    unpickles = leaf.name == "get" and is_process_queue(leaf.file)
    return bool(asked) and (unpickles or any(_hands_over(frame) for frame in frames[asked:]))


def _hands_over(frame: Frame) -> bool:
    reads = frame.name in ("_recv", "recvfds") and frame.file.endswith(("connection.py", "reduction.py"))
    return reads or frame.file.endswith("torch/multiprocessing/reductions.py")


def _waits_for_device(leaf: Frame) -> bool:
    """Say whether a line of the user's reads a value from the device, or waits for it: what it calls has no frame."""
    return not is_library(leaf.file) and bool(_READS.search(linecache.getline(leaf.file, leaf.line)))


def _in_order(rows: Sequence[tuple[Mapping[str, Any], Stack]], named: Mapping[Stack, str]) -> tuple[str, ...]:
    """Return the phases by time; of a recording that did not keep when a stack was met, by stack."""
    placed: list[tuple[int, int, str]] = []
    for row, frames in rows:
        begun = int(row.get("t0") or 0)
        runs = [run for run in as_list(row.get("runs")) if isinstance(run, list) and len(run) == 2]
        runs = runs or [[0, int(row.get("weight") or 0)]]
        placed += [(begun, first + at, named[frames]) for first, count in runs for at in range(count)]
    return tuple(name for _, _, name in sorted(placed, key=lambda one: one[:2]))


def seconds_by_phase(seen: Seen, seconds: float) -> dict[str, float]:
    """Return how a time divides into the phases, as the samples do."""
    counted, whole = Counter(seen.phases), max(len(seen.phases), 1)
    return {name: seconds * count / whole for name, count in counted.items()}
