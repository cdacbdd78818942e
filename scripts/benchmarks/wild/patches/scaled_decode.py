"""Decode JPEGs at a smaller scale: Pillow at the smallest that still has SCALED_TO pixels a side, OpenCV at a quarter."""

import os


def pillow(module):
    original, size = module.open, int(os.environ["SCALED_TO"])

    def open(*args, **kwargs):
        image = original(*args, **kwargs)
        image.draft(None, (size, size))
        return image

    module.open = open


def opencv(module):
    decode, read = module.imdecode, module.imread
    smaller = {module.IMREAD_COLOR: module.IMREAD_REDUCED_COLOR_4}
    module.imdecode = lambda buffer, flags: decode(buffer, smaller.get(flags, flags))
    module.imread = lambda file, flags=module.IMREAD_COLOR: read(file, smaller.get(flags, flags))


after_import("PIL.Image", pillow)  # noqa: F821 (given by importing.py)
after_import("cv2", opencv)  # noqa: F821
