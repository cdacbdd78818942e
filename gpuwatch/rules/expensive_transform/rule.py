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
from gpuwatch.diagnosis.evidence import (
    Starved,
    certainty,
    inside,
    operations,
    saturation,
    try_command,
    wait_evidence,
    working_loop,
)
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.loader_profile import OperationProfile
from gpuwatch.model.profile import Profile

ID = "expensive-transform"
SHARE = 0.35


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a transform that takes the largest part of the fetch of a starved loop."""
    seen = working_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    if not seen.loader.operations:
        return NotEvaluated(ID, "times of the operations in a fetch")
    transforms = operations(seen.loader, "transform")
    if not transforms or transforms[0].share < SHARE:
        return Clear(ID)
    top = transforms[0]
    return Finding(
        id=ID,
        severity="critical" if top.share >= 0.6 else "warning",
        confidence=certainty(seen.state),
        summary=f"{top.name} takes {top.share:.0%} of making a batch ({top.ms_per_sample:.3g} ms a sample)",
        evidence=(
            wait_evidence(seen.loader),
            Evidence(top.name, round(top.share, 4), "share of the fetch", SHARE, seen.fetch.n),
            Evidence(top.name, round(top.ms_per_sample, 3), "ms per sample", n=seen.fetch.n),
            Evidence("pixels in", top.pixels_in, "pixels"),
            Evidence("calls per sample", round(top.calls_per_sample, 2), "calls"),
        ),
        advice=f"Make {top.name} cheaper: after the image is small, on the whole batch on the GPU, with a faster library, or"
        " pre-computed if it is not random.",
        where=inside(profile, top),
        speedup=_speedup(seen, top),
        verify=try_command(profile, "--remedies cache-items"),
        explains=saturation(top.share),
    )


def _speedup(seen: Starved, top: OperationProfile) -> Speedup:
    """Predict it free, with "half as dear" as the low end."""
    basis = f"{top.name} made free; the low end is half as expensive"
    return throughput.made_free(seen.costs, top.share, top.share, basis)
