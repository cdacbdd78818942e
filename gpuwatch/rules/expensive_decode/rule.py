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

import math
from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import (
    Starved,
    certainty,
    hot_line,
    operations,
    place,
    saturation,
    share_of,
    try_command,
    wait_evidence,
    working_loop,
)
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.profile import Costs, Profile

ID = "expensive-decode"
SHARE = 0.45
# Gain of the decoders measured in the field over Pillow, when the consumer takes an array: 1.3 to 1.8 times.
CHEAPER = 1.6
# A transform that leaves this part of the decoded pixels, or less, throws decoded work away.
SHRUNK = 0.5
_FASTER = "decode faster: JPEG by torchvision.io.decode_jpeg, simplejpeg or OpenCV; PNG written with less compression, or as JPEG"


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report decoding that takes most of the fetch of a starved loop."""
    seen = working_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    decodes = operations(seen.loader, "decode")
    share = share_of(seen.loader, "decode")
    if not seen.loader.operations:
        return NotEvaluated(ID, "times of the operations in a fetch")
    if share < SHARE:
        return Clear(ID)
    top = decodes[0]
    return Finding(
        id=ID,
        severity="warning",
        confidence=certainty(seen.state),
        summary=f"{top.name} takes {share:.0%} of making a batch ({top.ms_per_sample:.3g} ms a sample)",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("decoding", round(share, 4), "share of the fetch", SHARE, seen.fetch.n),
            Evidence("decoding", round(sum(o.ms_per_sample for o in decodes), 3), "ms per sample", n=seen.fetch.n),
            Evidence("pixels decoded", top.pixels_out, "pixels"),
        ),
        advice=_advice(seen.loader, top),
        where=top.where or place(hot_line(profile, "worker", "fetch"), seen.loader.dataset_where),
        speedup=_speedup(seen.costs, min(share, 1.0)),
        verify=try_command(profile, "--remedies faster-decoder"),
        explains=saturation(share),
    )


def _advice(loader: LoaderProfile, decode: OperationProfile) -> str:
    """Say what makes this decoder's work less: smaller files where they are shrunk anyway, else another format."""
    shrunk = any(
        o.kind == "transform" and (o.pixels_out or math.inf) <= SHRUNK * (decode.pixels_out or 0.0)
        for o in loader.operations
    )
    if shrunk:
        return f"Store the images at the size they are used, or {_FASTER}."
    return f"Keep what is decoded (in memory, or as arrays on disk: np.save, LMDB), or {_FASTER}."


def _speedup(costs: Costs, share: float) -> Speedup:
    """Predict a faster decoder; the high end is none at all, as of arrays stored decoded."""
    basis = f"decoding {CHEAPER} times cheaper, as faster decoders are; the high end is stored decoded"
    faster = throughput.predict(costs, throughput.without_operation(costs, share, CHEAPER), basis, 0.5)
    free = throughput.predict(costs, throughput.without_operation(costs, share), basis)
    return replace(faster, high=max(faster.high, free.predicted))
