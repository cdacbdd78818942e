"""A model that is called in a loop of which no event tells: its span, its phases, what its verdict rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpuwatch.model.reasons import NoLoop, OwnLoopSteps
from gpuwatch.views.verdict_text import reason
from tests.spools import SECOND, START, FakeLog, FakeRun, primary_of, report_of

SITE = "/v/lib/python3.11/site-packages"
MODULE = ["Module._call_impl", f"{SITE}/torch/nn/modules/module.py", 1798]
IMPORTS = ["_find_and_load", "<frozen importlib._bootstrap>", 1176]
SOURCE = "def answer():\n    for path in sorted(paths):\n        x = read(path)\n        model(x)\n"


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "answer.py"
    file.write_text(SOURCE)
    return str(file)


def started(run: FakeRun) -> FakeLog:
    trainer = run.trainer()
    trainer.add("meta", key="torch", value="2.15.0")
    trainer.pass_ms(20_000)
    log = run.stacks()
    log.add("burst", t0=START, t1=START + 20 * SECOND, hz=10, why="startup", ok=True, began=START)
    return log


def met(log: FakeLog, frames: list[Any], runs: list[list[int]], thread: str = "MainThread") -> None:
    log.add(
        "stack", t0=START, t1=START + 20 * SECOND, pid=100, tid=thread, frames=frames,
        weight=sum(count for _, count in runs), runs=runs,
    )  # fmt: skip


def serving(run: FakeRun, source: str) -> FakeLog:
    """Ten seconds of imports, then ten of a loop that reads for three fifths of its time."""
    log = started(run)
    met(log, [["<module>", source, 1], IMPORTS], [[0, 100]])
    met(log, [["answer", source, 4], MODULE], [[at, 4] for at in range(100, 200, 10)] + [[199, 1]])
    met(log, [["answer", source, 3]], [[at + 4, 6] for at in range(100, 190, 10)] + [[194, 5]])
    return log


def test_a_model_that_is_called_again_and_again_is_a_loop(run: FakeRun, source: str) -> None:
    serving(run, source)
    report = report_of(run)
    loader, share = primary_of(report), report.verdict.input_wait_share
    assert loader is not None and (loader.role, loader.own_loop, loader.samples) == ("inference", True, 100)
    assert share is not None and share.median == pytest.approx(0.59, abs=0.02)
    assert (report.verdict.bound, report.findings[0].id) == ("input", "slow-dataset-code")
    assert report.verdict.confidence == report.findings[0].confidence == "low"
    assert report.findings[0].where is not None and report.findings[0].where.line == 3
    assert "gpuwatch.step()" in reason(report.verdict)
    seconds = {phase.name: phase.seconds for phase in report.ranks[0].phases if phase.seconds}
    assert seconds["startup"] == pytest.approx(10.0, abs=0.3) and sum(seconds.values()) == pytest.approx(
        report.ranks[0].seconds
    )
    assert seconds["input wait"] == pytest.approx(5.9, abs=0.3)


def test_threads_at_work_beside_a_model_may_lock_it_out(run: FakeRun, source: str) -> None:
    log = started(run)
    met(log, [["answer", source, 4], MODULE], [[0, 190]])
    met(log, [["fill", source, 3]], [[0, 190]], thread="Thread-1 (fill)")
    verdict = report_of(run).verdict
    assert verdict.bound == "unknown" and not verdict.leave_input_alone
    assert isinstance(verdict.reason, OwnLoopSteps) and "interpreter lock" in reason(verdict)


def test_a_model_that_is_hardly_called_is_no_loop(run: FakeRun, source: str) -> None:
    log = started(run)
    met(log, [["<module>", source, 1], IMPORTS], [[0, 180]])
    met(log, [["answer", source, 4], MODULE], [[180, 10]])
    assert report_of(run).verdict.reason == NoLoop("no loader")
