"""Steps get longer while the run goes on: with its age, within each epoch, or from one step on.

What it means
    Something is kept from step to step and gone through again: a list of all losses, hooks that are registered again each
    time, a graph that is never let go, a table of everything seen. A restart cures it for a while. Or something changes at
    once: a cache of limited size is full (the page cache, a dataset's own), numbers have decayed until they are denormal,
    a device is throttled. The mean over the run shows neither.

How it is measured
    The slope of the step's length and of each of its parts over the run (Theil-Sen, with its interval), by blocks of steps,
    so that single pauses do not count; and the best cut into two levels, where that explains the steps better than a line.
    Time in which the training thread waited for a core is left out, and where batches themselves grow the rule is clear.
    The line is the one whose samples grew most from the first half of the run to the second; where one half has no samples,
    the line that most of the step, or of the part that grew, is spent on.

When it is wrong
    Sequences that get longer, images that get larger (progressive resizing) where batches are made in the training process
    and their size is not known. Another program that begins midway.

What to do
    Keep sums instead of lists, numbers instead of tensors (.item(), .detach()), register hooks once. Of a change: look at
    what is full, or different, from that step on.
"""

from __future__ import annotations

from gpuwatch.diagnosis.changing_steps import BATCHES, GREW, GREW_MS, changed, waits_in_the_end
from gpuwatch.diagnosis.evidence import is_on_the_cpu, place
from gpuwatch.diagnosis.needs import MEASURED_LOOP, TREND, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Bound, Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import INPUT, HotLine
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.model.trend import PartTrend, Trend
from gpuwatch.records import dataclass
from gpuwatch.words.units import figures, milliseconds, size

_KEPT = (
    "Look for what is kept from step to step and gone through again: sum up instead of keeping a list, keep numbers"
    " (.item()) or detached tensors instead of losses with their graphs, register hooks once."
)
_HOOKS = "Register hooks once, before the loop, or remove each handle: every step makes {made} more of them, and all of them run."
_INPUT = (
    "Look for what makes each batch costlier than the one before: something the dataset keeps and goes through again."
)
_FULL = (
    "From there on batches come from somewhere slower than before: a cache that was full or ended (the dataset's own, the"
    " page cache where the data is larger than memory). Make room for all of it, store it smaller, or put it on a faster disk."
)
_OTHERWISE = "Find out what is different from that step on: the code, the data and the settings of these steps."
_DENORMAL = (
    " On a CPU, numbers that have decayed to almost nothing (denormal) are one cause to check: torch.set_flush_denormal(True)"
    " would cure it. The cores were free, and no other program took them."
)
_QUIET, _MUCH = 0.3, 1.5


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    grew: Threshold = GREW
    grew_ms: Threshold = GREW_MS
    batches: Threshold = BATCHES
    critical: Threshold = Threshold(
        1.3, "times the first steps", "On average over the run, a third of the time was added."
    )
    memory: Threshold = Threshold(1e6, "bytes per 100 steps", "Less is what any program's memory does.")
    line_share: Threshold = Threshold(0.4, "share of the growth", "A line with less of it does not explain it.")


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, _trend: Trend) -> Found | None:
    """Report steps that got longer by themselves, with the part that grew and the line that did."""
    trend = changed(profile)
    if trend is None:
        return None
    part, line = trend.grown, _grown_line(profile, trend, t)
    more = trend.mean_ms / max(trend.whole.first_ms, 1e-6)
    hooks = profile.state.hooks_per_step if profile.state and part.name != "input wait" else None
    return Found(
        severity="critical" if more >= t.critical else "warning",
        confidence="high" if trend.steps >= 100 else "medium",
        summary=_summary(trend, part),
        evidence=(*_evidence(trend, part, t), *_of_hooks(hooks)),
        advice=_advice(profile, trend, part, hooks, t),
        where=_where(profile, hooks, line),
        speedup=_gain(more),
        bound=_bound(trend),
        decides=trend.shape != "changed" or waits_in_the_end(trend),
        hides=_hidden(trend, part),
        first=waits_in_the_end(trend),
    )


def _hidden(trend: Trend, part: PartTrend) -> tuple[str, ...] | None:
    """Return what this explains: of a change, only the code that became slower where it is the training's own, and not what
    it took before."""
    if trend.shape != "changed":
        return None
    return ("slow-step-code",) if part.name == "other in-step" and part.last_ms >= 2.0 * part.first_ms else ()


def _summary(trend: Trend, part: PartTrend) -> str:
    first, last = milliseconds(trend.whole.first_ms), milliseconds(trend.whole.last_ms)
    share = f"{_named(part)} takes {milliseconds(part.last_ms)} instead of {milliseconds(part.first_ms)}"
    if trend.shape == "changed":
        return f"from step {trend.from_step} on a step takes {last} instead of {first}: {share}"
    when = "in each epoch steps grow" if trend.shape == "growing in each epoch" else "steps grow with the run's age"
    return f"{when}, from {first} to {last}: in the end {share}"


