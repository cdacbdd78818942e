"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_stops
from gpuwatch.diagnosis.examples.runs import STARVED, epochs, no_loader
from gpuwatch.model.measures import Place

CASES = (
    fires(
        epochs(5, 1.0, 20),
        "critical",
        "2 workers are re-created for each of 5 epochs: 1.0 s before the first batch",
        where="/home/me/project/train.py:40",
        speedup=1.243,
    ),
    fires(
        epochs(5, 1.0, 20, persistent=True, worker_starts=5, attributes={"remade": True}),
        "critical",
        "2 workers are re-created for each of 5 epochs: 1.0 s before the first batch",
        where="/home/me/project/train.py:40",
        speedup=1.243,
    ),
    fires(
        epochs(50, 0.1, 1),
        "critical",
        "2 workers are re-created for each of 50 batches: 100 ms before the first batch",
        speedup=1.209,
    ),
    # Persistent workers whose iterator is dropped: the line that drops it, and no advice to set what is set.
    fires(
        epochs(
            5,
            1.0,
            20,
            persistent=True,
            worker_starts=5,
            worker_stops=make_stops(
                drops=4, drop_where=Place("/home/me/project/train.py", 52, "main"), drop_by="lightning.fit"
            ),
        ),
        "critical",
        "2 workers are re-created for each of 5 epochs: 1.0 s before the first batch",
        where="/home/me/project/train.py:52",
        speedup=1.243,
    ),
    fires(
        epochs(5, 1.0, 20, persistent=True, worker_starts=5),
        "critical",
        "2 workers are re-created for each of 5 epochs: 1.0 s before the first batch",
        where="/home/me/project/train.py:40",
        speedup=1.243,
    ),
    # What was set does not count, only whose pids are new.
    clear(epochs(5, 1.0, 20, worker_starts=1)),
    clear(epochs(5, 1.0, 20, persistent=True)),
    clear(epochs(2, 0.1, 5000)),
    clear(epochs(5, 1.0, 20, workers=0)),
    clear(STARVED),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
