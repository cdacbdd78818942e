"""How a running training is looked at: for how long each rank, how often, and which worker is asked for its batch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.sources import attached_stacks, pyspy
from gpuwatch.sources.attached_stacks import HZ, HZ_CROWDED, AttachedStacks
from gpuwatch.sources.trainers import Trainer
from gpuwatch.sources.tree import ProcessTree
from tests.unit.sources.test_loader_locals import worker


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AttachedStacks:
    """A look of 30 s at two ranks, 10 and 20, that takes no precedence of the test's."""
    monkeypatch.setattr(os, "setpriority", lambda *_: None)
    (tmp_path / "spool").mkdir()
    tree = ProcessTree({10, 20}, tmp_path)
    tree.members = {10: 1, 20: 1, 11: 10, 12: 11, 21: 20}
    return AttachedStacks(tmp_path, tree, (10, 20), 30.0)


def test_ranks_share_the_time_and_each_gets_a_few_seconds(look: AttachedStacks, tmp_path: Path) -> None:
    assert look._plan.seconds(Trainer(10), "attached") == 15.0
    many = AttachedStacks(tmp_path, ProcessTree({10}, tmp_path), tuple(range(16)), 30.0)
    assert many._plan.seconds(Trainer(10), "attached") == 3.0


def test_a_look_that_is_shown_goes_round_the_ranks_until_its_time_is_over(
    look: AttachedStacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = AttachedStacks(tmp_path, ProcessTree({10}, tmp_path), (os.getpid(),), 0.5, live=True)
    seen: list[float] = []
    monkeypatch.setattr(live._spare, "look", lambda: None)
    monkeypatch.setattr(live, "_note_batches", lambda pid: None)
    monkeypatch.setattr(live, "_burst", lambda trainer, why: not seen.append(live._plan.seconds(trainer, why)))
    live._look()
    assert 2 <= len(seen) <= 6
    assert max(seen) <= 0.5


@pytest.mark.parametrize(("idle", "hz"), [(1.5, HZ), (0.1, HZ_CROWDED)])
def test_fewer_samples_are_taken_where_no_core_is_idle(
    look: AttachedStacks, monkeypatch: pytest.MonkeyPatch, idle: float, hz: int
) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(look._spare, "look", lambda: None)
    look._spare.idle = idle
    monkeypatch.setattr(look, "_note_batches", lambda pid: None)
    monkeypatch.setattr(look, "_burst", lambda trainer, why: not seen.append((trainer.pid, look._hz(2, why))))
    look._look()
    assert seen == [(10, hz), (20, hz)]


def dumps(monkeypatch: pytest.MonkeyPatch, index: dict[int, str]) -> list[int]:
    """Have each worker be at a batch; return the list of those that are asked."""
    asked: list[int] = []

    def dump(pid: int, with_locals: bool = False) -> tuple[list[dict[str, Any]], None]:
        asked.append(pid)
        return ([worker(pid, idx=index[pid])] if pid in index else []), None

    monkeypatch.setattr(pyspy, "dump", dump)
    return asked


def test_one_worker_that_tells_its_batch_is_enough_and_is_asked_first_again(
    look: AttachedStacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = dumps(monkeypatch, {12: "5"})
    look._note_batches(10)
    look._note_batches(10)
    assert asked == [11, 12, 12]


def test_without_leave_no_variable_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dumps(monkeypatch, {})
    AttachedStacks(tmp_path, ProcessTree({10}, tmp_path), (10,), 30.0, read_locals=False)._note_batches(10)
    assert asked == []


def test_batches_are_noted_shortly_after_each_other_and_then_not_for_a_while(
    look: AttachedStacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, noted = [0.0], []
    monkeypatch.setattr(attached_stacks.time, "monotonic", lambda: now[0])
    noting = attached_stacks._Noting(look._halt, lambda: noted.append(now[0]))
    for second in range(1, 20):
        now[0] = float(second)
        noting.wait(0.0)
    assert noted == [1.0, 8.0, 9.0, 16.0, 17.0]