def _named(part: PartTrend) -> str:
    return {"input wait": "waiting for data", "other in-step": "other code in the step"}.get(part.name, part.name)


def _evidence(trend: Trend, part: PartTrend, t: Thresholds) -> tuple[Evidence, ...]:
    slope, ratio = part.slope, trend.whole.last_ms / max(trend.whole.first_ms, 1e-6)
    note = f"95 % interval {figures(slope.low)} to {figures(slope.high)}"
    return (
        Evidence("late steps against early ones", round(ratio, 3), "ratio", t.grew, trend.steps),
        Evidence("growth of the step", round(trend.whole.growth_ms, 3), "ms", t.grew_ms, trend.steps),
        Evidence(f"slope of {part.name}", round(slope.median, 4), "ms per 100 steps", None, slope.n, note),
        Evidence("growth of the training thread's CPU time", _rounded(trend.cpu_growth_ms), "ms"),
        Evidence("late batches against early ones", _rounded(trend.batches_ratio), "ratio", t.batches),
        Evidence("growth of memory", _rounded(trend.memory_slope), "bytes per 100 steps", t.memory),
    )


def _of_hooks(hooks: float | None) -> tuple[Evidence, ...]:
    return (Evidence("hooks registered per step", round(hooks, 2), "hooks"),) if hooks else ()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _grown_line(profile: Profile, trend: Trend, t: Thresholds) -> HotLine | None:
    """Return the line whose samples grew most from the first half of the run to the second, where it explains the growth."""
    fetching = trend.grown.name == "input wait"
    wanted = ("fetch", "collate") if fetching else ("step", "long step", INPUT)
    lines = [h for h in profile.hot_lines if h.activity in wanted and (fetching or h.process_role == "trainer")]
    early, late = trend.whole.first_ms, trend.whole.last_ms
    grown = [(h.halves[1] * late - h.halves[0] * early, h) for h in lines if h.halves is not None]
    most, line = max(grown, key=lambda one: one[0], default=(0.0, None))
    if line is not None and most / max(trend.whole.growth_ms, 1e-6) >= t.line_share:
        return line
    # Samples of one half only: the line that most of the part that grew, or of the fetch, is spent on.
    return None if grown else _largest([(_share_in(h, trend), h) for h in lines])


def _share_in(line: HotLine, trend: Trend) -> float:
    """Return a line's share, without its samples in the model where what grew is other code."""
    return line.share * (1.0 - (line.model_share or 0.0) if trend.grown.name == "other in-step" else 1.0)


def _largest(shares: list[tuple[float, HotLine]]) -> HotLine | None:
    """Return the line that half of the samples are in; None where there is none."""
    whole = sum(share for share, _ in shares)
    most, line = max(shares, key=lambda one: one[0], default=(0.0, None))
    return line if most > 0 and most >= 0.5 * whole else None


def _where(profile: Profile, hooks: float | None, line: HotLine | None) -> Place | None:
    if hooks and profile.state and profile.state.hooks_where is not None:
        return profile.state.hooks_where
    return place(line)


def _advice(profile: Profile, trend: Trend, part: PartTrend, hooks: float | None, t: Thresholds) -> str:
    if trend.shape == "changed":
        return (
            _FULL if part.name == "input wait" else _OTHERWISE + (_DENORMAL if _may_be_denormal(profile, trend) else "")
        )
    if hooks:
        return _HOOKS.format(made=f"{hooks:.0f}" if hooks >= 1.5 else "one")
    kept = ""
    if trend.memory_slope is not None and trend.memory_slope >= t.memory:
        kept = f" Memory grows with it, by {size(trend.memory_slope)} per 100 steps."
    return (_INPUT if part.name == "input wait" else _KEPT) + kept


def _may_be_denormal(profile: Profile, trend: Trend) -> bool:
    """Say whether nothing that was measured contradicts it: much more work on a CPU that does not flush such numbers,
    and no other process on it."""
    if trend.whole.last_ms < _MUCH * trend.whole.first_ms or (trend.cpu_growth_ms or 0.0) < 0.5 * trend.whole.growth_ms:
        return False
    flushes = profile.state.flushes_denormals if profile.state else None
    others = profile.machine.other_cores
    return is_on_the_cpu(profile) and flushes is False and others is not None and others < _QUIET


def _bound(trend: Trend) -> Bound:
    if trend.grown.name == "input wait":
        return "input" if waits_in_the_end(trend) else "compute"
    return "compute" if trend.shape == "changed" else "host"


def _gain(more: float) -> Speedup | None:
    """Predict the run with all steps as long as the first ones."""
    spread = 0.3 * (more - 1.0)
    low, high = round(more - spread, 3), round(more + spread / 2, 3)
    return Speedup(round(more, 3), low, high, "all steps as long as the first ones") if more > 1.0 else None


RULE = Rule(
    id="slowing-down",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, TREND),
    thresholds=Thresholds(),
    hides=("slow-step-code", "step-sync", "gc-pause"),
    traits=Traits(bound="host", lanes=("step", "input_wait", "gpu_busy"), explained_by=("gpu-throttled",)),
)
