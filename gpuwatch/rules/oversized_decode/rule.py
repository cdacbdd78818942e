"""Images are decoded far larger than they are used.

What it means
    A 12-megapixel photo is decoded whole, then shrunk to 224 pixels. JPEG can be decoded at 1/2, 1/4 or 1/8 of its
    size for a fraction of the cost, and every step until the shrink (a conversion or copy too) then works on fewer pixels.

How it is measured
    Pixels that come out of the decoder against the smallest image that a later operation makes of it. The decoder can
    save something only if both sides can be halved; the scale named leaves twice the size used where it can. The gain
    assumes that entropy decoding stays, by the bytes of the file, and the rest shrinks with the pixels.

When it is wrong
    With strong random crops the crop uses only a part of the image, so that a scaled decode must stay larger. For
    small images the scaled decode gains nothing, and the rule is clear.

What to do
    Image.draft("RGB", (w, h)) before the first access, cv2.IMREAD_REDUCED_COLOR_2/4/8, or images stored smaller. PNG and most
    other formats have no decoder for a part of the size: store them smaller.
"""

from __future__ import annotations

import math

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evaluation import with_evaluation
from gpuwatch.diagnosis.evidence import SAVING, certainty, operations, saturation, share_of_operation
from gpuwatch.diagnosis.frameworks import draft_edit, place_of_decode
from gpuwatch.diagnosis.image_sizes import decoders, first_shrink, kept_work, usable_scale
from gpuwatch.diagnosis.needs import WORKING_LOOP, Starved
from gpuwatch.diagnosis.rule import Found, Group, Missing, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.images import has_no_scaled_decode
from gpuwatch.words.units import count

_DECODE = "Decode at 1/{} of the size: {} before the first use, or store smaller images."
_STORE = "Store the images at 1/{} of the size: this format cannot be decoded at a part of its size."
_SCALED = "scaled JPEG decode: entropy decoding stays, the rest shrinks with the pixels"
_STORED = "files stored smaller: all work until the image shrinks goes by the pixels"


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    min_share: Threshold = Threshold(
        0.2, "share of the fetch", "A smaller part wins little, however much smaller the image gets."
    )
    min_scale: Threshold = Threshold(2, "times smaller per side", "JPEG decoders scale by 2, 4 and 8.")


def check(profile: Profile, t: Thresholds, seen: Starved) -> Found | Missing | None:
    """Report a decode whose output could be at least four times smaller."""
    decodes = [o for o in decoders(seen.loader) if o.pixels_out]
    if not seen.loader.operations:
        return Missing("sizes of the decoded images")
    if (decodes[0].share if decodes else 0.0) < t.min_share:
        return None
    top = decodes[0]
    shrink = first_shrink(seen.loader, top)
    scale = usable_scale(top, shrink)
    if scale < t.min_scale or shrink is None:
        return None
    kept = kept_work(seen.loader, top, shrink, scale)
    after = throughput.with_work(seen.costs, kept)
    stored = has_no_scaled_decode(top.name)
    library = draft_edit(top, scale)
    used = math.sqrt(shrink.pixels_out or 1.0)
    return Found(
        severity="warning",
        confidence=certainty(seen.state, default="medium" if "Random" in shrink.name else "high"),
        summary=f"images of {_mega(top.pixels_out)} are decoded whole and then shrunk to about {used:.0f}×{used:.0f}",
        evidence=(
            seen.loss(),
            Evidence("pixels decoded", top.pixels_out, "pixels", n=seen.fetch.n),
            Evidence("pixels used", shrink.pixels_out, "pixels", note=f"after {shrink.name}"),
            Evidence("scaled decode possible", scale, "times smaller per side", t.min_scale),
            Evidence("decoding", round(top.share, 4), "share of the fetch", t.min_share, seen.fetch.n),
        ),
        advice=_STORE.format(scale) if stored else _DECODE.format(scale, library or "image.draft('RGB', (w, h))"),
        where=place_of_decode(seen.loader, top),
        speedup=with_evaluation(
            profile,
            throughput.predict(seen.costs, after, _STORED if stored else _SCALED, 0.3),
            lambda loader: (1.0 - kept) * share_of_operation(loader, top) / top.share,
        ),
        verify=None if stored else "try --remedies scaled-decode",
        edit=None if stored else library or "image = Image.open(path); image.draft('RGB', (2 * size, 2 * size))",
        hides=("expensive-decode", *_cheaper_too(seen.loader, shrink), *saturation(1.0 - kept, SAVING)),
    )


def _cheaper_too(loader: LoaderProfile, shrink: OperationProfile) -> tuple[str, ...]:
    """Return what else a smaller picture cures: a costliest transform that works before the shrink, or is it."""
    transforms = operations(loader, "transform")
    first = bool(transforms) and (transforms[0].position or 0) <= (shrink.position or 0)
    return ("expensive-transform",) if first else ()


def _mega(pixels: float | None) -> str:
    return f"{count((pixels or 0) / 1e6, 'megapixel', digits=2)}"


RULE = Rule(
    id="oversized-decode",
    page=__doc__,
    check=check,
    needs=(WORKING_LOOP,),
    thresholds=Thresholds(),
    by_events=True,
    hides=("expensive-decode", "expensive-transform", "cpu-saturated"),
    group=Group.BATCH_COST,
    traits=Traits(about_input=True, windows="waiting", remedies=("scaled-decode", "faster-decoder")),
)
