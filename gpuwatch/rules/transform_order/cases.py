"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_operation
from gpuwatch.diagnosis.examples.runs import CROP, HIDDEN, JITTER, no_loader, run_of, with_operations

CASES = (
    fires(
        with_operations(JITTER, CROP),
        "critical",
        "ColorJitter works on 60 times the pixels that RandomCrop leaves",
        where="/home/me/project/train.py:20",
        speedup=1.492,
    ),
    clear(HIDDEN),
    clear(with_operations(CROP)),
    clear(
        with_operations(
            make_operation("Resize", share=0.1, position=0, pixels_in=3e6, pixels_out=50_176.0),
            make_operation("ColorJitter", share=0.5, position=1, pixels_in=50_176.0, pixels_out=50_176.0),
        )
    ),
    unknown(run_of(loader={"operations": ()}), "pixels of the operations in a fetch"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
