"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import HIDDEN, no_loader, phases, run_of
from gpuwatch.model.contents import LargeTable
from gpuwatch.model.measures import Place
from gpuwatch.model.threads import Line

_MADE = Line(Place("/home/me/project/model.py", 7, "__init__"), "self.table = nn.Embedding(rows, 32)")
_TABLE = LargeTable("Adam", 300_000, 32, 0.99, 0.0017, _MADE)
_UPDATES = phases(input_wait=0.5, forward=1.0, backward=2.0, optimizer=6.5)
_COMPUTES = phases(input_wait=0.5, forward=6.0, backward=6.0, optimizer=0.5)

CASES = (
    fires(
        run_of(8.0, tables=(_TABLE,), ranks=_UPDATES),
        "critical",
        "Adam updates all 300,000 rows of a table, of which 0.2% have a gradient: 65% of the step, made at line 7: self.table = nn.Embedding(rows, 32)",
        where="/home/me/project/model.py:7",
        speedup=3.606,
    ),
    fires(
        run_of(8.0, tables=(replace(_TABLE, line=None),), ranks=_UPDATES),
        "critical",
        "Adam updates all 300,000 rows of a table, of which 0.2% have a gradient: 65% of the step",
        speedup=3.606,
    ),
    # All words of a small vocabulary, few rows beside a model of other parameters, or a step that is mostly the model's.
    clear(run_of(8.0, tables=(replace(_TABLE, touched=0.8),), ranks=_UPDATES)),
    clear(run_of(8.0, tables=(replace(_TABLE, elements=0.1),), ranks=_UPDATES)),
    clear(run_of(8.0, tables=(_TABLE,), ranks=_COMPUTES)),
    clear(run_of(8.0, tables=(replace(_TABLE, touched=None),), ranks=_UPDATES)),
    clear(run_of(8.0, looked=True)),
    unknown(HIDDEN, "a look at the gradients in two steps"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
