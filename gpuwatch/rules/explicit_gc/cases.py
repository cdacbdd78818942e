"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_rank, make_state
from gpuwatch.diagnosis.examples.runs import HIDDEN, no_loader, run_of
from gpuwatch.model.measures import Place
from gpuwatch.model.process_state import AskedCollections
from gpuwatch.model.profile import Profile

_LINE = Place("/home/me/project/train.py", 52, "main")


def _asked(work_ms: float, count: int, seconds: float, in_workers: bool = False, **changes: object) -> Profile:
    state = make_state(collections=(AskedCollections(_LINE, count, seconds, in_workers),))
    return run_of(work_ms, state=state, **changes)  # type: ignore[arg-type]


CASES = (
    fires(
        _asked(8.0, 990, 5.0),
        "critical",
        "the calls of gc.collect() take 30% of the training loop: 990 calls of 5.05 ms each",
        where="/home/me/project/train.py:52",
        speedup=1.435,
    ),
    # In a starved loop's workers.
    fires(
        _asked(30.0, 1000, 12.0, True),
        "critical",
        "the calls of gc.collect() take 40% of the workers' fetches: 1,000 calls of 12 ms each",
        where="/home/me/project/train.py:52",
        speedup=1.666,
    ),
    # Once per epoch; workers that nobody waits for; and collections that Python began itself.
    clear(_asked(8.0, 3, 0.9)),
    clear(_asked(8.0, 3, 5.0)),
    clear(_asked(8.0, 100, 0.1)),
    clear(_asked(8.0, 1000, 2.0, True)),
    clear(_asked(30.0, 1000, 2.0, True)),
    clear(run_of(8.0, state=make_state(), ranks=(make_rank(gc_seconds=3.0, gc_collections=40),))),
    unknown(HIDDEN, "the state of the training process"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
