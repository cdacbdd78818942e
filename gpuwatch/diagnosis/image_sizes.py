"""How large images are along a fetch: where they shrink, and what working on the small image would save."""

from __future__ import annotations

import math

from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.words.images import has_no_scaled_decode, is_copy

# Reading every coefficient costs the same whatever the output size: a byte of the file as much as this many pixels.
# Measured with Pillow's libjpeg-turbo by `scripts/bench_jpeg`: about half of decoding a file of 0.1 to 0.5 bytes per pixel.
PIXELS_PER_BYTE = 4.0
TYPICAL_BYTES_PER_PIXEL = 0.2
SCALES = (8, 4, 2)
# A picture is made this much larger than it is used, where that still saves something: what Pillow's thumbnail keeps.
MARGIN = 2.0
# An operation that leaves at most this part of the pixels shrinks the image.
SHRINK = 0.5
# Shrinking operations that save about as much as the best: the first of them is meant.
NEARLY = 0.85


def decoders(loader: LoaderProfile) -> list[OperationProfile]:
    """Return the operations that decode files, the costliest first."""
    found = [o for o in loader.operations if o.kind == "decode" and not is_copy(o.name)]
    return sorted(found, key=lambda o: -o.share)


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
    """Return the share of a fetch's work that stays when the decoder works at 1/scale; of a format that has no such decoder,
    when the files are stored at that size."""
    entropy = 0.0 if has_no_scaled_decode(decode.name) else entropy_share(decode)
    kept_decode = decode.share * (entropy + (1 - entropy) / scale**2)
    full = sum(o.share for o in full_size_operations(loader, decode, shrink))
    rest = 1.0 - decode.share - full
    return max(kept_decode + full / scale**2 + rest, 0.02)


def full_size_operations(
    loader: LoaderProfile, decode: OperationProfile, shrink: OperationProfile
) -> list[OperationProfile]:
    """Return what else works on the decoded pixels until the image shrinks, that operation included.

    One whose pixels are not known counts by its place in the order.
    """
    last = shrink.position if shrink.position is not None else 99
    least = SHRINK * (decode.pixels_out or 0)
    return [
        o
        for o in loader.operations
        if o is not decode and o.kind in ("decode", "transform") and o.position is not None
        if o.position <= last and (o.pixels_in is None or o.pixels_in >= least)
    ]


def entropy_share(decode: OperationProfile) -> float:
    """Return the part of decoding a JPEG that stays whatever the output size."""
    pixels = decode.pixels_out or 1.0
    reading = PIXELS_PER_BYTE * (decode.bytes_in or TYPICAL_BYTES_PER_PIXEL * pixels)
    return reading / (reading + pixels)


def shrinking_operation(loader: LoaderProfile) -> OperationProfile | None:
    """Return the transform that halves the pixels at least and before which most is wasted; None when nothing shrinks.

    Of nearly equals the first: a resize rather than the crop after it, which would take another part of the image.
    """
    candidates = [o for o in _ordered(loader) if o.pixels_in and o.pixels_out and o.pixels_out <= SHRINK * o.pixels_in]
    most = max((saved_share(loader, o) for o in candidates), default=0.0)
    enough = [o for o in candidates if saved_share(loader, o) >= NEARLY * most]
    return min(enough, key=lambda o: o.position or 0, default=None)


def saved_share(loader: LoaderProfile, shrink: OperationProfile) -> float:
    """Return the share of the fetch that working after the shrink would save."""
    return sum(_saved(o, shrink) for o in early_operations(loader, shrink))


def early_operations(loader: LoaderProfile, shrink: OperationProfile) -> list[OperationProfile]:
    """Return the transforms before the shrink that keep the size and work on more pixels than it leaves."""
    before = [o for o in _ordered(loader) if (o.position or 0) < (shrink.position or 0)]
    return [o for o in before if o.pixels_in and _keeps_size(o) and o.pixels_in * SHRINK >= (shrink.pixels_out or 0)]


def _keeps_size(operation: OperationProfile) -> bool:
    return operation.pixels_out is None or operation.pixels_out > SHRINK * (operation.pixels_in or 0)


def _ordered(loader: LoaderProfile) -> list[OperationProfile]:
    return [o for o in loader.operations if o.kind == "transform" and o.position is not None]


def _saved(operation: OperationProfile, shrink: OperationProfile) -> float:
    return operation.share * (1.0 - (shrink.pixels_out or 0) / (operation.pixels_in or 1.0))
