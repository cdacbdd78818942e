"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import HIDDEN, no_loader, phases, run_of
from gpuwatch.model.contents import Padding
from gpuwatch.model.measures import Place
from gpuwatch.model.threads import Line

_FILLED_AT = Line(Place("/home/me/project/data.py", 30, "collate"), "padded = torch.zeros(len(texts), 256)")
_PADDED = Padding(12, 256.0, 0.35, 0.16, _FILLED_AT)
_COMPUTES = phases(input_wait=0.5, forward=4.0, backward=5.0, optimizer=0.5)

CASES = (
    fires(
        run_of(8.0, padding=_PADDED, ranks=_COMPUTES),
        "critical",
        "84% of the positions in a batch are padding, on which the model computes: rows of 256 positions, filled up at line 30: padded = torch.zeros(len(texts), 256)",
        confidence="medium",
        where="/home/me/project/data.py:30",
        speedup=2.41,
    ),
    fires(
        run_of(8.0, padding=replace(_PADDED, longest=0.97, filled=0.4, line=None), ranks=_COMPUTES),
        "warning",
        "60% of the positions in a batch are padding, on which the model computes: rows of 256 positions",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=2.016,
    ),
    # Sequences of like lengths, a model that packs its input, a step that is not the model's, a loop that waits for data.
    clear(run_of(8.0, padding=replace(_PADDED, longest=1.0, filled=0.9), ranks=_COMPUTES)),
    clear(run_of(8.0, padding=replace(_PADDED, packed=True), ranks=_COMPUTES)),
    clear(run_of(8.0, padding=_PADDED, ranks=phases(input_wait=0.5, forward=1.0, other_in_step=9.0))),
    clear(run_of(60.0, padding=_PADDED, ranks=_COMPUTES)),
    clear(run_of(8.0, padding=replace(_PADDED, batches=1), ranks=_COMPUTES)),
    clear(run_of(8.0, looked=True)),
    unknown(HIDDEN, "a look at what is in a few batches"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
