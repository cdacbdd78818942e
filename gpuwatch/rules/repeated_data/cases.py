"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import HIDDEN, no_loader, stream

CASES = (
    fires(
        stream(2, (80.0, 80.0), work_ms=4.0, ended=3, passes_over=2.0, passes_basis="content", same=9, compared=9),
        "critical",
        "2 workers go over the same data: each hands over the same batches, so that a pass has every sample 2 times",
        where="/home/me/project/data.py:12",
        speedup=1.962,
    ),
    fires(
        stream(4, (80.0,) * 4, passes_over=4.0, passes_basis="labels", asks=False),
        "critical",
        "4 workers go over the same data: each hands over the same labels, with other values, so that a pass has every"
        " sample 4 times",
        confidence="medium",
        where="/home/me/project/data.py:12",
    ),
    clear(stream(2, (80.0, 80.0), splits=True)),
    clear(stream(3, (80.0,) * 3, passes_over=1.0, passes_basis="content")),
    clear(HIDDEN),
    unknown(stream(2, None), "what each worker delivered"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
