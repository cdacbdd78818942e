"""What the verdict and the rules take from a GPU trace: which device to judge, and what bounds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gpuwatch.diagnosis.evidence import STARVED_SHARE
from gpuwatch.diagnosis.rule import ByTrace, Found, Missing, Need
from gpuwatch.diagnosis.shared_cores import WORTH
from gpuwatch.diagnosis.thresholds import Threshold
from gpuwatch.model.findings import Bound, Confidence, Evidence, Finding, Speedup, Verdict
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile
from gpuwatch.model.reasons import TracedTime

LOST_SHARE = Threshold(
    0.20, "share of the GPU's time", "Every step has some gaps: a device with smaller ones is at work.", "lost_share"
)
# A device that did less than this of what the busiest one did is not what the training runs on.
_SMALL = 0.1
SURE_STEPS = 5
# One of three steps or more that has this part of a class has it alone; less than so much of the time tells nothing.
_ALONE_IN_STEP, _FEW_STEPS, _LITTLE = 0.6, 3, 0.05
# Of steps that lie outside of the device's span for this part of it, what they do there is not known.
_AROUND = 0.2
# The bound that each class of lost time speaks for. Waiting for another stream may be any of them.
_BOUNDS: dict[str, Bound] = {
    "input": "input",
    "sync": "host",
    "launch": "host",
    "host_code": "host",
    "allocator": "host",
    "pageable_copy": "transfer",
    "copy": "transfer",
    "communication": "communication",
    "dependency": "unknown",
}
NOT_MEASURABLE = "not measurable from this trace: it does not hold all that the GPU ran"


class Lost(NamedTuple):
    """What bounds a device, with the share of its time, and the largest class of it."""

    bound: Bound
    share: float
    worst: str


def judged(times: tuple[GpuTime, ...]) -> GpuTime | None:
    """Return the device that lost most of its time, among those that the training runs on; None without a trace.

    Exchanges do not count: of several ranks the others spend in them what the slowest one loses. A device whose idle time
    cannot be judged comes last."""
    most = max((time.counts.activities for time in times), default=0)
    used = [time for time in times if time.counts.activities >= _SMALL * most]
    return max(used, key=lambda time: (time.unmeasured is None, _lost_alone(time)), default=None)


def _lost_alone(time: GpuTime) -> float:
    return 1.0 - time.share("compute", "communication")


def traced(profile: Profile) -> GpuTime | Missing:
    """Return the device to judge, or what is missing."""
    time = judged(profile.gpu_time)
    if time is None:
        return Missing("a GPU trace (`gpuwatch report TRACE`)")
    return Missing(NOT_MEASURABLE, "clause") if time.unmeasured else time


TRACED = Need("a GPU trace that holds all that ran", traced)


def by_trace(check: Callable[..., Found | Missing | None], in_runs: bool = True) -> ByTrace:
    """Return how a rule looks at a trace: `check` gets the profile, the thresholds and the device to judge. `in_runs`: also
    where the trace is of a few of a run's own steps."""
    return ByTrace((TRACED,), check, in_runs)


def losses(time: GpuTime) -> list[Lost]:
    """Return what each bound costs the device, the largest first."""
    found: dict[Bound, list[str]] = {}
    for name, bound in _BOUNDS.items():
        found.setdefault(bound, []).append(name)
    rows = [Lost(bound, time.share(*names), max(names, key=time.share)) for bound, names in found.items()]
    return sorted(rows, key=lambda lost: -lost.share)


def verdict_of(profile: Profile, findings: list[Finding]) -> Verdict | None:
    """Return what bounds the traced device; None where there is no trace."""
    time = judged(profile.gpu_time)
    if time is None:
        return None
    first = _first(losses(time))
    reason = TracedTime(
        device=time.device,
        rank=time.rank,
        span_ms=time.span_ms,
        steps=time.steps,
        activities=time.counts.activities,
        idle=time.idle_share,
        busy=1.0 - time.idle_share,
        worst=first.worst,
        worst_share=time.share(first.worst),
        in_one_step=not recurs(time, first.worst),
        unmeasured=time.unmeasured,
        unknown=time.shares.unknown,
    )
    if time.unmeasured:
        return Verdict("unknown", "low", None, "cuda", None, reason)
    waited = time.share("input")
    share = Interval(waited, waited, waited, max(time.steps, 1))
    bound: Bound = first.bound if _bounds(first) else "compute"
    return Verdict(
        bound,
        _sureness(time, reason, bound),
        share,
        "cuda",
        speedup(time, "input"),
        reason,
        leave_input_alone=bound == "compute" and _is_alone(time, findings),
    )


def _first(lost: list[Lost]) -> Lost:
    """Return the largest loss that bounds the device, else the largest."""
    return next((each for each in lost if _bounds(each)), lost[0])


def _bounds(lost: Lost) -> bool:
    return lost.share >= (STARVED_SHARE if lost.bound == "input" else LOST_SHARE)


def _is_alone(time: GpuTime, findings: list[Finding]) -> bool:
    advised = any(finding.traits.about_input and finding.severity != "info" for finding in findings)
    gain, around = time.gain("input"), time.around_ms or 0.0
    # Of what the steps do before the device's first activity nothing is judged.
    return not advised and around < _AROUND * time.span_ms and (gain is None or gain.predicted < WORTH)


def _sureness(time: GpuTime, reason: TracedTime, bound: Bound) -> Confidence:
    if reason.in_one_step or bound == "unknown":
        return "low"
    requests = time.loader.requests if time.loader else 0
    return "high" if max(time.steps, requests) >= SURE_STEPS else "medium"


def recurs(time: GpuTime, name: str) -> bool:
    """Say whether several steps have their part of a class; of a trace without steps that is not known, and taken so."""
    if time.in_largest_step is None or time.steps < _FEW_STEPS or time.share(name) < _LITTLE:
        return True
    return time.in_largest_step[name] < _ALONE_IN_STEP


def speedup(time: GpuTime, what: str, most: float | None = None) -> Speedup | None:
    """Return what the traced steps win without something; None where the trace cannot be replayed."""
    gain = time.gain(what)
    if gain is None:
        return None
    bounded = what in ("launch", "communication", "host_code")
    basis = "half of it saved; at most all of it" if bounded else "replay of the trace's host and device without it"
    predicted = gain.predicted if most is None else min(gain.predicted, most)
    return Speedup(round(predicted, 3), round(min(gain.low, predicted), 3), round(max(gain.high, predicted), 3), basis)


def share_evidence(time: GpuTime, name: str, title: str, threshold: Threshold | None = None) -> Evidence:
    """Return the share of a class as evidence."""
    return Evidence(title, round(time.share(name), 4), "share", threshold, time.steps or None)
