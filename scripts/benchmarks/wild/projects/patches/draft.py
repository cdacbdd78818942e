"""Have libjpeg decode at a half, a quarter or an eighth of the size where both sides stay at least DRAFT_SIDE."""

import os

SIDE = int(os.environ["DRAFT_SIDE"])


def at_reduced_size(module):
    load = module.JpegImageFile.load

    def scaled(self):
        if self.tile and not getattr(self, "drafted", False):
            self.drafted = True
            self.draft("RGB", (SIDE, SIDE))
        return load(self)

    module.JpegImageFile.load = scaled


after_import("PIL.JpegImagePlugin", at_reduced_size)  # noqa: F821 (given by importing.py)
