"""Cheaper decoding of JPEG files, put before the user's own call: a smaller scale, or another decoder."""

from __future__ import annotations

import functools
import sys
import time

from ..attributes import DECODING
from ..process import TYPE_CHECKING
from .active import Unsuitable, active

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Decode = Callable[[bytes], Any]

_JPEG = ("JPEG", "MPO")
_JPEG_BEGINS = b"\xff\xd8"


def install() -> None:
    """Wrap PIL's open, and OpenCV's readers when they are loaded; once per process."""
    pil: Any = sys.modules.get("PIL.Image")
    if pil is None:
        import PIL.Image as pil  # the worker has not opened an image yet
    if not hasattr(pil.open, DECODING):
        pil.open = _opening(pil.open)
    cv2: Any = sys.modules.get("cv2")
    if cv2 is not None and not hasattr(cv2.imread, DECODING):
        cv2.imread = _reading(cv2, cv2.imread)
        cv2.imdecode = _reading(cv2, cv2.imdecode)


def _scale() -> Any:
    return active.remedies.get("scaled-decode", {}).get("scale", 1)


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def open(fp: Any, *args: Any, **kwargs: Any) -> Any:
        if "faster-decoder" in active.remedies:
            image = _decode_fast(fp)
            if image is not None:
                return image
        image = original(fp, *args, **kwargs)
        scale = _scale()
        if scale > 1 and getattr(image, "format", None) in _JPEG:
            image.draft(None, (max(image.width // scale, 1), max(image.height // scale, 1)))
        return image

    setattr(open, DECODING, True)
    return open


def _reading(cv2: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap imread or imdecode: read colour at the reduced scale."""
    reduced = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}

    @functools.wraps(original)
    def read(source: Any, flags: Any = cv2.IMREAD_COLOR, *args: Any, **kwargs: Any) -> Any:
        scale = _scale()
        if flags == cv2.IMREAD_COLOR and scale in reduced:
            flags = reduced[scale]
        return original(source, flags, *args, **kwargs)

    setattr(read, DECODING, True)
    return read


def _decode_fast(source: Any) -> Any:
    """Return the image decoded by the fastest decoder that is there; None when that is not possible."""
    try:
        data = _bytes_of(source)
        if data[:2] != _JPEG_BEGINS:
            return None
        from PIL import Image

        if active.decoder is None:
            active.decoder = fastest(data)
        return Image.fromarray(active.decoder[1](data))
    except Exception:
        return None


def fastest(data: bytes) -> tuple[str, Decode]:
    """Return the name and function of the decoder that takes least for this image, the best of three each."""
    return min(decoders().items(), key=lambda named: min(_seconds(named[1], data) for _ in range(3)))


def _seconds(decode: Decode, data: bytes) -> float:
    begun = time.perf_counter()
    decode(data)
    return time.perf_counter() - begun


def _bytes_of(source: Any) -> Any:
    if hasattr(source, "read"):
        position = source.tell()
        data = source.read()
        source.seek(position)
        return data
    with open(source, "rb") as file:
        return file.read()


def chosen() -> str | None:
    """Return the name of the decoder that this process has found fastest; None before it has decoded."""
    return active.decoder[0] if active.decoder is not None else None


def decoders() -> dict[str, Decode]:
    """Return the decoders of JPEG bytes to RGB arrays that are installed, by name."""
    made = ((name, _made(make)) for name, make in _DECODERS)
    return {name: decode for name, decode in made if decode is not None}


def _made(make: Callable[[], Decode]) -> Decode | None:
    try:
        return make()
    except Exception:  # not installed, or its shared library does not load
        return None


def _simplejpeg() -> Decode:
    import simplejpeg

    return lambda data: simplejpeg.decode_jpeg(data, "RGB")


def _torchvision() -> Decode:
    import torch
    from torchvision import io

    def decode(data: bytes) -> Any:
        flat = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        return io.decode_jpeg(flat, io.ImageReadMode.RGB).permute(1, 2, 0).numpy()

    return decode


def _opencv() -> Decode:
    import cv2
    import numpy

    def decode(data: bytes) -> Any:
        image: Any = cv2.imdecode(numpy.frombuffer(data, "u1"), cv2.IMREAD_COLOR)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    return decode


_DECODERS: tuple[tuple[str, Callable[[], Decode]], ...] = (
    ("simplejpeg", _simplejpeg),
    ("torchvision.io", _torchvision),
    ("OpenCV", _opencv),
)


def check(name: str) -> None:
    """Say whether a remedy can act at all. Raises Unsuitable."""
    if "PIL" not in sys.modules and "cv2" not in sys.modules:
        raise Unsuitable("neither PIL nor OpenCV is loaded: nothing is decoded by them")
    if name == "faster-decoder" and not decoders():
        raise Unsuitable("neither simplejpeg nor torchvision.io nor OpenCV is installed here")


SWITCHES = {"scaled-decode": install, "faster-decoder": install}
