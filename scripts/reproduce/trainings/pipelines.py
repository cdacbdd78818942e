"""From an encoded image to a network's input: as it is usually written, and without the work that nobody needs."""

import functools
import os
import threading
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from torchvision import transforms

# Centre crops of SIDE pixels of images resized to a short side of SHORT.
SHORT, SIDE = 256, 224
# JPEG's blocks with halved colour; a region that starts on one needs nothing of its neighbours.
BLOCK = 16
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
SPREAD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
# What each byte becomes: scaling to 1 and normalising in one look-up.
NORMALISED = ((np.arange(256, dtype=np.float32)[:, None] / 255 - MEAN) / SPREAD).reshape(256, 1, 3)
_decoders = threading.local()


def usual():
    """Return the pipeline of torchvision's examples: a path becomes a float tensor (3, SIDE, SIDE)."""
    steps = [transforms.Resize(SHORT), transforms.CenterCrop(SIDE), transforms.ToTensor()]
    pipeline = transforms.Compose([*steps, transforms.Normalize(MEAN, SPREAD)])
    return lambda path: pipeline(Image.open(path).convert("RGB"))


def prepare(path, out):
    """Fill `out`, floats (SIDE, SIDE, 3), with the image: only its centre decoded, resized as bytes, one pass to floats.

    The channels stay last in memory: a network takes them so, and nothing is transposed.
    """
    cv2.LUT(small(Path(path).read_bytes()), NORMALISED, dst=out)


def small(encoded):
    """Return the centre as bytes (SIDE, SIDE, 3), red first."""
    return cv2.resize(centre(encoded), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def centre(encoded):
    """Return the square in the middle that the network sees, at its own size."""
    if encoded[:2] == b"\xff\xd8" and can_decode_regions():
        return jpeg_centre(encoded)
    image = whole(encoded)
    left, top, side = square(image.shape[1], image.shape[0])
    return image[top : top + side, left : left + side]


def whole(encoded):
    """Return the whole image, red first."""
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)


def square(width, height):
    """Return left, top and side of the square that resizing to SHORT and cropping to SIDE keeps."""
    side = round(min(width, height) * SIDE / SHORT)
    return (width - side) // 2, (height - side) // 2, side


def jpeg_centre(encoded):
    """Decode the blocks under the square only: libjpeg-turbo skips colour and cosine transform of all others."""
    codec = _codec()
    stream = codec.CodeStream(encoded)
    left, top, side = square(stream.width, stream.height)
    first_x, first_y = left // BLOCK * BLOCK, top // BLOCK * BLOCK
    end_x = min(-(-(left + side) // BLOCK) * BLOCK, stream.width)
    end_y = min(-(-(top + side) // BLOCK) * BLOCK, stream.height)
    part = stream.get_sub_code_stream(region=codec.Region(first_y, first_x, end_y, end_x))
    image = np.asarray(_decoder().decode(part))
    return image[top - first_y :, left - first_x :][:side, :side]


def can_decode_regions():
    """Say whether nvImageCodec is there, which decodes regions of a JPEG on the CPU."""
    return _codec() is not None


@functools.cache
def _codec():
    # It tells on stderr, from C, of every CUDA library that is not there; none is needed to decode on the CPU.
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        from nvidia import nvimgcodec

        _new_decoder(nvimgcodec)
    except Exception:  # not installed, or not for this machine
        return None
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    return nvimgcodec


def _decoder():
    """Return this thread's decoder."""
    if not hasattr(_decoders, "decoder"):
        _decoders.decoder = _new_decoder(_codec())
    return _decoders.decoder


def _new_decoder(codec):
    cpu = [codec.Backend(codec.BackendKind.CPU_ONLY)]
    return codec.Decoder(device_id=codec.NVIMGCODEC_DEVICE_CPU_ONLY, max_num_cpu_threads=1, backends=cpu)
