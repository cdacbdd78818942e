"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_machine
from gpuwatch.diagnosis.examples.runs import FEW_STEPS, HIDDEN, STARVED, stream

# Another program uses one of the two cores.
BUSY_WITH_OTHERS = make_machine(cores=2, affinity_cores=2, usable_cores=2.0, other_cores=1.0, spare_cores=0.0)

CASES = (
    fires(
        stream(4, (400.0, 0.0, 0.0, 0.0), work_ms=25.0),
        "critical",
        "3 of 4 workers have nothing to read: 1 worker delivers every batch",
        where="/home/me/project/data.py:12",
        speedup=2.471,
    ),
    fires(
        stream(4, (200.0, 100.0, 100.0, 100.0), work_ms=60.0),
        "critical",
        "4 workers have unequal parts: on average 2.5 of them are at work",
        where="/home/me/project/data.py:12",
        speedup=1.592,
    ),
    fires(
        stream(2, (400.0, 0.0), work_ms=25.0, machine=BUSY_WITH_OTHERS),
        "warning",
        "1 of 2 workers has nothing to read: 1 worker delivers every batch; other programs use the cores now",
        confidence="medium",
        where="/home/me/project/data.py:12",
        speedup=1.945,
    ),
    clear(stream(4, (100.0, 100.0, 99.0, 99.0), work_ms=60.0)),
    clear(stream(2, (2.0, 0.0), work_ms=60.0)),
    clear(stream(4, (400.0, 0.0, 0.0, 0.0), work_ms=41.0, device_ms=40.0)),
    clear(HIDDEN),
    clear(STARVED),
    unknown(stream(2, None), "what each worker delivered"),
    unknown(FEW_STEPS, "only 3 steps after the warm-up (8 needed)"),
)
