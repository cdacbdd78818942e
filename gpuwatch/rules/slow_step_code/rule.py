"""Python between the batches, other than forward, backward and optimizer, takes a good part of the loop.

What it means
    The training process itself does something in each step that is neither the model nor waiting for data: metrics
    in Python, logging, plotting, moving data about, histograms. Or it does so at the start or the end of each epoch: a
    sampler that goes over the whole dataset, a summary.

How it is measured
    Lines of the training process from stack samples in the step, other than the model's forward, the backward pass and
    the optimizer, also where a framework calls these from the user's one line; then the callback that takes the time is
    named. No more is reported than was measured outside of the three, whatever the samples say. A line that sleeps or
    waits is not Python's work and does not count. Between loops, and while one begins, the same for lines that are neither
    torch's nor the start of workers. The user's own sampler counts too: a loader asks it for indices in the training
    process, in time that is otherwise input wait.
    In a GPU trace: the device's gaps in which the host ran code that launched nothing, inside no loader and no call that
    waits.

When it is wrong
    Without stack samples, waiting for a device outside of the backward pass looks the same; then the rule is not
    evaluated.

What to do
    Do it every n-th step, on the device, after the loop, or in another process. Do what each epoch repeats once.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import loop_seconds, place
from gpuwatch.diagnosis.gpu_trace import by_trace, recurs, share_evidence, speedup
from gpuwatch.diagnosis.needs import MEASURED_LOOP, RANKS, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Missing, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import (
    between_loops,
    calls_modules,
    most_at,
    other_share,
    own_lines,
    own_share,
    sampler_share,
    stands_still,
)
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile, RankProfile
from gpuwatch.words.units import duration

_ADVICE = "Do this every n-th step, on the device, or after the loop."
_ADVICE_SAMPLER = (
    "Prepare what the sampler needs once, in its __init__, and use whole arrays: the workers wait for its indices, so that"
    " more of them win nothing."
)
_ADVICE_EPOCH = "Do this once before the epochs, keep its result, or do it less often."
_ADVICE_SAVING = "Save less often, save less (weights only), or copy to host memory and write in a background thread."
_ADVICE_OWN = (
    "Where it makes the batch: make it cheaper (whole arrays instead of Python loops), or let the workers of a DataLoader"
    " make it ahead; else do it every n-th step, on the device, or after the loop."
)


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.15, "share of the step", "Logging, metrics and the loop itself take less.")
    critical_share: Threshold = Threshold(0.3, "share of the step", "A third of the step.")
    idle: Threshold = Threshold(
        0.2, "share of the GPU's time", "Where a trace shows each gap: between steps there is always some code."
    )
    sure_passes: Threshold = Threshold(2, "passes between loops", "What is seen once may be an exception.")


def check(
    profile: Profile, t: Thresholds, seen: MeasuredLoop, ranks: tuple[RankProfile, ...]
) -> Found | Missing | None:
    """Report working Python lines in the step that are not the model's."""
    loader, costs = seen
    if loader.own_loop and not (calls_modules(profile) or stands_still(profile, loader)):
        return Missing("no nn.Module frames were sampled, so model time is unknown")
    if profile.stacks.trust == "none":
        return None if other_share(profile) < t.share else Missing("stack samples of the training process")
    found = [f for f in (_each_step(profile, loader, costs, t), _each_epoch(profile, costs, t)) if f is not None]
    return max(found, key=lambda f: f.speedup.predicted if f.speedup else 1.0, default=None)


