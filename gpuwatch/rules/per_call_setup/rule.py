"""The same object is built again for each item, or in each step.

What it means
    A transform, a tokenizer, a filter bank, a connection or a pattern is constructed where it is used. What it is built
    from does not depend on the item, so that each construction gives the same object.

How it is measured
    Stack samples below a constructor that the user's code calls while it makes a sample, or in the step. The source of
    that call must show that its arguments come neither from the item nor from the batch. A line whose only call is a
    constructor of compiled code counts as well.

When it is wrong
    An object that is used up by its use (a random generator with a seed, a buffer) has to be new each time.

What to do
    Build it once: in __init__ of the dataset or the model, at the first use in each worker, or in a module-level variable.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, share_of, starved, wait_evidence
from gpuwatch.diagnosis.needs import MEASURED_LOOP, STACKS, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import StackQuality
from gpuwatch.model.profile import Profile
from gpuwatch.model.setups import Setup
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import excerpt

_ADVICE_ITEM = "Build it once: in __init__ of the dataset, or at the first use in each worker, and keep it."
_ADVICE_STEP = "Build it once before the loop, or in __init__ of the model, and keep it."


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    item: Threshold = Threshold(0.25, "share of making batches", "Something else costs a batch more.")
    step: Threshold = Threshold(0.15, "share of the step", "Something else costs the step more.")


def check(profile: Profile, t: Thresholds, loop: MeasuredLoop, _stacks: StackQuality) -> Found | None:
    """Report a constructor that is called for each item, or in each step."""
    for setup in profile.setups:
        if setup.per == "item" and setup.share >= t.item and starved(profile) in ("yes", "borderline"):
            return _each_item(profile, setup, loop, t)
        if setup.per == "step" and setup.share >= t.step:
            return _each_step(setup, loop, t)
    return None


def _each_item(profile: Profile, setup: Setup, loop: MeasuredLoop, t: Thresholds) -> Found:
    part = min(setup.share, 0.98)
    gain = throughput.predict(loop.costs, throughput.without_operation(loop.costs, part), "the object built once", 0.25)
    return Found(
        severity="critical" if setup.share >= 2 * t.item else "warning",
        confidence=certainty(starved(profile) or "no"),
        summary=f"{setup.name} is built again for each item: {setup.share:.0%} of making batches{_at(setup)}",
        evidence=(
            wait_evidence(loop.loader),
            Evidence("building it", round(setup.share, 4), "share of making batches", t.item, setup.samples),
            Evidence("dataset code", round(share_of(loop.loader, "dataset"), 4), "share of the fetch"),
        ),
        advice=_ADVICE_ITEM,
        where=setup.place,
        speedup=gain,
        hides=("slow-dataset-code", "too-few-workers", "cpu-saturated", "expensive-transform", "expensive-collate"),
    )


def _each_step(setup: Setup, loop: MeasuredLoop, t: Thresholds) -> Found:
    after = throughput.with_step(loop.costs, loop.costs.device_ms * (1.0 - min(setup.share, 0.95)))
    gain: Speedup = throughput.predict(loop.costs, after, "the object built once", 0.25)
    return Found(
        severity="critical" if setup.share >= 2 * t.step else "warning",
        confidence="high",
        summary=f"{setup.name} is built again in each step: {setup.share:.0%} of the step{_at(setup)}",
        evidence=(
            Evidence("building it", round(setup.share, 4), "share of the step", t.step, setup.samples),
            Evidence("step without waiting", round(loop.costs.device_ms, 3), "ms", n=loop.loader.steps),
        ),
        advice=_ADVICE_STEP,
        where=setup.place,
        speedup=gain,
        hides=("slow-step-code", "launch-bound"),
    )


def _at(setup: Setup) -> str:
    return f", at line {setup.place.line}: {excerpt(setup.source)}" if setup.source else f", at line {setup.place.line}"


RULE = Rule(
    id="per-call-setup",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, STACKS),
    thresholds=Thresholds(),
    hides=(
        "slow-dataset-code",
        "too-few-workers",
        "cpu-saturated",
        "expensive-transform",
        "expensive-collate",
        "slow-step-code",
        "launch-bound",
    ),
    traits=Traits(bound="host", lanes=("worker", "input_wait", "step")),
)
