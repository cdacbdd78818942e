"""How large images are along a fetch, from hand-made profiles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuwatch.diagnosis.examples.parts import make_loader, make_operation
from gpuwatch.diagnosis.examples.runs import run_of
from gpuwatch.diagnosis.image_sizes import decoders, first_shrink, full_size_operations, kept_work, usable_scale
from gpuwatch.model.findings import Finding
from gpuwatch.rules.oversized_decode.rule import RULE as oversized_decode

# A JPEG of 1600x1200 and 0.6 MB, converted and resized to 64x64 by the dataset's own code, as measured.
LOAD = make_operation(
    "PIL.JpegImageFile.load",
    kind="decode",
    share=0.50,
    position=0,
    pixels_in=1.92e6,
    pixels_out=1.92e6,
    bytes_in=606_140.0,
)
CONVERT = make_operation(
    "PIL.Image.convert", kind="decode", share=0.14, position=1, pixels_in=1.92e6, pixels_out=1.92e6
)
RESIZE = make_operation(
    "PIL.Image.resize", kind="transform", share=0.34, position=2, pixels_in=1.92e6, pixels_out=4096.0
)
REST = make_operation("Photos.__getitem__", kind="dataset", share=0.02, position=None, pixels_in=None, pixels_out=None)
PHOTOS = make_loader(operations=(LOAD, RESIZE, CONVERT, REST))


def test_everything_on_the_whole_picture_shrinks_with_a_scaled_decode() -> None:
    shrink = first_shrink(PHOTOS, LOAD)
    assert shrink is RESIZE and usable_scale(LOAD, shrink) == 8
    assert full_size_operations(PHOTOS, LOAD, RESIZE) == [RESIZE, CONVERT]
    # Of decoding, 56 % is reading the file; measured with a draft at 1/8: 160 of 451 ms, 0.36.
    assert kept_work(PHOTOS, LOAD, RESIZE, 8) == pytest.approx(0.5 * (0.558 + 0.442 / 64) + 0.48 / 64 + 0.02, abs=1e-3)
    assert kept_work(PHOTOS, LOAD, RESIZE, 8) == pytest.approx(0.36, rel=0.2)


def test_what_works_on_the_small_image_stays() -> None:
    blur = make_operation("Blur", kind="transform", share=0.3, position=1, pixels_in=4096.0, pixels_out=4096.0)
    assert full_size_operations(make_loader(operations=(LOAD, blur, RESIZE)), LOAD, RESIZE) == [RESIZE]


def test_a_conversion_decodes_no_file() -> None:
    assert decoders(PHOTOS) == [LOAD]


def test_a_png_is_stored_smaller_for_want_of_a_scaled_decoder() -> None:
    png = replace(LOAD, name="PIL.PngImageFile.load")
    photos = make_loader(operations=(png, RESIZE, CONVERT, REST))
    assert kept_work(photos, png, RESIZE, 8) == pytest.approx(0.98 / 64 + 0.02)
    profile = run_of(workers=0, loader={"operations": photos.operations})
    finding = oversized_decode.evaluate(profile)
    assert isinstance(finding, Finding) and finding.edit is None
    assert finding.advice == "Store the images at 1/8 of the size: this format cannot be decoded at a part of its size."