def _each_step(profile: Profile, loader: LoaderProfile, costs: Costs, t: Thresholds) -> Found | None:
    """Report own code in the steps."""
    lines = own_lines(profile, loader)
    other = own_share(profile, lines)
    if other < t.share or not lines:
        return None
    line, sampler = lines[0], sampler_share(lines)
    what, advice = "Python outside of forward, backward and optimizer", _ADVICE_OWN if loader.own_loop else _ADVICE
    if sampler >= other / 2:
        what, advice = "the sampler's code, which the loader runs in the training process", _ADVICE_SAMPLER
    return Found(
        severity="critical" if other >= t.critical_share else "warning",
        confidence="high" if profile.stacks.trust == "high" else "medium",
        summary=f"{other:.0%} of the step is {what}{most_at(line)}",
        evidence=(
            Evidence("own code in the step", round(other, 4), "share of the trainer's samples", t.share, line.samples),
            Evidence("other in-step", round(other_share(profile), 4), "share of the step", n=loader.steps),
            Evidence(
                "hottest line there", round(min(line.share, other), 4), "share of the trainer's samples", n=line.samples
            ),
            Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
        ),
        advice=advice,
        where=place(line),
        speedup=_without(other, sampler, costs, t),
        hides=(),
        decides=other >= t.critical_share,
    )


def _without(other: float, sampler: float, costs: Costs, t: Thresholds) -> Speedup:
    """Predict the step without this code; what a sampler takes is no part of the model's step, and comes on top of it."""
    if sampler >= t.share:
        gain = 1.0 / max(1.0 - other, 0.05) - 1.0
        ends = (1.0 + gain, 1.0 + 0.7 * gain, 1.0 + 1.1 * gain)
        predicted, low, high = (round(end, 3) for end in ends)
        return Speedup(predicted, low, high, "the step without this code")
    after = throughput.with_step(costs, costs.device_ms - min(other * costs.step_ms, 0.95 * costs.device_ms))
    return throughput.predict(costs, after, "the step without this code", 0.4)


def _each_epoch(profile: Profile, costs: Costs, t: Thresholds) -> Found | None:
    """Report own code between the loops and at their start, where it takes as much of the loop's time."""
    lines, passes = between_loops(profile), max(int(costs.iterators) - 1, 1)
    whole = max(loop_seconds(profile), costs.seconds, 1e-9)
    spent = min(sum(line.seconds for line in lines), 0.95 * whole)
    if spent / whole < t.share or not lines:
        return None
    line, predicted = lines[0], whole / (whole - spent)
    spread = 0.4 * (predicted - 1.0) + 0.01
    return Found(
        severity="critical" if spent / whole >= t.critical_share else "warning",
        confidence="high" if profile.stacks.trust == "high" and passes >= t.sure_passes else "medium",
        summary=f"each epoch begins or ends with {duration(spent / passes)} of the training's own code{most_at(line)}",
        evidence=(
            Evidence("own code between loops", round(spent / whole, 4), "share of the loop", t.share, line.samples),
            Evidence("own code between loops", round(spent, 2), "s", n=passes),
            Evidence("hottest line there", round(line.seconds, 2), "s", n=line.samples),
        ),
        advice=_ADVICE_SAVING if _saves(line) else _ADVICE_EPOCH,
        where=place(line),
        speedup=Speedup(
            round(predicted, 3),
            round(predicted - spread, 3),
            round(predicted + spread, 3),
            "the loop without this code",
        ),
    )


def _saves(line: HotLine) -> bool:
    """Say whether a line writes a checkpoint."""
    called = line.callee
    return called is not None and (called.library == "safetensors" or (called.is_torch and called.function == "save"))


def _in_trace(profile: Profile, t: Thresholds, time: GpuTime) -> Found | None:
    """Report a traced device that idles while the host runs code that launches nothing."""
    share, place = time.share("host_code"), time.place("host_code")
    if share < t.idle or not recurs(time, "host_code"):
        return None
    unnamed = (
        "" if place or time.has_stacks else " The trace has no stacks: record with with_stack=True to see the line."
    )
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"the GPU is idle for {share:.0%} of its time while the host runs code that launches nothing",
        evidence=(share_evidence(time, "host_code", "idle while the host ran other code", t.idle),),
        advice=f"{_ADVICE}{unnamed}",
        where=place.place if place else None,
        speedup=speedup(time, "host_code"),
    )


RULE = Rule(
    id="slow-step-code",
    page=__doc__,
    check=check,
    needs=(
        MEASURED_LOOP,
        RANKS,
    ),
    thresholds=Thresholds(),
    hides=("slow-startup",),
    traits=Traits(bound="host", lanes=("step", "gpu_wait", "gpu_busy")),
    by_trace=by_trace(_in_trace),
)
