"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_stops
from gpuwatch.diagnosis.examples.runs import (
    HIDDEN,
    MODEL_LINE,
    SAMPLED,
    SAMPLER_LINE,
    WORK_LINE,
    epochs,
    no_loader,
    phases,
)
from gpuwatch.model.hot_lines import Callee, HotLine, StackQuality
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile, RankProfile

_BETWEEN = phases(forward=4.0, backward=6.0, between_loops=5.0)
_SCORING = replace(WORK_LINE, activity="between loops", seconds=4.5)
_SAVING = replace(_BETWEEN[0], saving_s=4.0, saving_where=Place("/home/me/project/train.py", 60, "main"))


def _ending(*lines: HotLine, ranks: tuple[RankProfile, ...] = _BETWEEN, passes: int = 5, **loader: Any) -> Profile:
    """Return a run of some epochs whose steps wait for nothing."""
    stacks = SAMPLED if lines else StackQuality("none", 0, "none", "")
    return replace(epochs(passes, 0.05, 200, work_ms=8.0, **loader), ranks=ranks, hot_lines=lines, stacks=stacks)


CASES = (
    # A thread keeps the workers from exiting.
    fires(
        _ending(
            ranks=phases(forward=4.0, backward=6.0, between_loops=20.0), stop_s=(5.0,) * 4, worker_stops=make_stops()
        ),
        "critical",
        "stopping the 2 workers of the training loader takes 5.0 s, 4 times, held up by what they left running: Thread-1 (watch)",
        where="/home/me/project/data.py:8",
        speedup=2.941,
    ),
    # Nothing was left, and it takes long all the same.
    fires(
        _ending(
            ranks=phases(forward=4.0, backward=6.0, between_loops=8.0),
            stop_s=(2.0,) * 4,
            worker_stops=make_stops(seconds=8.0, left_behind=None, left_where=None, left_in=0),
        ),
        "critical",
        "stopping the 2 workers of the training loader takes 2.0 s, 4 times",
        where="/home/me/project/train.py:40",
        speedup=1.765,
    ),
    # Starting them again takes longer: keeping them is the answer to both.
    clear(
        replace(
            epochs(
                5,
                3.0,
                200,
                work_ms=8.0,
                stop_s=(2.0,) * 4,
                worker_stops=make_stops(seconds=8.0, left_behind=None, left_where=None, left_in=0),
            ),
            ranks=phases(forward=4.0, backward=6.0, between_loops=8.0),
        )
    ),
    # Workers that persist are stopped at exit.
    fires(
        _ending(
            ranks=phases(forward=4.0, backward=6.0, shutdown=10.0),
            persistent=True,
            worker_stops=make_stops(count=1, seconds=10.0, at_exit_s=10.0),
        ),
        "critical",
        "stopping the 2 workers of the training loader takes 10.0 s, at exit, held up by what they left running: Thread-1 (watch)",
        where="/home/me/project/data.py:8",
        speedup=1.99,
    ),
    # Own code between the epochs: with its line, without any samples, and of checkpoints, whose calls are timed or sampled.
    fires(
        _ending(_SCORING),
        "critical",
        "each epoch begins or ends with 1.2 s of the training's own code, most of it at line 48: histogram(w)",
        where="/home/me/project/data.py:48",
        speedup=1.5,
    ),
    fires(
        _ending(),
        "critical",
        "each epoch begins or ends with 1.2 s of the training's own code",
        confidence="medium",
        speedup=1.5,
    ),
    fires(
        _ending(_SCORING, ranks=(_SAVING,)),
        "critical",
        "each epoch begins or ends with 1.2 s of the training's own code, 4.0 s of it in all to write checkpoints",
        where="/home/me/project/train.py:60",
        speedup=1.5,
    ),
    fires(
        _ending(
            replace(
                _SCORING,
                source="torch.save(state, path)",
                callee=Callee("torch", "save"),
                blocked_share=0.9,
                stack=(Place("/home/me/project/data.py", 48, "main"), Place("/v/torch/serialization.py", 9, "save")),
            )
        ),
        "critical",
        "each epoch begins or ends with 1.2 s of the training's own code, most of it at line 48: torch.save(state, path)",
        where="/home/me/project/data.py:48",
        speedup=1.5,
    ),
    # Data that never end have no epochs: what is done between the loops is known by its line, or not at all.
    fires(
        _ending(_SCORING, passes=1),
        "critical",
        "5.0 s of the training's own code lie between its loops, most of it at line 48: histogram(w)",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.5,
    ),
    clear(_ending(passes=1)),
    # The usual stop of workers that nothing holds up is worker-restart's, and no own code.
    clear(
        _ending(
            ranks=phases(forward=4.0, backward=6.0, between_loops=0.3),
            stop_s=(0.06,) * 5,
            worker_stops=make_stops(count=5, seconds=0.3, left_behind=None),
        )
    ),
    clear(_ending(ranks=phases(forward=8.0, backward=8.0, between_loops=4.8), stop_s=(1.2,) * 4)),
    # An evaluation that is not over a DataLoader calls the model; a sampler is slow-sampler's.
    clear(_ending(replace(MODEL_LINE, activity="between loops", seconds=4.5, model_share=0.95))),
    clear(
        _ending(
            replace(SAMPLER_LINE, activity="between loops", seconds=2.5),
            ranks=phases(loader_startup=3.0, input_wait=1.0, forward=2.0),
        )
    ),
    clear(HIDDEN),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
