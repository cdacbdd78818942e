"""Cheaper decoding of JPEG files, put before the user's own call: a smaller scale, or another decoder."""

import functools
import sys

from . import remedies

_MARK = "_gpuwatch_remedy"
_JPEG = ("JPEG", "MPO")


def install(parameters):
    """Wrap PIL's open, and OpenCV's readers when they are loaded; once per process."""
    pil = sys.modules.get("PIL.Image")
    if pil is None:
        import PIL.Image as pil  # the worker has not opened an image yet
    if not hasattr(pil.open, _MARK):
        pil.open = _opening(pil.open)
    cv2 = sys.modules.get("cv2")
    if cv2 is not None and not hasattr(cv2.imread, _MARK):
        cv2.imread = _reading(cv2, cv2.imread)
        cv2.imdecode = _reading(cv2, cv2.imdecode)


def _opening(original):
    @functools.wraps(original)
    def open(fp, *args, **kwargs):
        if "faster-decoder" in remedies.ACTIVE:
            image = _decode_fast(fp)
            if image is not None:
                return image
        image = original(fp, *args, **kwargs)
        scale = (remedies.ACTIVE.get("scaled-decode") or {}).get("scale", 1)
        if scale > 1 and getattr(image, "format", None) in _JPEG:
            image.draft(None, (-(-image.width // scale), -(-image.height // scale)))
        return image

    setattr(open, _MARK, True)
    return open


def _decode_fast(source):
    """Return the image decoded by simplejpeg or OpenCV; None when that is not possible."""
    try:
        data = _bytes_of(source)
        if data[:2] != b"\xff\xd8":
            return None
        from PIL import Image

        return Image.fromarray(_decoder()(data))
    except Exception:
        return None


def _bytes_of(source):
    if hasattr(source, "read"):
        at = source.tell()
        data = source.read()
        source.seek(at)
        return data
    with open(source, "rb") as file:
        return file.read()


@functools.lru_cache(None)
def _decoder():
    try:
        import simplejpeg

        return lambda data: simplejpeg.decode_jpeg(data, "RGB")
    except ImportError:
        import cv2
        import numpy

        return lambda data: cv2.cvtColor(
            cv2.imdecode(numpy.frombuffer(data, "u1"), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
        )


def _reading(cv2, original):
    """Wrap imread or imdecode: read colour at the reduced scale."""
    reduced = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}

    @functools.wraps(original)
    def read(source, flags=cv2.IMREAD_COLOR, *args, **kwargs):
        scale = (remedies.ACTIVE.get("scaled-decode") or {}).get("scale", 1)
        if flags == cv2.IMREAD_COLOR and scale in reduced:
            flags = reduced[scale]
        return original(source, flags, *args, **kwargs)

    setattr(read, _MARK, True)
    return read


SWITCHES = {"scaled-decode": install, "faster-decoder": install}
