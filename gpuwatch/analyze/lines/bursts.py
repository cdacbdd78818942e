"""Stack samples by py-spy, which come as folded stacks of a burst."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from gpuwatch.analyze.lines.frames import Frame, activity_of, imports, read_frames
from gpuwatch.analyze.lines.loop_lines import LoopRoles
from gpuwatch.analyze.lines.moments import Moments
from gpuwatch.analyze.lines.origins import Origins
from gpuwatch.analyze.lines.placing import place
from gpuwatch.analyze.lines.samples import Role, Sample
from gpuwatch.analyze.lines.statements import statement_line
from gpuwatch.analyze.lines.torn import Roots, Sources, Thread
from gpuwatch.analyze.numbers.arrays import as_list
from gpuwatch.analyze.processes.sites import is_foreign
from gpuwatch.analyze.processes.sorting import Processes, shift_of
from gpuwatch.model.recording import ProcessLog
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import hands_over, is_library

# py-spy writes its file after the last sample.
_WRITING_NS = 5e7
_MOST_SAMPLES = 1_000_000
# How far off the time of a sample may be.
_UNSURE_NS = 5e8
# When a stack was met, and how many samples of it then.
Times = list[tuple[float, int]]


@dataclass(slots=True)
class _Burst:
    """One burst on the run's clock (ns). `seen_ns`: since when no samples were taken, where a start-up is sampled again."""

    begin_ns: float
    end_ns: float
    seen_ns: float
    counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def at(self, index: float, pid: int) -> float:
        """Return the time of a sample of a process's main thread: they are evenly spaced, more or less."""
        return self.begin_ns + (index + 0.5) / max(self.counts[pid], 1) * (self.end_ns - self.begin_ns)

    def seconds(self, pid: int) -> float:
        """Return the time that one sample of a process represents."""
        return max(self.end_ns - self.seen_ns, 0.0) / 1e9 / max(self.counts[pid], 1)


def burst_samples(
    processes: Processes, log: ProcessLog, moments: Mapping[int, Moments], loops: LoopRoles
) -> Iterator[Sample]:
    """Yield what py-spy saw of the trainers and their workers."""
    roles: dict[int, Role] = {worker.log.pid: "worker" for worker in processes.workers}
    roles |= {trainer.log.pid: "trainer" for trainer in processes.trainers}
    helpers = _helpers(processes, moments) - roles.keys()
    roles |= dict.fromkeys(helpers, "worker")
    middle = min((when.middle_ns for when in moments.values() if when.loops), default=None)
    bursts, origins = _bursts(log, shift_of(log, processes.recording.run)), Origins(processes)
    for row, frames in read_stacks(log, processes):
        pid = row.get("pid") or 0
        role, burst = roles.get(pid), bursts[row.get("t0") or 0]
        weight = int(row.get("weight") or 0)
        if role is None or weight <= 0:
            continue
        when, evaluates = moments.get(pid), loops.is_evaluation(frames)
        making = _making_batches(frames, origins.program)
        activity = making if pid in helpers else _activity(role, row.get("tid"), frames, when, making)
        if activity is None:
            continue
        awaited = min(float(row.get("main_in_wait") or 0), weight)
        late = _late(row, burst, weight, middle)
        for placed, times in _placed(activity, role, evaluates, row, burst, when).items():
            part = sum(count for _, count in times)
            yield _sample(role, placed, frames, origins, pid)._replace(
                weight=float(part),
                tenths=tuple(_by_tenth(times).items()) if role == "trainer" else (),
                seconds=part * burst.seconds(pid),
                awaited=awaited * part / weight,
                late=None if late is None else late * part,
            )


def main_samples(log: ProcessLog, processes: Processes, pid: int) -> Iterator[tuple[float, int, tuple[Frame, ...]]]:
    """Yield when each stack of a process's main thread was met (ns, the run's clock), and how many samples of it then."""
    bursts = _bursts(log, shift_of(log, processes.recording.run))
    for row, frames in read_stacks(log, processes):
        if row.get("pid") == pid and row.get("tid") in (None, "MainThread"):
            weight = min(int(row.get("weight") or 0), _MOST_SAMPLES)
            yield from ((time, count, frames) for time, count in _times(row, bursts[row.get("t0") or 0], weight))


def read_stacks(log: ProcessLog, processes: Processes) -> list[tuple[dict[str, Any], tuple[Frame, ...]]]:
    """Return the stacks that were: with those that py-spy read while they changed, nothing begins."""
    read = [(row, frames) for row in log.table("stack").dicts() if (frames := read_frames(row.get("frames")))]
    sources = Sources([frames for _, frames in read], processes.recording.run.started_wall_ns)
    roots = Roots((_thread(row), frames, int(row.get("weight") or 0)) for row, frames in read)
    return [
        (row, frames) for row, frames in read if not sources.is_torn(frames) and not roots.is_cut(_thread(row), frames)
    ]


def _thread(row: Mapping[str, Any]) -> Thread:
    return row.get("pid"), row.get("tid")


def _bursts(log: ProcessLog, shift: float) -> dict[int, _Burst]:
    """Return the bursts by when they began to be taken, as their stacks name them."""
    bursts: dict[int, _Burst] = {}
    looked: float | None = None
    for row in log.table("burst").dicts():
        if row.get("ok") and row.get("t0"):
            again = looked if row.get("why") == "startup" else None
            burst = bursts[row["t0"]] = _burst(row, shift)
            burst.seen_ns = burst.begin_ns if again is None else min(again, burst.begin_ns)
            looked = burst.end_ns if row.get("why") == "startup" else None
    for row in log.table("stack").dicts():
        burst = bursts.setdefault(row.get("t0") or 0, _burst(row, shift))
        if row.get("tid") in (None, "MainThread"):
            burst.counts[row.get("pid") or 0] += int(row.get("weight") or 0)
    return bursts


