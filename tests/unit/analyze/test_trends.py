"""Slopes, change points and kinds of steps: what is one, and what only looks like one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpuwatch.analyze.build import analysis_of, profile_of
from gpuwatch.analyze.numbers.trends import best_split, clusters, concordance, theil_sen
from gpuwatch.analyze.processes.sorting import sort_processes
from gpuwatch.model.report import Report
from gpuwatch.model.trend import Trend
from gpuwatch.store.reader import read
from gpuwatch.views.verdict_text import headline, reason
from tests.spools import MS, FakeRun, report_of

STEPS = 300


def noise(count: int = STEPS) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).uniform(0.95, 1.05, count)


def train(run: FakeRun, backward_ms: Any, wait_ms: Any = 0.2, epochs: int = 1, **columns: Any) -> None:
    """Run steps of 2 ms forward and so many ms of backward and of waiting, each a number or one per step of an epoch."""
    trainer = run.trainer()
    trainer.do("other", 500)
    backward, wait = (np.broadcast_to(values, STEPS) for values in (backward_ms, wait_ms))
    for _ in range(epochs):
        number = trainer.iterate()
        for index in range(STEPS):
            trainer.ask(number, index, float(wait[index]), **columns)
            trainer.do("forward", 2.0).do("backward", float(backward[index])).do("optimizer", 0.5)
        trainer.ask(number, STEPS, 0.0, end=1)


def trend_of(run: FakeRun) -> Trend:
    trend = profile_of(analysis_of(sort_processes(read(run.write())))).trend
    assert trend is not None
    return trend


def said(report: Report) -> dict[str, str]:
    return {finding.id: finding.summary for finding in report.findings}


def test_a_backward_that_grows_is_named_with_its_slope(run: FakeRun) -> None:
    train(run, np.linspace(3.0, 33.0, STEPS) * noise())
    trend = trend_of(run)
    assert (trend.shape, trend.grown.name) == ("growing", "backward")
    assert trend.grown.slope.median == pytest.approx(10.0, rel=0.1)
    assert trend.grown.slope.low > 8.0
    report = report_of(run)
    assert report.verdict.bound == "host"
    assert headline(report.verdict).startswith("Host-bound: steps grow with the run's age, from ")
    assert "what grows is the backward" in headline(report.verdict)
    assert said(report)["slowing-down"].startswith("steps grow with the run's age")


def test_what_recorded_parts_leave_of_the_step_is_named_where_it_grew(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate(own_loop=True, dataset=None, batch_size=None)
    for block in range(60):
        trainer.do("other", 1.0).do("backward", 2.0 + block / 100).do("optimizer", 1.0)
        trainer.ask(number, 10 * block, 0.0, forward_ns=None)
        trainer.only_timed(number, 10 * block + 1, 9, 0.0, 4.0 + 0.2 * block)
    trend = trend_of(run)
    assert trend.whole.growth_ms > 5.0 and trend.grown.name == "other in-step"
    assert trend.grown.last_ms == pytest.approx(trend.whole.last_ms - 3.6, abs=0.6)


def test_steps_of_one_length_with_pauses_and_noise_are_steady(run: FakeRun) -> None:
    backward = 10.0 * noise()
    backward[::50] = 80.0
    train(run, backward)
    assert trend_of(run).shape == "steady"
    assert "slowing-down" not in said(report_of(run))


def test_a_spell_that_passes_is_no_change(run: FakeRun) -> None:
    backward = 10.0 * noise()
    backward[100:160] *= 2.0
    train(run, backward)
    assert "slowing-down" not in said(report_of(run))


def test_a_step_from_which_on_the_input_is_waited_for_is_named(run: FakeRun) -> None:
    wait = np.where(np.arange(STEPS) < 270, 0.1, 12.0) * noise()
    train(run, 8.0, wait)
    trend = trend_of(run)
    assert trend.shape == "changed" and trend.from_step is not None
    assert 255 <= trend.from_step <= 280
    report = report_of(run)
    assert report.verdict.input_wait_share is not None and report.verdict.input_wait_share.median < 0.2
    assert report.verdict.bound == "input" and not report.verdict.leave_input_alone
    assert f"from step {trend.from_step} on 5" in headline(report.verdict)
    assert report.findings[0].id == "slowing-down"


def test_computing_that_changes_at_a_step_is_still_computing(run: FakeRun) -> None:
    train(run, np.where(np.arange(STEPS) < 150, 5.0, 25.0) * noise())
    report = report_of(run)
    assert report.verdict.bound == "compute"
    assert "it is the backward that changed" in headline(report.verdict)


def test_steps_that_grow_in_each_epoch_do_not_grow_with_age(run: FakeRun) -> None:
    train(run, np.linspace(3.0, 15.0, STEPS) * noise(), epochs=3)
    assert trend_of(run).shape == "growing in each epoch"
    assert said(report_of(run))["slowing-down"].startswith("in each epoch steps grow, from ")


def test_a_growth_that_is_waiting_for_a_core_is_not_the_trainings(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(STEPS):
        late = index / 10
        trainer.ask(number, index, 0.1, delay_ns=int(late * MS))
        trainer.do("forward", 2.0).do("backward", 5.0 + late)
    trainer.ask(number, STEPS, 0.0, end=1)
    assert trend_of(run).contended
    assert "slowing-down" not in said(report_of(run))


def test_two_kinds_of_steps_are_told_apart(run: FakeRun) -> None:
    train(run, np.where(np.arange(STEPS) % 3 == 0, 40.0, 5.0) * noise())
    short, long = trend_of(run).kinds
    assert (round(short.share, 1), round(long.share, 1)) == (0.7, 0.3)
    assert short.ms == pytest.approx(7.5, rel=0.1) and long.ms == pytest.approx(42.5, rel=0.1)
    assert "computes for one of two lengths: " in reason(report_of(run).verdict)


def test_numbers_of_a_line_and_of_two_levels() -> None:
    line = np.arange(30.0)
    assert theil_sen(line).median == 1.0 and concordance(line) == 1.0
    levels = np.repeat([1.0, 5.0], 10)
    assert best_split(levels, 2)[:3] == (10, 1.0, 5.0)
    assert clusters(np.array([1.0] * 40 + [1.02] * 40), 0.1, 0.25, 4) == []
    assert clusters(noise(200) * 10, 0.1, 0.25, 4) == []


@pytest.mark.parametrize(("delay_ms", "reported"), [(0.0, True), (26.0, False)])
def test_waits_for_batches_that_only_lack_a_core_are_no_trend(run: FakeRun, delay_ms: float, reported: bool) -> None:
    trainer = run.trainer()
    number = trainer.iterate(workers=[(0, 101)])
    worker = run.worker(101)
    for index in range(STEPS):
        late = index >= 200
        wall, delay = (30.0, delay_ms) if late else (4.0, 0.0)
        worker.fetch(index, wall, delay_ns=int(delay * MS), cpu_ns=int((wall - delay) * MS))
        trainer.ask(number, index, 25.0 if late else 0.1)
        trainer.do("forward", 2.0).do("backward", 3.0)
        worker.now = trainer.now
    trainer.ask(number, STEPS, 0.0, end=1)
    assert trend_of(run).shape == "changed"
    assert ("slowing-down" in said(report_of(run))) is reported
