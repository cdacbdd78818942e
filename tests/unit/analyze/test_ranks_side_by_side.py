"""The ranks side by side: who is the latest, and who works while the others wait. Every number follows from the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gpuwatch.build_report import profile_in
from gpuwatch.model.profile import Profile
from gpuwatch.store.reader import read
from tests.spools import MS, FakeRun, FakeTrainer

STEPS = 80


def profile(run: FakeRun) -> Profile:
    return profile_in(read(run.write(child_pid=1)))


def ranks(tmp_path: Path, own_ms: Callable[[int, int], float], explicit: bool = False) -> FakeRun:
    """Record two ranks in step: each computes for so long before an exchange that both leave together.

    The exchange is in the backward pass, whose own part is as long as the forward pass; or it is a call of its own after that."""
    run = FakeRun(tmp_path / "run")
    trainers = [run.trainer(100 + r, rank=r, local_rank=r, world_size=2, ppid=1) for r in range(2)]
    iterators = [trainer.iterate() for trainer in trainers]
    for trainer, iterator in zip(trainers, iterators, strict=True):
        trainer.ask(iterator, 0, 1.0)
    for index in range(1, STEPS):
        own = [own_ms(r, index) for r in range(2)]
        latest = max(2 * one for one in own)
        for r, trainer in enumerate(trainers):
            waited = latest - 2 * own[r]
            trainer.do("forward", own[r]).do("backward", own[r] + (0 if explicit else waited + 1))
            columns = {}
            if explicit:
                trainer.do("other", waited + 1)
                columns = {"exchange_ns": int((waited + 1) * MS)}
            trainer.do("optimizer", 1.0).ask(iterators[r], index, 1.0, **columns)
    return run


@pytest.mark.parametrize("explicit", [False, True], ids=["in the backward pass", "a call of its own"])
def test_ranks_that_take_turns_are_told_from_one_that_is_slow(tmp_path: Path, explicit: bool) -> None:
    random = np.random.default_rng(7).uniform(5, 16, 2 * STEPS).tolist()
    turns = profile(ranks(tmp_path / "turns", lambda r, k: random[2 * k + r], explicit)).rank_steps
    over = sum(abs(random[2 * k] - random[2 * k + 1]) for k in range(3, STEPS)) / (STEPS - 3)
    assert turns is not None
    assert turns.lost_ms == pytest.approx(over, rel=0.15)
    assert turns.rotating_ms > 5 * turns.fixed_ms
    assert turns.part == "forward"
    assert turns.turns > 0.3
    fixed = profile(ranks(tmp_path / "fixed", lambda r, k: 5 + 4 * r + random[k] / 10, explicit)).rank_steps
    assert fixed is not None
    assert fixed.fixed_ms == pytest.approx(4.0 if explicit else fixed.lost_ms, rel=0.1)
    assert dict(fixed.last)[1] == 1.0 and fixed.turns == 0.0


def waiting(trainer: FakeTrainer, milliseconds: float, line: int) -> None:
    """Have a rank stand at a barrier."""
    begin = trainer.now
    trainer.pass_ms(milliseconds)
    trainer.add("exchange", name="barrier", t0=begin, t1=trainer.now, file="/home/me/t.py", line=line, function="main")


def test_the_rank_that_all_others_wait_for_is_named_with_what_it_does(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    trainers = [run.trainer(100 + r, rank=r, local_rank=r, world_size=3, ppid=1) for r in range(3)]
    for trainer in trainers:
        trainer.pass_ms(1000)
        if trainer.pid == 100:
            trainer.pass_ms(4000)
        else:
            waiting(trainer, 4000, 30)
        trainer.loop(batches=30)
        if trainer.pid == 100:
            begin = trainer.now
            trainer.pass_ms(1500)
            trainer.add(
                "span", name="checkpoint", t0=begin, t1=trainer.now, file="/home/me/t.py", line=51, function="save"
            )
        else:
            waiting(trainer, 1500, 60)
        trainer.loop(batches=30)
    (work,) = profile(run).rank_work or ()
    assert (work.rank, work.times, work.doing, work.shown) == (0, 2, "startup", 1.0)
    assert work.seconds == pytest.approx(5.5)
    assert work.waits_at is not None and work.waits_at.line == 30


def test_what_a_rank_saves_between_the_epochs_is_told_by_its_checkpoints(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    trainers = [run.trainer(100 + r, rank=r, local_rank=r, world_size=2, ppid=1) for r in range(2)]
    for epoch in range(3):
        for trainer in trainers:
            trainer.loop(batches=30)
            begin = trainer.now
            if trainer.pid == 101:
                waiting(trainer, 800, 60 + epoch)
                continue
            trainer.pass_ms(800)
            trainer.add(
                "span", name="checkpoint", t0=begin, t1=trainer.now, file="/home/me/t.py", line=51, function="save"
            )
    (work,) = profile(run).rank_work or ()
    assert (work.rank, work.times, work.doing) == (0, 3, "saving")
    assert work.where is not None and work.where.line == 51


def test_a_rank_for_whose_long_steps_the_others_wait_in_their_backward_pass_is_seen_too(tmp_path: Path) -> None:
    run = ranks(tmp_path, lambda r, k: 400.0 if r == 1 and k % 20 == 10 else 5.0)
    (work,) = profile(run).rank_work or ()
    assert (work.rank, work.times, work.doing) == (1, 4, "step")
    assert work.seconds == pytest.approx(4 * 0.79, rel=0.1)


def test_without_the_calls_or_a_rank_nothing_is_said(tmp_path: Path) -> None:
    one = FakeRun(tmp_path / "one")
    one.trainer(100, rank=0, local_rank=0, world_size=2).loop(batches=40)
    assert profile(one).rank_work is None
    assert profile(one).rank_steps is None
    old = ranks(tmp_path / "old", lambda r, k: 5.0)
    for log in old.logs:
        log.header["columns"] = {kind: names for kind, names in log.columns.items() if kind != "exchange"}
    assert profile(old).rank_work is None
