"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_state
from gpuwatch.diagnosis.examples.runs import BACKWARD_LINE, HIDDEN, SAMPLED, no_loader, run_of
from gpuwatch.model.measures import Place
from gpuwatch.model.process_state import Compilations
from gpuwatch.model.profile import Profile


def _compiled(later: int, seconds: float | None, most: int = 3, **changes: Any) -> Profile:
    settings: dict[str, Any] = {"name": "forward", "frame": Place("/home/me/project/model.py", 12)} | changes
    compilations = Compilations(4, later, seconds, 10.0, most, 8, **settings)
    return run_of(8.0, state=make_state(compilations=compilations))


_SCALAR = {"guarded": "calls", "reason": "self.calls == 3", "assigned": Place("/home/me/project/train.py", 30)}
# Older versions of torch tell no seconds: samples do.
_SAMPLED = replace(
    _compiled(40, None),
    hot_lines=(replace(BACKWARD_LINE, samples=400, tools=(("compiler", 0.5),)),),
    stacks=SAMPLED,
)

CASES = (
    fires(
        _compiled(40, 8.0, 44, **_SCALAR),
        "critical",
        "torch.compile compiled 40 more times after the warm-up: 80% of the time, each because the value of `calls` of `forward` had changed",
        where="/home/me/project/train.py:30",
        speedup=5.0,
    ),
    fires(
        _SAMPLED,
        "critical",
        "torch.compile compiled 40 more times after the warm-up: 40% of the time",
        where="/home/me/project/data.py:48",
        speedup=1.667,
    ),
    # It was compiled as often as is allowed, in the first steps.
    fires(
        _compiled(0, 0.0, 8),
        "warning",
        "torch.compile gave up on forward after 8 compilations: it runs as plain Python",
        where="/home/me/project/model.py:12",
    ),
    # Two late shapes; and a compilation that hardly takes time.
    clear(_compiled(2, 1.0)),
    clear(_compiled(5, 0.1)),
    clear(run_of(8.0, state=make_state())),
    unknown(HIDDEN, "the state of the training process"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
