"""One transform dominates the fetch.

What it means
    A single augmentation or conversion takes more time than everything else that makes a batch.

How it is measured
    Each transform's own time in the workers, without what it calls among the other transforms, as a share of the
    fetch, on a loop that waits for data.

When it is wrong
    If the transform is expensive only because it works on a large image that is shrunk later, transform-order is the
    cause. If several are alike, none dominates and the rule is clear.

What to do
    Replace it (a faster library, an integer instead of a float path, torchvision v2 on uint8 tensors), apply it after
    the image is small, apply it to the whole batch on the GPU, or pre-compute it if it is not random.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evaluation import with_evaluation
from gpuwatch.diagnosis.evidence import (
    certainty,
    inside,
    operations,
    saturation,
    share_of_operation,
    waits_for_a_device,
)
from gpuwatch.diagnosis.needs import OPERATIONS, WORKING_LOOP, Starved
from gpuwatch.diagnosis.rule import Found, Group, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import OperationProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import milliseconds

# Fewer values than a picture of 64 by 64 pixels are none.
IMAGE = 64 * 64


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.35, "share of the fetch", "Below this something else costs a batch more.")
    critical_share: Threshold = Threshold(0.6, "share of the fetch", "Most of the workers' time.")


def check(profile: Profile, t: Thresholds, seen: Starved, made: tuple[OperationProfile, ...]) -> Found | None:
    """Report a transform that takes the largest part of the fetch of a starved loop."""
    transforms = operations(seen.loader, "transform")
    if (transforms[0].share if transforms else 0.0) < t.share:
        return None
    top = transforms[0]
    return Found(
        severity="critical" if top.share >= t.critical_share else "warning",
        confidence=certainty(seen.state),
        summary=f"{top.share:.0%} of making a batch is {top.name} ({milliseconds(top.ms_per_sample)} per sample)",
        evidence=(
            seen.loss(),
            Evidence(top.name, round(top.share, 4), "share of the fetch", t.share, seen.fetch.n),
            Evidence(top.name, round(top.ms_per_sample, 3), "ms per sample", n=seen.fetch.n),
            Evidence("pixels in", top.pixels_in, "pixels"),
            Evidence("calls per sample", round(top.calls_per_sample, 2), "calls"),
        ),
        advice=f"Make {top.name} cheaper: {_when(top)}{_where(profile, seen, top)}"
        " with a faster library, or pre-computed if it is not random.",
        where=inside(profile, top),
        speedup=_speedup(profile, seen, top),
        verify=None if top.works_on_batches else "try --remedies cache-items",
        hides=saturation(top.share),
    )


def _when(top: OperationProfile) -> str:
    return "after the image is small, " if (top.pixels_in or 0.0) >= IMAGE else ""


def _where(profile: Profile, seen: Starved, top: OperationProfile) -> str:
    if waits_for_a_device(profile, seen.loader):
        return "on the whole batch on the device, where it makes the step a little longer,"
    return "it has whole batches already:" if top.works_on_batches else "on whole arrays instead of sample by sample,"


def _speedup(profile: Profile, seen: Starved, top: OperationProfile) -> Speedup:
    """Predict it free, or on the device where there is one, with half the cost as the low end; also in evaluation."""
    basis = f"{top.name} made free; the low end is half as expensive"
    gain = throughput.made_free(seen.costs, top.share, top.share, basis)
    if waits_for_a_device(profile, seen.loader):
        basis = f"{top.name} done on the device, a whole batch at once; the low end is half as expensive"
        moved = throughput.predict(seen.costs, throughput.moved_to_device(seen.costs, top.share), basis)
        gain = Speedup(moved.predicted, min(gain.low, moved.predicted), gain.high, basis)
    return with_evaluation(profile, gain, lambda loader: share_of_operation(loader, top))


RULE = Rule(
    id="expensive-transform",
    page=__doc__,
    check=check,
    needs=(
        WORKING_LOOP,
        OPERATIONS,
    ),
    thresholds=Thresholds(),
    hides=("cpu-saturated",),
    group=Group.BATCH_COST,
    traits=Traits(about_input=True, windows="waiting", remedies=("resize-before-float", "cache-items")),
)
