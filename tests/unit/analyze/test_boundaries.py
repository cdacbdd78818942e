"""What happens beside a loader's steps: its sampler, batches thrown away, its workers' comings and goings, checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.report import Report
from tests.spools import MS, FakeRun, FakeTrainer, primary_of, report_of


def loader_of(run: FakeRun) -> LoaderProfile:
    loader = primary_of(report_of(run))
    assert loader is not None
    return loader


def phases_of(report: Report) -> dict[str, float]:
    return {phase.name: phase.seconds for phase in report.ranks[0].phases}


def test_a_samplers_time_is_added_up_over_steps_that_left_timestamps_only(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    number = trainer.iterate(sampler_name="Groups", sampler_file="/home/me/data.py", sampler_line=7)
    trainer.ask(number, 0, 30.0, index_ns=25 * MS).step(10.0)
    for index in range(1, 20):
        trainer.ask(number, index, 6.0, index_ns=5 * MS).step(10.0)
    trainer.only_timed(number, 20, 30, 6.0, 10.0)
    trainer.ask(number, 50, 6.0, index_ns=31 * 5 * MS).step(10.0)
    loader = loader_of(run)
    assert loader.sampler is not None
    assert loader.sampler.ms_per_batch == pytest.approx(5.0) and loader.sampler.seconds == pytest.approx(0.25)
    assert loader.sampler.start_seconds == (0.025,)
    assert loader.sampler.where == Place("/home/me/data.py", 7, "Groups.__iter__")
    assert loader.sampler.share == pytest.approx(0.25 / (51 * 16e-3 + 0.024), rel=0.1)


def test_a_recording_without_it_knows_nothing_of_the_sampler(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.trainer().loop(30)
    assert loader_of(run).sampler is None


def resumed(tmp_path: Path, between_ms: float, timed: int = 0, batches: int = 60) -> FakeRun:
    """Return a run whose first batches are walked through, some of them with timestamps only; then it trains."""
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    number = trainer.iterate(line=40)
    trainer.add("asked", iterator=number, file="/home/me/train.py", line=44, function="main")
    for index in range(batches):
        trainer.ask(number, index, 8.0).do("other", between_ms)
    trainer.only_timed(number, batches, timed, 8.0, between_ms)
    for index in range(batches + timed, batches + timed + 80):
        trainer.ask(number, index, 1.0).step(10.0)
    trainer.ask(number, batches + timed + 80, 0.0, end=1)
    return run


@pytest.mark.parametrize("timed", [0, 100])
def test_batches_walked_through_are_no_steps(tmp_path: Path, timed: int) -> None:
    report = report_of(resumed(tmp_path, 0.02, timed))
    loader = primary_of(report)
    assert loader is not None and loader.skipped is not None and loader.wait_share is not None
    assert loader.skipped.count == 60 + timed
    assert loader.skipped.seconds == pytest.approx((60 + timed) * 8.02e-3, rel=0.02)
    assert loader.skipped.where == Place("/home/me/train.py", 44, "main")
    assert loader.wait_share.median == pytest.approx(1 / 11, abs=0.01)
    assert phases_of(report)["input wait"] == pytest.approx(0.08, abs=0.01)
    assert phases_of(report)["loader startup"] == pytest.approx(loader.skipped.seconds, rel=0.02)


def test_steps_that_trained_with_timestamps_only_are_not_thrown_away(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(60):
        trainer.ask(number, index, 8.0).do("other", 0.02)
    trainer.only_timed(number, 60, 9, 1.0, 10.0)
    for index in range(69, 140):
        trainer.ask(number, index, 1.0).step(10.0)
    skipped = loader_of(run).skipped
    assert skipped is not None and skipped.count == 60


def test_first_batches_that_something_is_done_with_are_not_thrown_away(tmp_path: Path) -> None:
    assert loader_of(resumed(tmp_path, 3.0)).skipped is None


def test_batches_taken_together_for_one_step_are_not_thrown_away(tmp_path: Path) -> None:
    assert loader_of(resumed(tmp_path, 0.02, batches=4)).skipped is None


def test_batches_collected_for_long_accumulated_steps_are_not_thrown_away(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(96):
        trainer.ask(number, index, 4.0).do("other", 0.02)
        if index % 16 == 15:
            trainer.step(100.0)
    assert loader_of(run).skipped is None


def test_a_whole_pass_that_trains_nothing_is_thrown_away(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    trainer.loop(50, wait_ms=8.0, compute_ms=0.01, train=False).loop(50, wait_ms=1.0).loop(50, wait_ms=1.0)
    loader = loader_of(run)
    assert loader.skipped is not None and loader.skipped.count == 50 and loader.role == "training"


def test_a_pass_that_looks_at_its_batches_is_an_evaluation(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.trainer().loop(50, wait_ms=8.0, compute_ms=1.0, train=False).loop(50, wait_ms=1.0)
    assert sorted(loader.role for loader in report_of(run).loaders) == ["evaluation", "training"]
    assert loader_of(run).skipped is None


@pytest.mark.parametrize(("pids", "starts"), [((11, 11, 11), 1), ((11, 12, 13), 3), ((11, 11, 12), 2)])
def test_workers_are_new_by_their_pids_whatever_was_set(tmp_path: Path, pids: tuple[int, ...], starts: int) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    for pid in pids:
        trainer.loop(20, workers=((0, pid), (1, 100 + pid)), persistent=True)
    assert loader_of(run).worker_starts == starts


def stopped(trainer: FakeTrainer, iterator: int, milliseconds: float, exhausted: bool = True, line: int = 40) -> None:
    begun = trainer.now
    trainer.pass_ms(milliseconds)
    place = {"file": "/home/me/train.py", "line": line, "function": "main"}
    trainer.add("workers_stop", iterator=iterator, t0=begun, t1=trainer.now, workers=1, exhausted=exhausted, **place)


def test_stops_of_workers_are_added_up_with_what_held_them_up(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    for epoch in range(3):
        worker = run.worker(200 + epoch, at=trainer.now)
        number = trainer.iterate(workers=((0, 200 + epoch),))
        for index in range(20):
            trainer.ask(number, index, 1.0).step(10.0)
        worker.now = trainer.now
        worker.add(
            "worker_end", t=worker.now, worker=0, batches=20, left=[["Thread-1", "/home/me/data.py", 8, "start"]]
        )
        begun = trainer.now
        stopped(trainer, number, 2000.0)
        trainer.add("batch", iterator=number, index=20, t0=begun, t1=trainer.now, end=1)
    stops = loader_of(run).worker_stops
    assert stops is not None
    assert (stops.count, stops.seconds, stops.at_exit_s) == (3, pytest.approx(6.0), 0.0)
    assert (stops.left_behind, stops.left_where, stops.left_in) == (
        "Thread-1",
        Place("/home/me/data.py", 8, "start"),
        3,
    )
    assert stops.drops == 0


def test_a_drop_is_told_from_an_end_and_from_the_exit(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    for pid in (200, 201, 202):
        trainer.loop(20, workers=((0, pid),), persistent=True)
        stopped(trainer, trainer.iterators, 30.0, exhausted=False, line=52)
    stops = loader_of(run).worker_stops
    assert stops is not None
    assert (stops.drops, stops.drop_where) == (2, Place("/home/me/train.py", 52, "main"))
    assert stops.at_exit_s == pytest.approx(0.03)


def test_checkpoints_between_loops_are_timed_with_their_line(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    for _ in range(3):
        trainer.loop(20)
        begun = trainer.now
        trainer.pass_ms(400.0)
        place = {"file": "/home/me/train.py", "line": 77, "function": "main"}
        trainer.add("span", name="checkpoint", t0=begun, t1=trainer.now, **place)
    (rank,) = report_of(run).ranks
    # What follows the last loop is the end of the run.
    assert rank.saving_s == pytest.approx(0.8) and rank.saving_where == Place("/home/me/train.py", 77, "main")


@pytest.mark.parametrize("told", [True, False])
def test_what_follows_a_pass_that_was_left_before_its_end_is_between_the_loops(tmp_path: Path, told: bool) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    for _ in range(3):
        number = trainer.iterate(workers=((0, 11),), persistent=True)
        for index in range(20):
            trainer.ask(number, index, 1.0).step(10.0)
        trainer.do("other", 700.0)
        trainer.activity = trainer.activity if told else {}
        trainer.tail(number)  # the next pass begins, and closes this one
    trainer.loop(20)
    between = phases_of(report_of(run))["between loops"]
    assert between == pytest.approx(3 * 0.69, abs=0.02)
