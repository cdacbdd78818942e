"""The training process waits for the device in every step.

What it means
    .item(), .cpu(), print(loss) or a synchronise in the step make the host stop until the device is done. Nothing is
    queued meanwhile, so that the device then waits for the host: the two take turns instead of overlapping.

How it is measured
    The training process's line, from stack samples, is inside a synchronising call (item, cpu, tolist, synchronize,
    a join on another thread) for a good part of the step, while the host also has work of its own in the step. In a GPU
    trace: what a replay wins in which no call waits for the device, and the gaps that such a call leaves.

When it is wrong
    A run that is bound by its device must wait for it somewhere; removing one wait moves it to the next. The gain is
    at most the host's own work, which is what the prediction says.

What to do
    Keep losses on the device and read them every n-th step; copy with non_blocking=True.
"""

from __future__ import annotations

import re

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.waiting import waits_for_others
from gpuwatch.diagnosis.gpu_trace import by_trace, recurs, share_evidence, speedup
from gpuwatch.diagnosis.needs import MEASURED_LOOP, STACKS, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import waiting_share
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.hot_lines import HotLine, StackQuality
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import excerpt

SYNCS = (
    "item",
    "tolist",
    "synchronize",
    "cpu",
    "numpy",
    "is_nonzero",
    "_local_scalar_dense",
    "join",
    "wait",
    "nonzero",
)


# A thread or process is joined with a time-out or nothing; texts and paths are joined from parts.
_JOINS = re.compile(r"\w\.join\(\s*(\)|timeout|\d)")


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(
        0.2, "share of the trainer's samples", "A shorter wait costs less than what runs differ by."
    )
    host_share: Threshold = Threshold(0.1, "share of the step", "With less host work there is nothing to overlap.")
    blocked_share: Threshold = Threshold(
        0.5, "share of the line's samples", "A line that mostly runs does not wait for the device."
    )
    wait_share: Threshold = Threshold(
        0.3, "share of the step", "A loop that waits this much for data has no device to wait for."
    )
    idle_share: Threshold = Threshold(
        0.2,
        "share of the step",
        "Where samples do not show what is blocked: a thread that runs more waits for nothing.",
    )
    synced: Threshold = Threshold(
        0.1,
        "share of the GPU's time",
        "Where a trace shows each gap: a shorter one costs less than what runs differ by.",
    )
    replayed: Threshold = Threshold(1.1, "times", "Where a trace can be replayed: less is within its error.")


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, stacks: StackQuality) -> Found | None:
    """Report a line that waits for the device in each step while the host has work to overlap."""
    loader, costs = seen
    line = _syncing_line(profile, loader, t)
    waiting = loader.wait_share.median if loader.wait_share else 0.0
    synced = line.share if line else 0.0
    if synced < t.share or line is None or waiting > t.wait_share:
        return None
    host = max(1.0 - synced - waiting, 0.0)
    if host < t.host_share:
        return None
    overlapped = max(synced, host) * costs.step_ms
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"each step waits for the device at line {line.line}{f': {excerpt(line.source)}' if line.source else ''}",
        evidence=(
            Evidence(
                "in a synchronising call", round(synced, 4), "share of the trainer's samples", t.share, line.samples
            ),
            Evidence("host work that could overlap", round(host, 4), "share of the step", t.host_share),
            Evidence("call", str(line.callee) if line.callee else None, ""),
        ),
        advice="Keep the value on the device and read it every n-th step.",
        where=Place(line.file, line.line, line.function),
        speedup=throughput.predict(costs, _overlap(costs, overlapped), "max(host, device) instead of their sum", 0.4),
    )


def _in_trace(profile: Profile, t: Thresholds, time: GpuTime) -> Found | None:
    """Report a traced step that waits for the device, where the device then waits for the host."""
    share, gain = time.share("sync"), time.gain("sync")
    won = gain.predicted if gain and _overlaps(time) else 1.0
    waits = time.counts.syncs + time.counts.reads
    if waits < max(time.steps, 1) or (share < t.synced and won < t.replayed):
        return None
    place = time.place("sync")
    reads = f", {time.counts.reads} of them to read a value" if time.counts.reads else ""
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"the host waits for the GPU {waits} times{reads}; what it launches next finds it idle",
        evidence=(
            share_evidence(time, "sync", "idle after or in a call that waits for the device", t.synced),
            Evidence("replay without waits", round(won, 3), "x", t.replayed),
            Evidence("values read from the device", time.counts.reads, "count"),
        ),
        advice="Keep the value on the device and read it every n-th step.",
        where=place.place if place else None,
        speedup=speedup(time, "sync") if won >= t.replayed else None,
        hides=(),
    )


def _overlaps(time: GpuTime) -> bool:
    """Say whether a replay without waits tells of every step: not of a pause in one of them, which queued work would hide,
    nor of exchanges between ranks, which the other ranks' work bounds as well."""
    steady = all(recurs(time, name) for name in ("host_code", "input", "allocator"))
    return steady and time.share("communication") < time.share("sync", "host_code", "input", "launch")


def _syncing_line(profile: Profile, loader: LoaderProfile, t: Thresholds) -> HotLine | None:
    """Return the costliest trainer line in the step whose callee synchronises."""
    idle = waiting_share(profile, loader)
    lines = [h for h in profile.hot_lines if h.process_role == "trainer" and h.activity == "step"]
    if loader.own_loop:  # there another thread, or a process, hands over the batches
        lines = [h for h in lines if not waits_for_others(h.stack)]
    return max((h for h in lines if _synchronises(h, idle, t)), key=lambda h: h.share, default=None)


def _synchronises(line: HotLine, idle: float, t: Thresholds) -> bool:
    """Say whether a line waits in a synchronising call; where samples do not tell blocked ones, the CPU time does."""
    text = line.source or ""
    called = line.callee.function if line.callee else ""
    on_device = any(f".{name}(" in text for name in ("item", "tolist", "cpu", "synchronize", "numpy"))
    if not (called in SYNCS or on_device or ".wait(" in text or _JOINS.search(text)):
        return False
    return idle > t.idle_share if line.blocked_share is None else line.blocked_share >= t.blocked_share


def _overlap(costs: Costs, step: float) -> Costs:
    return throughput.with_step(costs, min(step, costs.device_ms))


RULE = Rule(
    id="step-sync",
    page=__doc__,
    check=check,
    needs=(
        MEASURED_LOOP,
        STACKS,
    ),
    thresholds=Thresholds(),
    hides=("slow-step-code",),
    traits=Traits(bound="host", lanes=("step", "gpu_wait", "gpu_busy")),
    by_trace=by_trace(_in_trace),
)
