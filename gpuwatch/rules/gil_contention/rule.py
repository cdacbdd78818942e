"""Another thread of the training process holds the interpreter lock that the training needs.

What it means
    Python runs one thread at a time. Each operation of torch releases the interpreter lock, and has to get it back from
    whichever thread took it: one that computes in Python gives it up after 5 ms only. A step of many small operations
    then takes many times as long, spread evenly over lines that are not at fault. Or threads make the batches, and as they
    compute in Python, all of them together fill one core.

How it is measured
    Who holds the lock is sampled for a second beside the stack samples, and the CPU time of each Python thread is read
    before and after them. The training's own thread must also be blocked for a good part of the time without being at a
    sleep, at a queue, or waiting for a batch that is not made yet. Where it waits at a queue for threads that fill the lock, these make its batches.

When it is wrong
    A thread that sleeps, waits for a reply or computes in a library that releases the lock does not count. With a GPU
    that is busy for most of the time the training may just as well be blocked on that; then nothing is reported.

What to do
    Let the other thread's work run in a process of its own, or pause between its turns. Make batches in processes: the
    workers of a DataLoader, a pool of processes. The switch interval of the interpreter only shifts the cost.
"""

from __future__ import annotations

import math

from gpuwatch.diagnosis.evidence import finds_batches_ready, waited_share
from gpuwatch.diagnosis.needs import MEASURED_LOOP, MeasuredLoop
from gpuwatch.diagnosis.pipelines import is_made_by_threads
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import FULL, handed_share, queued_share, sleeping_share
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.model.threads import Line, OtherThreads, TrainerThreads
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import excerpt

_ADVICE = (
    "Run this in a process of its own, let it pause between its turns, or call a library there that releases the"
    " interpreter lock. A compiled model or a larger batch only makes fewer turns of it."
)
_ADVICE_BATCHES = (
    "Make batches in processes instead of threads (a DataLoader with workers, ProcessPoolExecutor), or call a library that"
    " releases the interpreter lock: more threads win nothing."
)
_ADVICE_PINNED = "Collate each batch into a few tensors, so that there is less to take over, or try pin_memory=False."
# What a step is left with when the lock is free.
_LEFT = 0.02


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    held: Threshold = Threshold(0.25, "share of the time", "The lock is free for the training for most of the time.")
    full: Threshold = Threshold(
        FULL, "share of the time", "Threads that make batches and rest between leave the lock free."
    )
    blocked: Threshold = Threshold(0.2, "share of the time", "A thread is blocked so long for smaller reasons, too.")
    queued: Threshold = Threshold(0.1, "share of the step", "A loop that hardly waits at a queue is not starved.")
    busy: Threshold = Threshold(0.7, "share of the time", "A device that is busier is what the training is blocked on.")


def check(profile: Profile, t: Thresholds, loop: MeasuredLoop, threads: TrainerThreads) -> Found | None:
    """Report threads that hold the interpreter lock while the training is blocked."""
    others = [one for one in threads.others if one.at_work > 0.0 or one.held]
    if not others:
        return None
    apart = loop.loader.own_loop or loop.loader.pipeline is not None
    waits = _handed(profile, loop.loader) if apart else 0.0
    if apart and waits >= t.queued:
        return _batches(profile, threads, others[0], waits, t)
    return _contention(profile, loop.loader, threads, others, t)


def _handed(profile: Profile, loader: LoaderProfile) -> float:
    """Return the share of the step in which the loop waits for threads of its own: measured, or by samples."""
    if loader.pipeline is None or loader.wait_share is None:
        return handed_share(profile, loader)
    return loader.wait_share.median if is_made_by_threads(profile, loader) else 0.0


def _contention(
    profile: Profile, loader: LoaderProfile, threads: TrainerThreads, others: list[OtherThreads], t: Thresholds
) -> Found | None:
    """Report threads that keep the training from the lock."""
    held = min(sum(one.lock for one in others), 1.0)
    blocked = _blocked(profile, loader, threads)
    if held < t.held or blocked < t.blocked or _busy(profile) > t.busy:
        return None
    first = others[0]
    return Found(
        severity="critical" if blocked >= 2 * t.blocked else "warning",
        confidence="high" if first.held is not None else "medium",
        summary=f"{_who(first)} {_holds(first)} {first.lock:.0%} of the time"
        f" while the training is blocked for {blocked:.0%} of its time{_at(first.line)}",
        evidence=(
            Evidence("interpreter lock held by other threads", round(held, 4), "share of the time", t.held),
            Evidence("training thread blocked", round(blocked, 4), "share of the time", t.blocked, loader.steps),
            Evidence("training thread on the CPU", round(threads.cpu, 4), "share of the time"),
            Evidence("other thread on the CPU", round(first.cores, 4), "cores"),
        ),
        advice=_ADVICE_PINNED if first.makes == "pinned memory" else _ADVICE,
        where=loader.created_where if first.makes == "pinned memory" else _place(first.line),
        speedup=_gain(1.0 / max(1.0 - blocked, _LEFT) - 1.0, "the training never blocked by the other thread"),
    )


