"""What a GPU trace is judged by: the device that loses time of its own, and the loss that bounds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuwatch.diagnosis.examples.runs import UNMEASURED, run_of, traced_by
from gpuwatch.diagnosis.gpu_trace import judged
from gpuwatch.diagnosis.verdict import give_verdict
from gpuwatch.model.gpu_time import Counts, GpuGain
from gpuwatch.views.verdict_text import claim, explanation


@pytest.mark.parametrize(
    ("shares", "bound"),
    [
        ({"input": 0.3}, "input"),
        ({"input": 0.12, "host_code": 0.15}, "input"),
        ({"input": 0.12, "host_code": 0.25}, "host"),
        ({"launch": 0.1, "host_code": 0.06, "sync": 0.06}, "host"),
        ({"launch": 0.1}, "compute"),
        ({"pageable_copy": 0.15, "copy": 0.1}, "transfer"),
        ({"communication": 0.3}, "communication"),
        ({"dependency": 0.4}, "unknown"),
        ({"dependency": 0.1}, "compute"),
        ({}, "compute"),
    ],
)
def test_the_largest_loss_that_matters_bounds_the_device(shares: dict[str, float], bound: str) -> None:
    assert give_verdict(traced_by(shares), []).bound == bound


def test_a_device_at_work_is_to_be_left_alone() -> None:
    verdict = give_verdict(traced_by({"launch": 0.02}), [])
    assert (
        verdict.leave_input_alone
        and claim(verdict) == "the GPU is at work 98% of its time; leave the input pipeline alone"
    )


def test_nothing_is_said_of_an_input_that_comes_before_the_first_activity() -> None:
    assert not give_verdict(traced_by({}, around_ms=400.0), []).leave_input_alone


def test_a_trace_that_cannot_be_judged() -> None:
    verdict = give_verdict(UNMEASURED, [])
    assert (verdict.bound, verdict.confidence) == ("unknown", "low")
    assert claim(verdict) == "idle time is not measurable from this trace"
    assert "90% of 500 ms" in explanation(verdict)


def test_what_one_step_alone_has_is_not_sure() -> None:
    verdict = give_verdict(traced_by({"input": 0.4}, in_largest_step={"input": 0.95}), [])
    assert verdict.confidence == "low" and "most of it is in one step" in explanation(verdict)
    assert give_verdict(traced_by({"input": 0.4}), []).confidence == "high"


def test_of_several_ranks_the_one_that_the_others_wait_for_is_judged() -> None:
    (victim,) = traced_by({"communication": 0.5}).gpu_time
    (culprit,) = traced_by({"input": 0.45, "communication": 0.02}, GpuGain("input", 1.5, 1.4, 1.6)).gpu_time
    times = (victim, replace(culprit, rank=1), replace(victim, rank=2))
    time = judged(times)
    assert time is not None and time.rank == 1


def test_a_device_that_hardly_did_anything_is_not_judged() -> None:
    (busy,) = traced_by({"launch": 0.1}).gpu_time
    (idle,) = traced_by({"host_code": 0.9}, counts=Counts(activities=3)).gpu_time
    assert judged((replace(idle, device=1), busy)) == busy


def test_in_a_run_of_ones_own_a_trace_says_how_much_and_the_samples_say_which_line() -> None:
    from gpuwatch.diagnosis.gpu_trace import by_trace
    from gpuwatch.diagnosis.rule import Found, Rule
    from gpuwatch.model.findings import Evidence, Finding
    from gpuwatch.model.measures import Place
    from gpuwatch.model.profile import Profile

    def found(summary: str, where: Place | None) -> Found:
        return Found("warning", "high", summary, (Evidence("x", 1, ""),), "Do it.", where)

    line = Place("train.py", 7)

    def rule(in_runs: bool) -> Rule:
        traced = by_trace(lambda profile, t, time: found("by the trace", None), in_runs)
        return Rule("some-rule", "A rule.", lambda profile, t: found("by samples", line), by_trace=traced)

    def said(of: Rule, profile: Profile) -> tuple[str, Place | None]:
        outcome = of.evaluate(profile)
        assert isinstance(outcome, Finding)
        return outcome.summary, outcome.where

    alone = traced_by({"launch": 0.3})
    beside = replace(run_of(8.0), gpu_time=alone.gpu_time)
    assert said(rule(True), alone) == ("by the trace", None)
    assert said(rule(True), beside) == ("by the trace", line)
    assert said(rule(False), beside) == ("by samples", line) and said(rule(False), alone) == ("by the trace", None)
