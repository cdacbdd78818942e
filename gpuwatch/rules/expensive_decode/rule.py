"""Decoding dominates the fetch.

What it means
    Most of a batch's time turns compressed images (audio, video) into numbers.

How it is measured
    Each decode call in the workers is timed (PIL, OpenCV, torchvision.io, ...); the rule looks at their own time as a
    share of the fetch, on a loop that waits for data.

When it is wrong
    If the images are decoded far larger than they are used, oversized-decode is the better finding.

What to do
    A faster decoder (libjpeg-turbo through simplejpeg, torchvision.io.decode_jpeg, OpenCV), images stored at the size
    they are used, decoding only the region that is cropped, or decoding on the GPU (nvJPEG, DALI).
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import (
    certainty,
    has_several_passes,
    hot_line,
    operations,
    place,
    saturation,
    share_of,
)
from gpuwatch.diagnosis.frameworks import place_of_decode
from gpuwatch.diagnosis.image_sizes import decoders
from gpuwatch.diagnosis.needs import OPERATIONS, WORKING_LOOP, Starved
from gpuwatch.diagnosis.rule import Found, Group, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import milliseconds

# Gain of the decoders measured in the field over Pillow, when the consumer takes an array: 1.3 to 1.8 times.
CHEAPER = 1.6
_FASTER = "decode faster: JPEG by torchvision.io.decode_jpeg, simplejpeg or OpenCV; PNG written with less compression, or as JPEG"


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.45, "share of the fetch", "Below this something else costs a batch more.")
    used_pixels: Threshold = Threshold(
        0.5, "share of the decoded pixels", "A transform that leaves no more than this throws decoded work away."
    )


def check(profile: Profile, t: Thresholds, seen: Starved, made: tuple[OperationProfile, ...]) -> Found | None:
    """Report decoding that takes most of the fetch of a starved loop."""
    decodes = operations(seen.loader, "decode")
    share = share_of(seen.loader, "decode")
    if share < t.share:
        return None
    top = next(iter(decoders(seen.loader)), decodes[0])
    return Found(
        severity="warning",
        confidence=certainty(seen.state),
        summary=f"{top.name if len(decodes) == 1 else 'decoding'} takes {share:.0%} of making a batch ({milliseconds(sum(o.ms_per_sample for o in decodes))} per sample)",
        evidence=(
            seen.loss(),
            Evidence("decoding", round(share, 4), "share of the fetch", t.share, seen.fetch.n),
            Evidence("decoding", round(sum(o.ms_per_sample for o in decodes), 3), "ms per sample", n=seen.fetch.n),
            Evidence("pixels decoded", top.pixels_out, "pixels"),
        ),
        advice=_advice(seen.loader, top, t),
        where=place_of_decode(seen.loader, top)
        or place(hot_line(profile, "worker", "fetch"), seen.loader.dataset_where),
        speedup=_speedup(seen.costs, min(share, 1.0)),
        verify="try --remedies faster-decoder",
        hides=saturation(share),
    )


def _advice(loader: LoaderProfile, decode: OperationProfile, t: Thresholds) -> str:
    """Say what makes this decoder's work less: smaller files where they are shrunk anyway, else another format."""
    left = [o.pixels_out for o in loader.operations if o.kind == "transform" and o.pixels_out]
    if left and decode.pixels_out and min(left) / decode.pixels_out <= t.used_pixels:
        return f"Store the images at the size they are used, or {_FASTER}."
    again = "" if has_several_passes(loader) else ", which pays from the second epoch on: this run had one"
    return f"Keep what is decoded (in memory, or as arrays on disk: np.save, LMDB){again}, or {_FASTER}."


def _speedup(costs: Costs, share: float) -> Speedup:
    """Predict a faster decoder; the high end is none at all, as of arrays stored decoded."""
    basis = f"decoding {CHEAPER} times cheaper, as faster decoders are; the high end is stored decoded"
    faster = throughput.predict(costs, throughput.without_operation(costs, share, CHEAPER), basis, 0.5)
    free = throughput.predict(costs, throughput.without_operation(costs, share), basis)
    return replace(faster, high=max(faster.high, free.predicted))


RULE = Rule(
    id="expensive-decode",
    page=__doc__,
    check=check,
    needs=(
        WORKING_LOOP,
        OPERATIONS,
    ),
    thresholds=Thresholds(),
    hides=("cpu-saturated",),
    group=Group.BATCH_COST,
    traits=Traits(about_input=True, windows="waiting", remedies=("faster-decoder",)),
)
