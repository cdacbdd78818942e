"""Cheaper decoding of JPEG files, put before the user's own call: a smaller scale, or another decoder."""

import functools
import sys
import time

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
    """Return the image decoded by the fastest decoder that is there; None when that is not possible."""
    try:
        data = _bytes_of(source)
        if data[:2] != b"\xff\xd8":
            return None
        from PIL import Image

        if "decoder" not in _CHOSEN:
            _CHOSEN["decoder"] = fastest(data)
        return Image.fromarray(_CHOSEN["decoder"](data))
    except Exception:
        return None


def fastest(data):
    """Return the installed decoder that takes least for this image, the best of three each."""
    return min(decoders().values(), key=lambda decode: min(_seconds(decode, data) for _ in range(3)))


def _seconds(decode, data):
    begun = time.perf_counter()
    decode(data)
    return time.perf_counter() - begun


def _bytes_of(source):
    if hasattr(source, "read"):
        at = source.tell()
        data = source.read()
        source.seek(at)
        return data
    with open(source, "rb") as file:
        return file.read()


def decoders():
    """Return the decoders of JPEG bytes to RGB arrays that are installed, by name."""
    return {name: decode for name, make in _DECODERS for decode in (_made(make),) if decode is not None}


def _made(make):
    try:
        return make()
    except Exception:  # not installed, or its shared library does not load
        return None


def _simplejpeg():
    import simplejpeg

    return lambda data: simplejpeg.decode_jpeg(data, "RGB")


def _torchvision():
    import torch
    from torchvision import io

    def decode(data):
        flat = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        return io.decode_jpeg(flat, io.ImageReadMode.RGB).permute(1, 2, 0).numpy()

    return decode


def _opencv():
    import cv2
    import numpy

    return lambda data: cv2.cvtColor(cv2.imdecode(numpy.frombuffer(data, "u1"), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


_DECODERS = (("simplejpeg", _simplejpeg), ("torchvision.io", _torchvision), ("OpenCV", _opencv))
_CHOSEN = {}


def chosen():
    """Return the name of the decoder that this process has found fastest; None before it has decoded."""
    decode = _CHOSEN.get("decoder")
    return next((name for name, make in _DECODERS if decode and make.__name__ in decode.__qualname__), None)


def check(name):
    """Say whether a remedy can act at all. Raises Unsuitable."""
    if "PIL" not in sys.modules and "cv2" not in sys.modules:
        raise remedies.Unsuitable("neither PIL nor OpenCV is loaded: nothing is decoded by them")
    if name == "faster-decoder" and not decoders():
        raise remedies.Unsuitable("neither simplejpeg nor torchvision.io nor OpenCV is installed here")


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
