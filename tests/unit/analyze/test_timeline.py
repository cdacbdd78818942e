"""Every instant of a trainer belongs to one phase, and to the right one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.spools import MS, FakeRun, FakeTrainer, primary_of, report_of

WORKERS = ((0, 201), (1, 202))
UNTOLD = ("forward_ns", "backward_ns", "backward_n", "optimizer_ns", "optimizer_n", "other_ns")


def phases_of(run: FakeRun) -> dict[str, float]:
    """Return the first rank's phases that are not zero, in milliseconds."""
    rank = report_of(run).ranks[0]
    assert sum(phase.seconds for phase in rank.phases) == pytest.approx(rank.seconds, abs=1e-9)
    return {phase.name: round(phase.seconds * 1e3, 3) for phase in rank.phases if abs(phase.seconds) > 1e-7}


def test_a_plain_training(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.do("other", 500)
    trainer.loop(batches=100, wait_ms=5, compute_ms=10, first_ms=50, make_ms=20, workers=WORKERS)
    trainer.do("other", 100).tail()
    assert phases_of(run) == {
        "startup": 500,
        "loader startup": 70,
        "input wait": 495,
        "forward": 400,
        "backward": 400,
        "optimizer": 100,
        "other in-step": 100,
        "shutdown": 100,
    }


def test_without_workers_the_first_batch_is_input_wait(run: FakeRun) -> None:
    run.trainer().loop(batches=10, wait_ms=5, compute_ms=10)
    assert phases_of(run)["input wait"] == 50


def test_evaluation_between_epochs_and_what_lies_between(run: FakeRun) -> None:
    trainer = run.trainer()
    for _ in range(2):
        trainer.loop(batches=10, wait_ms=1, compute_ms=10)
        trainer.do("other", 30)
        trainer.loop(batches=5, wait_ms=2, compute_ms=4, train=False, loader=2, line=50, make_ms=3)
    phases = phases_of(run)
    assert phases["evaluation"] == 2 * (3 + 5 * 6)
    assert phases["between loops"] == 60
    assert phases["forward"] == 80


def test_evaluation_inside_a_training_loop(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(20):
        trainer.ask(number, index, 1.0).step(10)
        if index == 9:
            trainer.loop(batches=5, wait_ms=2, compute_ms=4, train=False, loader=2, line=50, make_ms=3)
            trainer.do("other", 7)
    trainer.ask(number, 20, 0, end=1)
    phases = phases_of(run)
    assert phases["evaluation"] == 33
    assert phases["backward"] == 80
    assert phases["other in-step"] == 20 + 7
    assert "between loops" not in phases
    loader = primary_of(report_of(run))
    assert loader is not None
    assert loader.compute_ms is not None
    assert loader.compute_ms.median == pytest.approx((17 * 10 + 7) / 17)


def test_a_loop_that_is_left_early_ends_at_its_tail(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(10):
        trainer.ask(number, index, 1.0).step(10)
    trainer.tail(number)
    trainer.do("other", 40)
    trainer.loop(batches=5, wait_ms=2, compute_ms=4, train=False, loader=2, line=50)
    phases = phases_of(run)
    assert phases["backward"] == 40
    assert phases["between loops"] == 40
    assert phases["evaluation"] == 30


def test_killed_in_a_step_the_rest_is_unexplained(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(3):
        trainer.ask(number, index, 1.0).step(10)
    trainer.pass_ms(25)
    phases = phases_of(run)
    assert phases == {
        "input wait": 3,
        "forward": 8,
        "backward": 8,
        "optimizer": 2,
        "other in-step": 2,
        "unexplained": 35,
    }


def test_a_wrapper_that_looks_ahead_trains_after_the_end(run: FakeRun) -> None:
    trainer = run.trainer()
    for _ in range(3):
        number = trainer.iterate()
        trainer.ask(number, 0, 1.0).ask(number, 1, 1.0)
        for index in range(2, 10):
            trainer.step(10).ask(number, index, 1.0)
        trainer.step(10).ask(number, 10, 0.0, end=1).step(10)
    trainer.tail()
    phases = phases_of(run)
    assert phases["backward"] == 3 * 10 * 4
    assert report_of(run).loaders[0].role == "training"


def test_two_loaders_of_one_step_both_train(run: FakeRun) -> None:
    trainer = run.trainer()
    one, two = trainer.iterate(loader=1, line=10), trainer.iterate(loader=2, line=11)
    for index in range(20):
        trainer.ask(one, index, 1.0).ask(two, index, 2.0).step(10)
    trainer.ask(one, 20, 0.0, end=1)
    assert [loader.role for loader in report_of(run).loaders] == ["training", "training"]
    assert phases_of(run)["input wait"] == 60


def test_a_loader_inside_a_dataset_is_part_of_the_wait(run: FakeRun) -> None:
    trainer = run.trainer()
    outer, inner = trainer.iterate(loader=1, line=10), trainer.iterate(loader=2, line=11)
    for index in range(20):
        begun = trainer.now
        trainer.ask(inner, index, 3.0)
        t0, trainer.now = trainer.now, trainer.now + MS
        trainer.ask(outer, index, 0.0, t0=begun, t1=t0 + MS).step(10)
    report = report_of(run)
    assert [loader.role for loader in report.loaders] == ["training", "evaluation"]
    assert phases_of(run)["input wait"] == 80


def test_steps_without_a_loader_are_told_by_the_tail(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.do("forward", 100).do("backward", 50).do("optimizer", 20).do("other", 30).tail()
    report = report_of(run)
    assert primary_of(report) is None
    assert phases_of(run) == {"backward": 50, "optimizer": 20, "unexplained": 130}


def test_inference_when_nothing_trains(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.loop(batches=20, wait_ms=5, compute_ms=10, train=False)
    primary = primary_of(report_of(run))
    assert primary is not None
    assert primary.role == "inference"
    assert phases_of(run) == {"input wait": 100, "other in-step": 200}


def test_a_host_with_another_clock_is_shifted_by_its_anchor(run: FakeRun) -> None:
    run.trainer(rank=0, world_size=2).loop(batches=10)
    run.now = 5 * MS
    run.trainer(pid=300, rank=1, world_size=2, host="node2", wall_ns=run.logs[0].header["wall_ns"]).loop(batches=10)
    report = report_of(run)
    assert [rank.host for rank in report.ranks] == ["node1", "node2"]
    assert report.ranks[0].seconds == pytest.approx(report.ranks[1].seconds)
    assert report.ranks[0].first_batch_s == report.ranks[1].first_batch_s
    assert {loader.id for loader in report.loaders} == {"r0.l0", "r1.l0"}


Move = Callable[[FakeTrainer], object]
MOVES: list[Move] = [
    lambda t: t.loop(batches=4, wait_ms=2, compute_ms=5, workers=WORKERS, make_ms=3, first_ms=9),
    lambda t: t.loop(batches=3, wait_ms=1, compute_ms=2, train=False, loader=2, line=50),
    lambda t: t.do("other", 6),
    lambda t: t.do("backward", 6),
    lambda t: t.pass_ms(4),
    lambda t: t.tail(),
    lambda t: t.ask(t.iterate(loader=3, line=60), 0, 3.0).step(8),
    lambda t: t.ask(t.iterations_open(), 99, 1.0),
]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.sampled_from(range(len(MOVES))), max_size=12), lost=st.integers(0, 40))
def test_phases_always_partition_the_wall_time(run: FakeRun, moves: list[int], lost: int) -> None:
    run.logs.clear()
    for file in (run.path / "spool").glob("*"):
        file.unlink()
    trainer = run.trainer()
    for move in moves:
        MOVES[move](trainer)
    del trainer.rows[len(trainer.rows) - lost :]
    for rank in report_of(run).ranks:
        assert sum(phase.seconds for phase in rank.phases) == pytest.approx(rank.seconds, abs=1e-9)
        assert all(phase.seconds >= -1e-9 for phase in rank.phases), rank.phases


def test_steps_that_were_only_timed_are_divided_like_those_that_told_more(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(10):
        trainer.ask(number, index, 1.0).step(2.0)
    trainer.only_timed(number, 10, 90, 1.0, 2.0)
    # What a stretch that was only timed did is not told, and not held against it.
    trainer.ask(number, 100, 1.0, **dict.fromkeys(UNTOLD)).step(2.0)
    trainer.ask(number, 101, 1.0, end=1)
    assert phases_of(run) == {"input wait": 101, "between loops": 1, "forward": 80.8, "backward": 80.8} | {
        "optimizer": 20.2,
        "other in-step": 20.2,
    }
    report = report_of(run)
    assert primary_of(report) is not None and primary_of(report).batches == 101
    assert primary_of(report).role == "training"
    assert report.ranks[0].hook_us_per_step == pytest.approx(8 * 12 / 102)


def test_a_pause_in_a_step_that_was_only_timed_is_other(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(20):
        trainer.ask(number, index, 0.0).step(2.0)
    trainer.only_timed(number, 20, 1, 0.0, 1000.0)
    trainer.ask(number, 21, 0.0, end=1, **dict.fromkeys(UNTOLD))
    phases = phases_of(run)
    assert phases["other in-step"] == pytest.approx(4 + 0.4 + 996)
    assert phases["backward"] == pytest.approx(16 + 1.6)


def test_a_loader_that_was_never_asked_for_a_batch_is_no_loader(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.iterate(loader=2, line=11)
    trainer.loop(batches=20, wait_ms=5, compute_ms=10, loader=1, line=10)
    assert [loader.batches for loader in report_of(run).loaders] == [20]
