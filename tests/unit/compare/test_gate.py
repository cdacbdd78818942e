from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest

from gpuwatch.compare.gate import METRICS, finding_ids, parse
from gpuwatch.diagnosis.examples.parts import interval, make_device
from gpuwatch.errors import UsageError
from tests.builders import make_finding, make_report


def _trips(expression: str, **changes: object) -> list[bool]:
    return [result.trips for result in parse(expression).evaluate(make_report(**changes))]


def _with_wait(share: float | None):
    verdict = make_report().verdict
    return {"verdict": replace(verdict, input_wait_share=None if share is None else interval(share))}


@pytest.mark.parametrize(
    ("expression", "trips"),
    [
        ("input_wait>10%", True),
        ("input_wait > 33%", False),
        ("input_wait>=33%", True),
        ("input_wait<33%", False),
        ("input_wait<=33%", True),
    ],
)
def test_a_share_is_held_against_its_limit(expression: str, trips: bool) -> None:
    assert _trips(expression, **_with_wait(0.33)) == [trips]


def test_what_was_not_measured_trips_and_says_so() -> None:
    (result,) = parse("input_wait>10%").evaluate(make_report(**_with_wait(None)))
    assert result.holds is None
    assert result.trips
    assert "not measured" in result.text


def test_zero_is_measured() -> None:
    assert _trips("input_wait>10%", **_with_wait(0.0)) == [False]
    assert _trips("gpu_busy<50%", devices=(make_device(busy=0.0),)) == [True]


def test_times_convert() -> None:
    loader = replace(make_report().loaders[0], step_ms=interval(120.0))
    assert _trips("step_ms>0.1s, step_ms>130ms", loaders=(loader,), primary=loader.id) == [True, False]


def test_terms_are_joined_by_or_and_comma() -> None:
    changes = {**_with_wait(0.33), "findings": (make_finding("too-few-workers"),)}
    assert _trips("input_wait>90% or finding:too-few-workers, finding:cpu-saturated", **changes) == [False, True, False]


def test_findings_that_others_explain_count_too() -> None:
    assert _trips("finding:cpu-saturated", findings=(), suppressed=(make_finding("cpu-saturated"),)) == [True]


def test_a_rule_that_could_not_look_trips() -> None:
    (result,) = parse("finding:gpu-throttled").evaluate(make_report())
    assert (result.holds, result.trips) == (None, True)
    assert "NVML" in result.text


def test_bound_and_severity() -> None:
    assert _trips("bound:input") == [True]
    assert _trips("bound:compute") == [False]
    assert _trips("severity:critical", findings=(make_finding(severity="warning"),)) == [False]


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("", "term is missing"),
        ("input_wait>10%,", "term is missing"),
        ("input_wait", "cannot read"),
        ("input_wait>", "cannot read"),
        ("input_wait==10%", "cannot read"),
        ("input_wait>ten%", "cannot read"),
        ("input_wait>1.2.3%", "is no number"),
        ("input_wait>10", "write 10%"),
        ("input_wait>10ms", "write 10%"),
        ("step_ms>10%", "write ms or s"),
        ("step_ms>10", "write ms or s"),
        ("samples_per_s<10%", "a plain number"),
        ("input_wat>10%", "Did you mean 'input_wait'"),
        ("finding:too-few-worker", "Did you mean 'too-few-workers'"),
        ("bound:gpu", "unknown bound"),
        ("severity:bad", "unknown severity"),
    ],
)
def test_a_wrong_expression_is_one_clear_line(expression: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(expression)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_every_rule_can_be_named_and_every_metric_read() -> None:
    report = make_report(devices=(make_device(),))
    for name in finding_ids():
        parse(f"finding:{name}").evaluate(report)
    for metric in METRICS.values():
        value = metric.read(report)
        assert value is None or isinstance(value, (int, float))


def test_a_report_without_anything_measured_is_survived() -> None:
    empty = dataclasses.replace(make_report(), loaders=(), primary=None, phases=(), devices=(), findings=())
    for metric in METRICS.values():
        metric.read(empty)
