"""Real traces of other people's trainings say what their recorders and other tools found in them."""

from __future__ import annotations

from typing import Any

import pytest

from gpuwatch.build_traced import build_traced
from gpuwatch.model.report import Report
from gpuwatch.traces.read import read_traces
from tests.traces import expected, real_trace

EXPECTED = expected() or {"absent": {}}
POINT = 0.01
# What the words for classes in expected.json stand for.
CLASSES = {
    "input": {"input"},
    "launch": {"launch"},
    "allocator": {"allocator"},
    "launch or host code": {"launch", "host_code"},
    "host code or launch": {"launch", "host_code"},
    "pageable copy and sync": {"pageable_copy", "sync"},
}


@pytest.fixture(scope="module", params=sorted(EXPECTED))
def judged(request: pytest.FixtureRequest) -> tuple[dict[str, Any], Report]:
    return EXPECTED[request.param], build_traced(read_traces([real_trace(request.param)]))


def test_idle_time_and_span(judged: tuple[dict[str, Any], Report]) -> None:
    truth, report = judged
    time = report.judged_gpu
    assert time is not None
    assert time.idle_share == pytest.approx(truth.get("idle", truth.get("idle_as_recorded")), abs=POINT)
    assert time.span_ms == pytest.approx(truth.get("span_ms", time.span_ms), abs=0.1)
    assert time.steps == truth.get("steps", time.steps)
    if "loader_ms" in truth:
        assert time.loader is not None and time.loader.seconds * 1e3 == pytest.approx(truth["loader_ms"], rel=0.01)


def test_verdict_and_class(judged: tuple[dict[str, Any], Report]) -> None:
    truth, report = judged
    bounds = truth["bound"] if isinstance(truth["bound"], list) else [truth["bound"]]
    assert report.verdict.bound in bounds
    time = report.judged_gpu
    assert time is not None and (time.unmeasured is not None) == ("reason" in truth)
    if truth.get("class"):
        names = CLASSES[truth["class"]]
        lost = ("input", "sync", "pageable_copy", "launch", "host_code", "allocator", "dependency", "unknown")
        assert max(lost, key=time.share) in names


def test_findings(judged: tuple[dict[str, Any], Report]) -> None:
    truth, report = judged
    found = [finding.id for finding in report.findings]
    if "finding" in truth:
        assert found[0] == truth["finding"]
    assert not set(found) & set(truth.get("never", ()))
    if "compute" in truth["bound"]:
        assert not any(finding.traits.about_input for finding in report.findings)


def test_the_gain_of_workers_is_what_the_same_training_with_workers_measured() -> None:
    report = build_traced(read_traces([real_trace("v100_resnet50_workers0")]))
    gain, measured = report.findings[0].speedup, EXPECTED["v100_resnet50_workers0"]["gain_measured"]
    assert gain is not None and gain.predicted == pytest.approx(measured, rel=0.1)
    assert gain.low <= measured <= gain.high


def test_the_line_of_a_slow_input_is_named() -> None:
    report = build_traced(read_traces([real_trace("h100_owlv2")]))
    place = report.judged_gpu.place("input") if report.judged_gpu else None
    assert place is not None and place.place.function == "resize" and "zoom" in (place.callee or "")
    assert place.place.file.endswith("image_processing_owlv2.py")