def _batches(
    profile: Profile, threads: TrainerThreads, first: OtherThreads, queued: float, t: Thresholds
) -> Found | None:
    """Report threads that make the batches one at a time, as they compute in Python."""
    # The lock is free for a moment between two threads; what they used of a core while they had it most of the time counts.
    filled = max(first.lock, min(first.cores, 1.0) if first.lock >= t.held else 0.0)
    if filled < t.full:
        return None
    at = first.pool or first.line
    most = f", most of it{_at(first.line, '')}" if first.pool and first.line else ""
    return Found(
        severity="critical",
        confidence="high" if first.held is not None else "medium",
        summary=f"{_makers(first)} Python, one at a time: they fill {filled:.0%} of one core{most or _at(first.line)}",
        evidence=(
            Evidence("their Python code", round(filled, 4), "share of one core", t.full),
            Evidence("interpreter lock held", round(first.lock, 4), "share of the time"),
            Evidence("training waits for them", round(queued, 4), "share of the step", t.queued),
        ),
        advice=_ADVICE_BATCHES,
        where=_place(at),
        speedup=_in_processes(profile, threads, first, queued),
    )


def _blocked(profile: Profile, loader: LoaderProfile, threads: TrainerThreads) -> float:
    """Return the share of the time in which the training's thread was blocked and neither slept nor waited for a batch or
    at a queue. A request for a batch that is ready is blocked by the lock alone."""
    waited = waited_share(loader)
    # Without workers the wait for a batch is making it, which needs the lock as well.
    waits = waited.median if waited is not None and loader.workers else 0.0
    known = (sleeping_share(profile) + queued_share(profile)) * (1.0 - waits)
    return threads.blocked - known - (0.0 if finds_batches_ready(loader) else waits)


def _in_processes(profile: Profile, threads: TrainerThreads, first: OtherThreads, queued: float) -> Speedup:
    """Predict batches made by as many processes as there are cores, beside a loop that does not wait for them.

    That loop needs what it has of a core, and its sleeps; with a GPU its wait for the device is not known. A thread that
    has slept is sampled there until it has the lock again: what it needs lies between that and the cores' bound."""
    cores = max(profile.machine.usable_cores or 1.0, 1.0)
    bound = max(first.cores, first.cores + threads.cpu, _LEFT) / cores
    own = 1.0 - queued if profile.devices else min(threads.cpu + threads.delay + sleeping_share(profile), 1.0 - queued)
    high = max(1.0 / min(bound, 1.0), 1.0)
    low = min(1.0 / max(own, bound, _LEFT), high) if max(own, bound) < 1.0 else 1.0
    ends = (math.sqrt(low * high), low, high)
    predicted, least, most = (round(end, 3) for end in ends)
    return Speedup(predicted, least, most, "the batches made by processes on all cores")


def _gain(gain: float, basis: str) -> Speedup:
    predicted, low, high = (round(1.0 + part * gain, 3) for part in (1.0, 0.5, 1.3))
    return Speedup(predicted, low, high, basis)


def _who(threads: OtherThreads) -> str:
    if threads.makes == "pinned memory":
        return "the loader's pin-memory thread"
    return f"{threads.count} threads of the training" if threads.count > 1 else "a thread of the training"


def _makers(threads: OtherThreads) -> str:
    if threads.count > 1:
        return f"{threads.count} threads of the training make the batches in"
    return "a thread of the training makes the batches in"


def _holds(threads: OtherThreads) -> str:
    if threads.held is None:
        return "compute for" if threads.count > 1 else "computes for"
    return f"{'hold' if threads.count > 1 else 'holds'} the interpreter lock for"


def _at(line: Line | None, comma: str = ",") -> str:
    return "" if line is None or not line.source else f"{comma} at line {line.place.line}: {excerpt(line.source)}"


def _place(line: Line | None) -> Place | None:
    return line.place if line else None


def _busy(profile: Profile) -> float:
    busy = [device.busy for device in profile.devices if device.ranks and device.busy is not None]
    return sum(busy) / len(busy) if busy else 0.0


def _threads(profile: Profile) -> TrainerThreads | Missing:
    rank = profile.primary.rank if profile.primary else None
    found = next((one for one in profile.threads if one.rank == rank), None)
    return found or Missing("stack samples of the training's threads with their CPU time")


RULE = Rule(
    id="gil-contention",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, Need("stack samples of the training's threads with their CPU time", _threads)),
    thresholds=Thresholds(),
    hides=(
        "launch-bound",
        "no-worker-processes",
        "slow-dataset-code",
        "slow-step-code",
        "low-sm-activity",
        "slow-startup",
    ),
    traits=Traits(bound="host", lanes=("step", "gpu_busy")),
)
