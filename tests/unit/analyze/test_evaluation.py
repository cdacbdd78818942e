"""An evaluation loop that waits for data is judged by the rules that judge the training loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gpuwatch.diagnosis.evaluation import with_evaluation
from gpuwatch.diagnosis.examples.parts import make_loader
from gpuwatch.diagnosis.examples.runs import run_of
from gpuwatch.model.findings import Speedup
from gpuwatch.model.report import Report
from gpuwatch.views import verdict_text
from gpuwatch.views.card import prepare
from tests.spools import MS, SECOND, START, FakeRun, FakeTrainer, report_of


def validating(run: FakeRun, wait_ms: float, compute_ms: float, passes: int = 4, train_wait_ms: float = 0.2) -> Report:
    """A training of 10 ms steps that keeps its device busy, and an evaluation without workers after each epoch."""
    trainer = run.trainer()
    trainer.add("meta", t=trainer.now, key="affinity", value=4)
    for _ in range(passes):
        trainer.loop(batches=50, wait_ms=train_wait_ms, compute_ms=10.0, workers=[[0, 201]], made_line=20)
        evaluate(trainer, 20, wait_ms, compute_ms)
    sampler = run.sampler()
    for second in range((trainer.now - START) // SECOND + 1):
        t = START + second * SECOND
        sampler.add("cpu", t=t, interval_ns=SECOND, busy=[0.5, 0.1, 0.1, 0.1])
        sampler.add(
            "process", t=t, pid=100, role="tree", cpu_ns=second * SECOND // 2, delay_ns=0, rss_bytes=1, threads=1
        )
    return report_of(run)


def evaluate(trainer: FakeTrainer, batches: int, wait_ms: float, compute_ms: float) -> None:
    number = trainer.iterate(loader=2, made_line=30, line=44, dataset="Held")
    for index in range(batches):
        t0, made = trainer.now, int(wait_ms * MS)
        trainer.ask(number, index, wait_ms)
        at = {"worker": -1, "index": index, "idle_t0": t0, "t0": t0, "t1": t0 + made, "samples": 8}
        trainer.add("fetch", **at, cpu_ns=made, process_cpu_ns=made, delay_ns=0, collate_ns=0, operations=[])
        trainer.step(compute_ms, train=False)
    trainer.ask(number, batches, 0.0, end=1)


def test_a_waiting_evaluation_gets_its_own_cause_with_its_constructors_line(run: FakeRun) -> None:
    report = validating(run, wait_ms=25.0, compute_ms=4.0)
    first = report.findings[0]
    assert first.id == "no-worker-processes" and first.where is not None and first.where.line == 30
    assert first.summary.startswith("in evaluation, batches are made in the training process (25 ms each)")
    assert (
        "persistent_workers=True" in first.advice
        and "Or make its batches cheaper: the dataset's own code" in first.advice
    )
    assert "evaluation-share" not in [finding.id for finding in report.findings]
    assert "evaluation-share" in [finding.id for finding in report.suppressed]
    assert first.speedup is not None and first.speedup.predicted == pytest.approx(1.42, abs=0.1)


def test_its_wait_bounds_the_run_and_the_headline_says_whose_it_is(run: FakeRun) -> None:
    report = validating(run, wait_ms=25.0, compute_ms=4.0)
    assert report.verdict.bound == "input" and not report.verdict.leave_input_alone
    assert report.problems == ()
    why = {fact.label: fact for fact in prepare(report).why}
    assert why["evaluation"].text.startswith("waits for data 87% of its time, 25 ms per batch")
    # 500 of some 1,150 ms an epoch.
    assert verdict_text.headline(report.verdict).startswith("Input-bound: evaluation waits for data 4")


@pytest.mark.parametrize(
    "case", [{"wait_ms": 1.0, "compute_ms": 25.0}, {"wait_ms": 25.0, "compute_ms": 4.0, "train_wait_ms": 200.0}]
)
def test_an_evaluation_that_computes_or_is_short_beside_the_training_has_no_finding_of_its_own(
    run: FakeRun, case: dict[str, Any]
) -> None:
    found = [*validating(run, **case).findings]
    assert not [finding for finding in found if finding.summary.startswith("in evaluation")]


def test_a_change_to_the_input_wins_in_evaluation_too() -> None:
    profile = run_of(10.0, 10.0, workers=0, cores=2.0)
    assert profile.costs is not None
    gain = Speedup(1.5, 1.4, 1.6, "")
    assert with_evaluation(profile, gain, lambda _: 1.0) == gain
    seconds = profile.costs.seconds
    held = make_loader(
        id="r0.l1", role="evaluation", workers=0, wait_seconds=0.15 * seconds, first_batch_s=(0.05 * seconds,)
    )
    both = replace(profile, loaders=(*profile.loaders, held))
    assert with_evaluation(both, gain, lambda _: 1.0).predicted == pytest.approx(1 / (1 / 1.5 - 0.2), rel=0.01)
    assert with_evaluation(both, gain, lambda _: 0.5).predicted == pytest.approx(1 / (1 / 1.5 - 0.1), rel=0.01)
