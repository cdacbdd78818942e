"""Several trainings in one run: each is itself, the report is about the longest, ranks stay together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpuwatch.build_report import MOST_TRAININGS, build
from gpuwatch.errors import UsageError
from gpuwatch.model.report import Report
from gpuwatch.store.reader import read
from tests.spools import SECOND, FakeRun


def reported(run: FakeRun, training: int | None = None, **changes: object) -> Report:
    return build(read(run.write(child_pid=1, **changes)), with_timeline=False, training=training)


def in_turn(path: Path) -> FakeRun:
    """Return a run of a short training that waits, then a long one that computes."""
    run = FakeRun(path / "run")
    first = run.trainer(pid=100, argv=["python", "a.py"]).loop(batches=60, wait_ms=30, compute_ms=10)
    run.now = first.now
    run.trainer(pid=200, argv=["python", "b.py"]).loop(batches=200, wait_ms=1, compute_ms=40)
    return run


def test_trainings_in_turn_are_not_ranks_and_have_no_mean(tmp_path: Path) -> None:
    report = reported(in_turn(tmp_path))
    assert [rank.pid for rank in report.ranks] == [200]
    assert report.verdict.bound == "compute"
    assert sum(phase.seconds for phase in report.phases) == pytest.approx(8.2, rel=0.01)
    assert {loader.id for loader in report.loaders} == {"r0.l0"}
    first, second = report.trainings
    assert (first.command, first.verdict.bound, first.shown) == ("python a.py", "input", False)
    assert (second.command, second.verdict.bound, second.shown) == ("python b.py", "compute", True)
    assert (first.start_s, second.start_s) == (pytest.approx(0), pytest.approx(2.4, rel=0.01))
    assert sum(phase.seconds for phase in first.phases) == pytest.approx(2.4, rel=0.01)
    assert "2 trainings; this is number 2, python b.py" in report.problems[0]


def test_another_training_can_be_asked_for(tmp_path: Path) -> None:
    run = in_turn(tmp_path)
    report = reported(run, training=1)
    assert [rank.pid for rank in report.ranks] == [100]
    assert report.verdict.bound == "input"
    assert [each.shown for each in report.trainings] == [True, False]
    with pytest.raises(UsageError, match="it has 2"):
        reported(run, training=3)


def test_trainings_at_once_are_told_apart_with_their_workers(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    for pid, wait_ms in ((100, 30), (200, 1)):
        run.trainer(pid=pid).loop(batches=100, wait_ms=wait_ms, compute_ms=30, workers=[(0, pid + 1)])
        worker = run.worker(pid + 1, parent=pid)
        for index in range(100):
            worker.fetch(index, wall_ms=wait_ms + 30)
    report = reported(run)
    assert [rank.pid for rank in report.ranks] == [100]
    (loader,) = report.loaders
    assert loader.worker_pids == (101,)
    assert loader.fetch is not None and loader.fetch.wall_ms.median == pytest.approx(60)
    assert [each.verdict.bound for each in report.trainings] == ["input", "compute"]


def test_a_training_is_shown_rather_than_a_longer_inference(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    run.trainer(pid=100).loop(batches=60)
    run.trainer(pid=200).loop(batches=600, train=False)
    report = reported(run)
    assert [rank.pid for rank in report.ranks] == [100]
    assert [each.shown for each in report.trainings] == [True, False]


def test_ranks_of_one_training_stay_together_and_those_of_another_apart(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    for launcher, batches in ((7, 50), (8, 90)):
        for rank in (1, 0):
            pid = 100 * launcher + rank
            run.trainer(pid=pid, ppid=launcher, rank=rank, local_rank=rank, world_size=2).loop(batches=batches)
    report = reported(run)
    assert [(rank.pid, rank.rank) for rank in report.ranks] == [(800, 0), (801, 1)]
    assert [(each.pid, each.ranks) for each in report.trainings] == [(700, 2), (800, 2)]


def test_ranks_with_a_launcher_each_are_one_training(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    for rank in range(4):
        run.trainer(
            pid=100 + rank, ppid=50 + rank, rank=rank, local_rank=rank % 2, world_size=4, host=f"node{1 + rank // 2}"
        ).loop()
    report = reported(run)
    assert len(report.ranks) == 4 and report.trainings == ()


def test_ranks_started_anew_after_a_failure_are_another_training(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    for round_, batches in enumerate((30, 80)):
        ends = [
            run.trainer(pid=100 + 10 * round_ + rank, ppid=9, rank=rank, local_rank=rank, world_size=2)
            .loop(batches=batches)
            .now
            for rank in (0, 1)
        ]
        run.now = max(ends)
    report = reported(run)
    assert [rank.pid for rank in report.ranks] == [110, 111]
    assert [each.ranks for each in report.trainings] == [2, 2]


def test_of_a_run_that_goes_on_the_training_that_does_is_shown(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    first = run.trainer(pid=100).loop(batches=500)
    run.now = first.now + 40 * SECOND
    run.trainer(pid=200).loop(batches=60)
    recording = read(run.write(child_pid=1))
    going = replace(recording, run=replace(recording.run, state="running"))
    assert [rank.pid for rank in build(going, with_timeline=False).ranks] == [200]
    assert [rank.pid for rank in build(recording, with_timeline=False).ranks] == [100]


def test_of_very_many_trainings_the_longest_are_listed(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    for number in range(MOST_TRAININGS + 3):
        run.now = run.trainer(pid=100 + number).loop(batches=20 + number).now
    report = reported(run)
    assert [each.number for each in report.trainings] == list(range(4, MOST_TRAININGS + 4))
    assert report.trainings[-1].shown
    assert f"{MOST_TRAININGS + 3} trainings" in report.problems[0]
