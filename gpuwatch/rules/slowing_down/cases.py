"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_rank, make_state, make_trend
from gpuwatch.diagnosis.examples.runs import HIDDEN, SAMPLED, WORK_LINE, no_loader, run_of
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.model.trend import Trend


def _run(trend: Trend, **changes: Any) -> Profile:
    settings: dict[str, Any] = {"ranks": (make_rank(device="cpu"),), "state": make_state()}
    return run_of(8.0, trend=trend, **(settings | changes))


_HOOKS = make_state(hooks_per_step=120.0, hooks_where=Place("/home/me/project/train.py", 24))
# It was 5 % of the samples in the first half of the run, and is 60 % of those in the second.
_LIST = replace(WORK_LINE, halves=(0.05, 0.6))
_LATE = (
    replace(
        WORK_LINE,
        file="/home/me/project/train.py",
        line=49,
        process_role="trainer",
        activity="step",
        share=0.5,
        model_share=1.0,
    ),
    replace(WORK_LINE, file="/home/me/project/train.py", line=75, process_role="trainer", activity="step", share=0.4),
    replace(WORK_LINE, file="/home/me/project/train.py", line=71, process_role="trainer", activity="step", share=0.1),
)
_CHANGED: dict[str, Any] = {"shape": "changed", "from_step": 830, "mean_ms": 25.0}

CASES = (
    fires(
        _run(make_trend("backward", 2.0, 30.0), state=_HOOKS),
        "critical",
        "steps grow with the run's age, from 7 ms to 35 ms: in the end backward takes 30 ms instead of 2 ms",
        where="/home/me/project/train.py:24",
        speedup=3.0,
    ),
    fires(
        _run(make_trend("other in-step", 2.0, 30.0, memory_slope=4e6), hot_lines=(_LIST,), stacks=SAMPLED),
        "critical",
        "steps grow with the run's age, from 7 ms to 35 ms: in the end other code in the step takes 30 ms instead of 2 ms",
        where="/home/me/project/data.py:48",
        speedup=3.0,
    ),
    # Samples of the second half only: of the code that no module has, most is in one line.
    fires(
        _run(make_trend("other in-step", 2.0, 30.0), hot_lines=_LATE, stacks=SAMPLED),
        "critical",
        "steps grow with the run's age, from 7 ms to 35 ms: in the end other code in the step takes 30 ms instead of 2 ms",
        where="/home/me/project/train.py:75",
        speedup=3.0,
    ),
    fires(
        _run(make_trend("optimizer", 10.0, 16.0, shape="growing in each epoch", steps=90)),
        "warning",
        "in each epoch steps grow, from 15 ms to 21 ms: in the end optimizer takes 16 ms instead of 10 ms",
        confidence="medium",
        speedup=1.2,
    ),
    fires(
        _run(make_trend("input wait", 1.0, 40.0, wait_before=0.1, wait_after=0.8, **_CHANGED)),
        "critical",
        "from step 830 on a step takes 45 ms instead of 6 ms: waiting for data takes 40 ms instead of 1 ms",
        speedup=4.167,
    ),
    fires(
        _run(make_trend("other in-step", 2.0, 40.0, **_CHANGED)),
        "critical",
        "from step 830 on a step takes 45 ms instead of 7 ms: other code in the step takes 40 ms instead of 2 ms",
        speedup=3.571,
    ),
    clear(_run(make_trend())),
    # Hardly any growth; batches that grow; a core that others take.
    clear(_run(make_trend(last=11.0))),
    clear(_run(make_trend("backward", 0.01, 0.2))),
    clear(_run(make_trend(last=30.0, batches_ratio=2.5))),
    clear(_run(make_trend(last=30.0, contended=True))),
    unknown(HIDDEN, "a loop of at least 48 steps after the warm-up"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
