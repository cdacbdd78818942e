"""Images are decoded far larger than they are used.

What it means
    A 12-megapixel photo is decoded whole, then shrunk to 224 pixels. JPEG can be decoded at 1/2, 1/4 or 1/8 of its
    size for a fraction of the cost, and every step until the shrink then works on fewer pixels.

How it is measured
    Pixels that come out of the decoder against the smallest image that a later operation makes of it. The decoder can
    save something only if both sides can be halved; the scale named leaves twice the size used where it can. The gain
    assumes that entropy decoding stays, by the bytes of the file, and the rest shrinks with the pixels.

When it is wrong
    With strong random crops the crop uses only a part of the image, so that a scaled decode must stay larger. For
    small images the scaled decode gains nothing, and the rule is clear.

What to do
    Image.draft("RGB", (w, h)) before the first access, cv2.IMREAD_REDUCED_COLOR_2/4/8, or images stored smaller.
"""

from __future__ import annotations

import math

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import (
    SAVING,
    Starved,
    certainty,
    operations,
    saturation,
    try_command,
    wait_evidence,
    working_loop,
)
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.profile import Profile

ID = "oversized-decode"
MIN_SHARE = 0.2
# Reading every coefficient costs the same whatever the output size: a byte of the file as much as this many pixels.
# Measured with Pillow's libjpeg-turbo by `scripts/bench_jpeg`: about half of decoding a file of 0.1 to 0.5 bytes per pixel.
PIXELS_PER_BYTE = 4.0
TYPICAL_BYTES_PER_PIXEL = 0.2
SCALES = (8, 4, 2)
# A picture is made this much larger than it is used, where that still saves something: what Pillow's thumbnail keeps.
MARGIN = 2.0


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a decode whose output could be at least four times smaller."""
    seen = working_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    decodes = [o for o in operations(seen.loader, "decode") if o.pixels_out]
    if not decodes:
        return Clear(ID) if seen.loader.operations else NotEvaluated(ID, "sizes of the decoded images")
    top = decodes[0]
    shrink = first_shrink(seen.loader, top)
    scale = usable_scale(top, shrink)
    if top.share < MIN_SHARE or shrink is None or scale < 2:
        return Clear(ID)
    kept = kept_work(seen.loader, top, shrink, scale)
    after = throughput.with_work(seen.costs, kept)
    used = math.sqrt(shrink.pixels_out or 1.0)
    return Finding(
        id=ID,
        severity="warning",
        confidence=certainty(seen.state, default="medium" if "Random" in shrink.name else "high"),
        summary=f"images of {_mega(top.pixels_out)} are decoded whole and then shrunk to about {used:.0f}×{used:.0f}",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("pixels decoded", top.pixels_out, "pixels", n=seen.fetch.n),
            Evidence("pixels used", shrink.pixels_out, "pixels", note=f"after {shrink.name}"),
            Evidence("scaled decode possible", scale, "times smaller per side", 2),
            Evidence("decoding", round(top.share, 4), "share of the fetch", MIN_SHARE, seen.fetch.n),
        ),
        advice=f"Decode at 1/{scale} of the size: image.draft('RGB', (w, h)) before the first use, or store smaller images.",
        where=top.where,
        speedup=throughput.predict(
            seen.costs, after, "scaled JPEG decode: entropy decoding stays, the rest shrinks with the pixels", 0.3
        ),
        verify=try_command(profile, "--remedies scaled-decode"),
        edit="image = Image.open(path); image.draft('RGB', (2 * size, 2 * size))",
        explains=("expensive-decode", *_cheaper_too(seen.loader, shrink), *saturation(1.0 - kept, SAVING)),
    )


def first_shrink(loader: LoaderProfile, decode: OperationProfile) -> OperationProfile | None:
    """Return the operation after which the image is at its smallest for the first time."""
    after = [o for o in loader.operations if o.kind == "transform" and o.pixels_in and o.pixels_out]
    shrinking = [
        o
        for o in after
        if (o.pixels_out or 0) * 3.9 <= (decode.pixels_out or 0) and (o.pixels_in or 0) > (o.pixels_out or 0)
    ]
    return min(shrinking, key=lambda o: o.position if o.position is not None else 99, default=None)


def usable_scale(decode: OperationProfile, shrink: OperationProfile | None) -> int:
    """Return by which of 8, 4, 2 both sides can shrink and still cover what is used, twice over if possible; 1 for none."""
    if shrink is None or not decode.pixels_out or not shrink.pixels_out:
        return 1
    ratio = math.sqrt(decode.pixels_out / shrink.pixels_out)
    return next((s for s in SCALES if ratio >= MARGIN * s), 2 if ratio >= 2 else 1)


def kept_work(loader: LoaderProfile, decode: OperationProfile, shrink: OperationProfile, scale: int) -> float:
    """Return the share of a fetch's work that stays when the decoder works at 1/scale."""
    last = shrink.position if shrink.position is not None else 99
    pixelwise = [
        o for o in loader.operations if o.kind == "transform" and o.position is not None and o.position <= last
    ]
    entropy = entropy_share(decode)
    kept_decode = decode.share * (entropy + (1 - entropy) / scale**2)
    kept_pixels = sum(o.share for o in pixelwise) / scale**2
    rest = 1.0 - decode.share - sum(o.share for o in pixelwise)
    return max(kept_decode + kept_pixels + rest, 0.02)


def entropy_share(decode: OperationProfile) -> float:
    """Return the part of decoding a JPEG that stays whatever the output size."""
    pixels = decode.pixels_out or 1.0
    reading = PIXELS_PER_BYTE * (decode.bytes_in or TYPICAL_BYTES_PER_PIXEL * pixels)
    return reading / (reading + pixels)


def _cheaper_too(loader: LoaderProfile, shrink: OperationProfile) -> tuple[str, ...]:
    """Return what else a smaller picture cures: a costliest transform that works before the shrink, or is it."""
    transforms = operations(loader, "transform")
    first = bool(transforms) and (transforms[0].position or 0) <= (shrink.position or 0)
    return ("expensive-transform",) if first else ()


def _mega(pixels: float | None) -> str:
    return f"{(pixels or 0) / 1e6:.2g} megapixels"