def _burst(row: Mapping[str, Any], shift: float) -> _Burst:
    begin = float(row.get("began") or row.get("t0") or 0) + shift
    end = max(float(row.get("t1") or 0) + shift - _WRITING_NS, begin)
    return _Burst(begin, end, begin)


def _placed(
    activity: str, role: Role, evaluates: bool | None, row: Mapping[str, Any], burst: _Burst, moments: Moments | None
) -> Mapping[str, Times]:
    """Say when a stack's samples fell where: before the first batch, in a loop, in an evaluation, between loops.

    `evaluates`: what the stack says; where it says nothing, the time does."""
    weight = min(int(row.get("weight") or 0), _MOST_SAMPLES)
    if role == "worker":
        return {"startup" if activity in ("step", "wait") else activity: [(0.0, weight)]}
    if activity not in ("step", "startup") or moments is None:
        return {activity: [(0.0, weight)]}
    found: dict[str, Times] = defaultdict(list)
    for time, count in _times(row, burst, weight):
        starting = activity == "startup"
        found[_making(time, moments) if starting else _in_loop(moments.at(time), evaluates)].append((time, count))
    return found


def _by_tenth(times: Times) -> Mapping[int, int]:
    counted: dict[int, int] = defaultdict(int)
    for time, count in times:
        counted[int(time // 1e8)] += count
    return counted


def _times(row: Mapping[str, Any], burst: _Burst, weight: int) -> Times:
    """Return when a stack was met, and how many samples of it then; older recordings did not keep that."""
    runs = [run for run in as_list(row.get("runs")) if isinstance(run, list) and len(run) == 2]
    if sum(count for _, count in runs) != weight:
        return [((burst.begin_ns + burst.end_ns) / 2, weight)]
    pid = row.get("pid") or 0
    return [(burst.at(first + at, pid), 1) for first, count in runs for at in range(count)]


def _late(row: Mapping[str, Any], burst: _Burst, weight: int, middle: float | None) -> float | None:
    """Return the share of a stack's samples that were taken after the middle of the loops."""
    if middle is None:
        return None
    times = _times(row, burst, min(weight, _MOST_SAMPLES))
    return sum(count for time, count in times if time > middle) / max(sum(count for _, count in times), 1)


def _in_loop(moment: str, evaluates: bool | None) -> str:
    if evaluates is None or moment not in ("step", "long step", "evaluation"):
        return moment
    return "evaluation" if evaluates else "step" if moment == "evaluation" else moment


def _making(time: float, moments: Moments) -> str:
    """Say what the making of an iterator belongs to; the first one's may seem to come just after its first batch."""
    return "startup" if time < moments.first_ns + _UNSURE_NS else "between loops"


def _sample(role: Role, activity: str, frames: tuple[Frame, ...], origins: Origins, pid: int) -> Sample:
    placed = place(frames, activity, origins, pid)
    frame, callee = placed.frame, placed.callee
    # A stack too deep to be kept whole has lost the script's import in its middle.
    if activity == "startup" and imports(frames if is_library(frame.file) else placed.called):
        activity, callee = "importing", None
        placed = placed._replace(below=None, below_callee=None)
    return Sample(
        pid=pid,
        role=role,
        activity=activity,
        file=frame.file,
        line=frame.line if is_foreign(frame.file, origins.program) else statement_line(frame.file, frame.line),
        function=frame.function,
        callee=callee,
        makes=placed.makes,
        stack=frames,
        weight=0.0,
        seconds=0.0,
        awaited=0.0,
        blocked=None,
        below=placed.below,
        below_callee=placed.below_callee,
    )


def _activity(
    role: Role, thread: object, frames: tuple[Frame, ...], moments: Moments | None, making: str | None
) -> str | None:
    """Return what a thread was doing; None for helpers: what they do is not what the loop, or a batch, waits for.

    Where the loop is not over a DataLoader, a thread at work on the user's own code makes its batches; below a feed the
    training thread itself does."""
    activity = activity_of(frames)
    if thread in (None, "MainThread") or (role == "worker" and activity == "serialise"):
        fed = _of_feed(frames, moments) if activity == "step" and role == "trainer" else None
        return fed or activity
    return making if role == "trainer" and moments is not None and moments.own_loop else None


def _of_feed(frames: tuple[Frame, ...], moments: Moments | None) -> str | None:
    """Return what the training thread does below a function through which batches come: make one, or wait for it."""
    givers = moments.givers if moments is not None else frozenset()
    if not givers or not any((frame.file, frame.name) in givers for frame in frames):
        return None
    return "wait" if hands_over(frames[-1].file) else "fetch"


def _making_batches(frames: tuple[Frame, ...], program: str | None) -> str | None:
    """Return what a thread or process does that a loop without a DataLoader may wait for: None while it waits itself, or
    imports modules because it has just been spawned."""
    waits = hands_over(frames[-1].file) or all(is_foreign(frame.file, program) for frame in frames)
    return None if waits or imports(frames) else "fetch"


def _helpers(processes: Processes, moments: Mapping[int, Moments]) -> set[int]:
    """Return the processes that trainers with loops without a DataLoader have started, and those have."""
    table = processes.sampler.table("process") if processes.sampler else None
    found = {pid for pid, when in moments.items() if when.own_loop}
    if table is None or not found:
        return set()
    trainers = found.copy()
    rows = zip(table.column("pid"), table.column("ppid"), table.column("role"), strict=True)
    # A training that records itself is the parent of its sampler.
    parents = {pid: parent for pid, parent, role in rows if role != "gpuwatch"}
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if isinstance(pid, int) and parent in found} - found
        found, grown = found | children, bool(children)
    return found - trainers
