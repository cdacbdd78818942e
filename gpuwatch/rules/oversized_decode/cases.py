"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_operation
from gpuwatch.diagnosis.examples.runs import DECODE, HIDDEN, RESIZE, no_loader, run_of, with_operations

CASES = (
    fires(
        with_operations(DECODE, RESIZE),
        "warning",
        "images of 12 megapixels are decoded whole and then shrunk to about 224×224",
        where="/home/me/project/train.py:20",
        speedup=1.492,
    ),
    fires(
        with_operations(replace(DECODE, name="PIL.PngImageFile.load"), RESIZE),
        "warning",
        "images of 12 megapixels are decoded whole and then shrunk to about 224×224",
        where="/home/me/project/train.py:20",
        speedup=1.493,
    ),
    clear(HIDDEN),
    clear(with_operations(DECODE)),
    clear(with_operations(make_operation("decode", kind="decode", share=0.6, position=0, pixels_out=90_000.0), RESIZE)),
    unknown(run_of(loader={"operations": ()}), "sizes of the decoded images"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
