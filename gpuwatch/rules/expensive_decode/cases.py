"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import DECODE, HIDDEN, JITTER, RESIZE, no_loader, run_of, with_operations

CASES = (
    fires(
        with_operations(DECODE),
        "warning",
        "PIL.JpegImageFile.load takes 60% of making a batch (470 µs per sample)",
        where="/home/me/project/train.py:20",
        speedup=1.286,
    ),
    fires(
        with_operations(DECODE, RESIZE),
        "warning",
        "PIL.JpegImageFile.load takes 60% of making a batch (470 µs per sample)",
        where="/home/me/project/train.py:20",
        speedup=1.286,
    ),
    fires(
        with_operations(DECODE, RESIZE),
        "warning",
        "PIL.JpegImageFile.load takes 60% of making a batch (470 µs per sample)",
        where="/home/me/project/train.py:20",
        speedup=1.286,
    ),
    clear(HIDDEN),
    clear(with_operations(JITTER)),
    unknown(run_of(loader={"operations": ()}), "times of the operations in a fetch"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
