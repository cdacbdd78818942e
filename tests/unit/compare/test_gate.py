from __future__ import annotations

from dataclasses import replace

import pytest

from gpuwatch.compare.gate import finding_ids, parse
from gpuwatch.diagnosis.examples.parts import interval, make_device
from gpuwatch.errors import UsageError
from gpuwatch.model.findings import NotEvaluated
from gpuwatch.model.metrics import LIMITS
from gpuwatch.model.readings import point
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


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (NotEvaluated("step-sync", "stack samples"), "finding:step-sync: not evaluated, it needs stack samples"),
        (
            NotEvaluated("step-sync", "no DataLoader was seen in use", "clause"),
            "finding:step-sync: not evaluated, no DataLoader was seen in use",
        ),
    ],
)
def test_a_rule_that_could_not_look_trips_and_says_why(outcome: NotEvaluated, said: str) -> None:
    (result,) = parse("finding:step-sync").evaluate(make_report(not_evaluated=(outcome,)))
    assert (result.holds, result.trips, result.text) == (None, True, said)


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
    for metric in LIMITS.values():
        value = point(metric.reader.of_run(report))
        assert value is None or isinstance(value, float)


def test_a_report_without_anything_measured_is_survived() -> None:
    empty = replace(make_report(), loaders=(), primary=None, phases=(), devices=(), findings=())
    assert all(metric.reader.of_run(empty) is None for metric in LIMITS.values() if metric.reader.of_loader)


# The names that --fail-on took before there was one catalogue: CI files in the world have them.
OLDER = {
    "step_ms": "step",
    "wait_ms": "loader_wait",
    "compute_ms": "loader_compute",
    "gpu_wait_ms": "loader_gpu_wait",
    "steps_per_s": "steps_rate",
    "samples_per_s": "samples_rate",
    "gpu_busy": "device_busy",
    "sm_active": "device_sm_active",
    "duration": "run_duration",
}


def test_older_names_go_on_meaning_the_same() -> None:
    assert {older: LIMITS[older].name for older in OLDER} == OLDER
    assert {"input_wait", "startup", "loader_startup", "other_in_step", "unexplained"} <= LIMITS.keys()
    report = make_report(devices=(make_device(busy=0.25), make_device(index=1, busy=0.75)))
    for older, name in (("gpu_busy<51%", "device_busy<51%"), ("duration>1s", "run_duration>1s")):
        first, second = (parse(term).evaluate(report)[0] for term in (older, name))
        assert first.holds is second.holds is True
    assert "gpu_busy is 50.0%" in parse("gpu_busy<51%").evaluate(report)[0].text


def test_large_figures_have_no_exponent() -> None:
    loader = replace(make_report().loaders[0], step_ms=interval(123456.0))
    (result,) = parse("step>1s").evaluate(make_report(loaders=(loader,), primary=loader.id))
    assert result.text == "step>1s: step is 123456 ms"
