"""Phases corrected by samples: they go on summing to the wall time, and say what the events could not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuwatch.analyze.lines.model_calls import Part
from gpuwatch.analyze.lines.sampled_phases import trend_with_samples, with_samples
from gpuwatch.analyze.lines.step_parts import StepParts
from gpuwatch.diagnosis.examples.parts import make_trend
from gpuwatch.diagnosis.examples.runs import long_steps, phases
from gpuwatch.model.profile import RankProfile


def rank(**seconds: float) -> RankProfile:
    (made,) = phases(**seconds)
    return made  # type: ignore[no-any-return]


def sampled(parts: dict[Part, float], **pauses: float) -> StepParts:
    made = StepParts(**pauses)
    made.parts.update(parts)
    return made


def seconds_of(found: RankProfile) -> dict[str, float]:
    seconds = {phase.name: phase.seconds for phase in found.phases}
    assert sum(seconds.values()) == pytest.approx(found.seconds)
    assert all(value >= 0 for value in seconds.values())
    return {name: round(value, 3) for name, value in seconds.items() if value}


def test_a_loop_without_a_loader_has_the_forward_that_samples_show() -> None:
    before = rank(backward=4.0, optimizer=1.0, other_in_step=5.0)
    found = with_samples(before, sampled({"forward": 80, "backward": 100, "optimizer": 20, "own": 20}))
    assert seconds_of(found) == {"forward": 4.0, "backward": 4.0, "optimizer": 1.0, "other in-step": 1.0}


def test_without_a_backward_the_samples_divide_all_of_the_step() -> None:
    found = with_samples(rank(other_in_step=10.0), sampled({"forward": 30, "backward": 50, "optimizer": 10, "own": 10}))
    assert seconds_of(found) == {"forward": 3.0, "backward": 5.0, "optimizer": 1.0, "other in-step": 1.0}


def test_library_code_before_the_backward_is_no_forward() -> None:
    before = rank(forward=5.0, backward=4.0, other_in_step=1.0)
    found = with_samples(before, sampled({"forward": 50, "backward": 80, "library": 50, "torch": 20}))
    assert seconds_of(found) == {"forward": 3.5, "backward": 4.0, "other in-step": 2.5}
    # Tensor operations, and what chance explains, stay where they were measured.
    for parts in ({"forward": 20, "torch": 60, "own": 40}, {"forward": 45, "library": 10, "own": 1}):
        assert seconds_of(with_samples(before, sampled(parts))) == seconds_of(before)


def test_what_grew_has_the_name_that_samples_give_it() -> None:
    before = rank(forward=6.0, backward=3.0, other_in_step=1.0)
    slower = make_trend("forward", 10.0, 20.0)
    slower = replace(slower, parts=slower.parts[1:])
    searching = with_samples(before, sampled({"forward": 20, "backward": 30, "host": 80}))
    assert trend_with_samples(slower, before, searching).grown.name == "other in-step"
    modelling = with_samples(before, sampled({"forward": 80, "backward": 30, "host": 20}))
    assert trend_with_samples(slower, before, modelling) is slower


def test_few_samples_divide_nothing() -> None:
    before = rank(backward=4.0, other_in_step=6.0)
    assert seconds_of(with_samples(before, sampled({"forward": 30, "own": 10}))) == seconds_of(before)
    assert with_samples(before, None) is before


def test_an_evaluation_in_the_long_steps_leaves_the_rest_of_the_pause() -> None:
    before = rank(forward=2.0, backward=4.0, other_in_step=6.0)
    parts = sampled({"forward": 40, "backward": 80, "own": 60}, long=100, evaluation=75)
    one = replace(before, long_steps=long_steps(cause="unknown"))
    found = with_samples(one, parts)
    assert seconds_of(found) == {"forward": 2.0, "backward": 4.0, "other in-step": 3.0, "evaluation": 3.0}
    assert found.long_steps is not None
    assert (found.long_steps.excess_s, found.long_steps.evaluation_s, found.long_steps.cause) == (
        1.0,
        3.0,
        "evaluation",
    )
    assert found.long_steps.share == pytest.approx(0.25 / 4)


def test_a_rollout_has_a_phase_of_its_own() -> None:
    before = rank(backward=4.0, other_in_step=6.0)
    parts = sampled({"forward": 30, "backward": 80, "own": 30}, long=100, rollout=100, policy=30, environment=60)
    one = replace(before, long_steps=long_steps(cause="unknown"))
    found = with_samples(one, parts)
    assert seconds_of(found) == {"forward": 1.0, "backward": 4.0, "other in-step": 1.0, "rollout": 4.0}
    assert found.long_steps is not None and found.long_steps.rollout is not None
    assert (found.long_steps.rollout.policy, found.long_steps.rollout.environment) == (0.3, 0.6)
    assert (found.long_steps.cause, found.long_steps.share) == ("rollout", 0.0)
