"""When bursts are due: early once, then by need and by what they cost."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import subprocess
import time
from pathlib import Path

import pytest

from gpuwatch.hook.event_log.columns import COLUMNS
from gpuwatch.sources.stacks import (
    BURST_S,
    COST_SHARE,
    FIRST_GAP_NS,
    STARTUP_GAP_NS,
    STARTUP_NS,
    STARTUP_S,
    Plan,
    StacksThread,
)
from gpuwatch.sources.trainers import Trainer, Trainers
from gpuwatch.sources.tree import ProcessTree
from gpuwatch.words.event_log import FORMAT

S = 1_000_000_000


HEADER = json.dumps({"format": FORMAT, "pid": 1, "mono_ns": 1, "columns": COLUMNS})


def _line(kind: str, **values: object) -> str:
    """Return an event as the hook writes it; what is not given is null."""
    return json.dumps([kind, *(values.get(name) for name in COLUMNS[kind])], separators=(",", ":"))


def _trainer(pid: int = 1, batches: int = 100, wait_share: float = 0.0, iterators: int = 1) -> Trainer:
    return Trainer(pid, batches, iterators, 2, 0, wait_share)


def _why(due: tuple[Trainer, str] | None) -> str | None:
    return due and due[1]


def test_the_first_comes_with_the_twentieth_batch_or_two_seconds_after_the_first() -> None:
    plan = Plan(4)
    assert plan.due(S, []) is None
    assert plan.due(S, [_trainer(batches=19)]) is None
    assert _why(plan.due(S, [_trainer(batches=20)])) == "steady"
    assert _why(plan.due(2 * S, [_trainer(batches=3)])) == "steady"
    assert plan.due(9 * S, [Trainer(1, 0, 1, 2)]) is None  # no batch was given yet


def test_a_starved_run_is_looked_at_again_after_the_gap_and_a_good_one_later() -> None:
    plan = Plan(4)
    plan.done(10 * S, _trainer(), 0)
    at = 10 * S + FIRST_GAP_NS
    assert plan.due(at - 1, [_trainer(wait_share=0.9)]) is None
    assert _why(plan.due(at, [_trainer(wait_share=0.9)])) == "starved"
    assert plan.due(at, [_trainer(wait_share=0.1)]) is None
    assert _why(plan.due(at + FIRST_GAP_NS, [_trainer(wait_share=0.1)])) == "regular"


def test_new_workers_call_for_a_look() -> None:
    plan = Plan(4)
    plan.done(0, _trainer(iterators=1), 0)
    assert _why(plan.due(FIRST_GAP_NS, [_trainer(iterators=2)])) == "new workers"


def test_a_loop_that_became_slower_calls_for_a_look() -> None:
    plan = Plan(4)
    plan.done(0, Trainer(1, 50, 1, 2, 0, 0.0, step_ns=100.0), 0)
    assert plan.due(FIRST_GAP_NS, [Trainer(1, 90, 1, 2, 0, 0.0, step_ns=140.0)]) is None
    assert _why(plan.due(FIRST_GAP_NS, [Trainer(1, 90, 1, 2, 0, 0.0, step_ns=160.0)])) == "slow"


def test_a_start_is_looked_at_from_its_first_second_and_again_when_it_takes_long() -> None:
    plan = Plan(4)
    starting, other = Trainer(1, since_ns=0), Trainer(2, since_ns=0)
    assert plan.due(STARTUP_NS - 1, [starting]) is None
    assert _why(plan.due(STARTUP_NS, [starting, other])) == "startup"
    assert plan.seconds(starting, "startup") == STARTUP_S
    at = 21 * S
    for gap in (STARTUP_GAP_NS, 2 * STARTUP_GAP_NS, 4 * STARTUP_GAP_NS):
        plan.done(at, starting, S, "startup")
        assert plan.due(at + gap - 1, [starting, other]) is None
        due = plan.due(at + gap, [starting, other])
        assert due is not None and due[0].pid == 1 and plan.seconds(*due) == BURST_S
        at += gap


def test_a_start_up_is_over_for_all_ranks_with_the_first_batch_of_one_and_costs_the_loop_nothing() -> None:
    plan = Plan(4)
    starting = Trainer(1, since_ns=0)
    plan.done(7 * S, starting, 100 * S, "startup")
    assert plan.due(60 * S, [starting, Trainer(2, 1, 1, 2, 60 * S)]) is None
    assert _why(plan.due(61 * S, [_trainer()])) == "steady"
    plan.done(66 * S, _trainer(), 0)
    assert _why(plan.due(66 * S + FIRST_GAP_NS, [_trainer(wait_share=0.9)])) == "starved"


def test_nobody_is_looked_at_while_nothing_can_be_due() -> None:
    plan = Plan(4)
    assert plan.rest_s(0) == 0.5
    plan.done(0, _trainer(), 0)
    assert plan.rest_s(0) == 5.0 and plan.rest_s(FIRST_GAP_NS - 2 * S) == 2.0 and plan.rest_s(FIRST_GAP_NS) == 0.5


def test_ranks_take_turns() -> None:
    plan = Plan(4)
    ranks = [_trainer(1, wait_share=0.5), _trainer(2, wait_share=0.5)]
    seen = []
    now = 10 * S
    for _ in range(4):
        due = plan.due(now, ranks)
        assert due is not None
        seen.append(due[0].pid)
        plan.done(now, due[0], 0)
        now += 4000 * S
    assert set(seen[:2]) == {1, 2}


def test_what_bursts_cost_stays_below_the_share_over_a_day() -> None:
    plan, spent, bursts = Plan(2), 0, []
    trainer = _trainer(wait_share=0.9)
    for now in range(0, 24 * 3600 * S, 10 * S):
        due = plan.due(now, [trainer])
        if due:
            spent += 3 * S
            bursts.append(now)
            plan.done(now, trainer, 3 * S)
            if len(bursts) > 1:
                assert spent / 2 <= COST_SHARE * now
    assert bursts[0] == 0 and 50 < len(bursts) < 24 * 6 + 10
    gaps = [b - a for a, b in itertools.pairwise(bursts)]
    assert max(gaps) <= 1200 * S


def test_trainers_are_told_from_their_spool(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    iterator = _line("iterator", iterator=1, loader=1, t0=0, t1=5, attributes={}, workers=[[0, 21], [1, 22]])
    batches = [_line("batch", iterator=1, index=i, t0=i * 100, t1=i * 100 + 80, end=0) for i in range(31)]
    torn = len(batches[-1]) - 20
    (spool / "20-5.jsonl").write_text("\n".join([HEADER, iterator, *batches[:-1], batches[-1][:torn]]))
    (spool / "21-6.jsonl").write_text("\n".join([HEADER, _line("worker", t=1, worker=0), iterator, ""]))
    (spool / "23-6.jsonl").write_text("\n".join([HEADER, _line("meta", t=1, key="torch", value="2.15"), ""]))
    (spool / "24-6.jsonl").write_text("\n".join([HEADER, iterator, ""]))
    trainers = Trainers(tmp_path)
    trainer, other = trainers.refresh([20, 21, 23])  # 24 has ended, 21 is a worker
    assert (other.pid, other.iterators, other.first_batch_ns, other.since_ns) == (23, 0, None, 1)
    assert (trainer.pid, trainer.batches, trainer.iterators, trainer.workers, trainer.first_batch_ns) == (
        20,
        30,
        1,
        2,
        80,
    )
    assert (trainer.wait_share, trainer.step_ns) == (0.8, 100.0)
    with (spool / "20-5.jsonl").open("a") as file:
        file.write(batches[-1][torn:] + "\n")
    trainer, _ = trainers.refresh([20, 21, 23])
    assert trainer.batches == 31


def test_trainers_go_by_the_headers_columns(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    columns = {"batch": ["end", "t1", "iterator", "t0"], "iterator": ["workers"], "steps": ["times"]}
    header = json.dumps({"format": FORMAT, "pid": 1, "mono_ns": 1, "columns": columns})
    lines = [header, '["iterator",[[0,21]]]', '["batch",0,80,1,0]', '["steps",[100,180,200,280]]', ""]
    (tmp_path / "spool" / "20-5.jsonl").write_text("\n".join(lines))
    (trainer,) = Trainers(tmp_path).refresh([20])
    assert (trainer.batches, trainer.workers, trainer.wait_share, trainer.step_ns) == (3, 1, 0.8, 100.0)


def test_a_fast_loop_is_read_at_its_end_only(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    path = tmp_path / "spool" / "20-5.jsonl"
    path.write_text(f"{HEADER}\n{_line('iterator', iterator=1, loader=1, workers=[])}\n")
    trainers = Trainers(tmp_path)
    trainers.refresh([20])
    with path.open("a") as file:
        file.writelines(_line("batch", iterator=1, index=i, t0=i * 100, t1=i * 100 + 50) + "\n" for i in range(20_000))
    (trainer,) = trainers.refresh([20])
    assert 1000 < trainer.batches < 20_000 and trainer.wait_share is not None and abs(trainer.wait_share - 0.5) < 0.01


def test_a_launcher_is_no_start_up_and_the_parent_of_spawned_workers_no_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spool").mkdir()
    for pid in (10, 11, 20, 21):
        (tmp_path / "spool" / f"{pid}-1.jsonl").write_text(HEADER + "\n")
    tree = ProcessTree(1, tmp_path)
    tree.members = {10: 1, 11: 10, 20: 1, 21: 20}
    tree.hooked = {10, 11, 20, 21}
    thread = StacksThread(tmp_path, tree)
    monkeypatch.setattr(thread, "_is_helper", lambda pid, parent: pid == 21)
    assert [one.pid for one in thread._candidates()] == [11, 20, 21]  # 10 is torchrun, 21 not a worker yet
    assert thread._is_started(10) and not thread._is_started(20)
    with (tmp_path / "spool" / "20-1.jsonl").open("a") as file:
        file.write(_line("batch", iterator=1, index=0, t0=100, t1=180) + "\n")
    assert thread._is_started(20) and thread._is_started(11)


def test_a_forked_child_and_a_spawned_one_are_helpers(tmp_path: Path) -> None:
    thread = StacksThread(tmp_path, ProcessTree(1, tmp_path))
    other = subprocess.Popen(["sleep", "60"])
    spawned = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    spawned.start()
    try:
        assert not thread._is_helper(other.pid, os.getpid())
        pid, deadline = spawned.pid or 0, time.monotonic() + 10
        while b"spawn_main" not in Path(f"/proc/{pid}/cmdline").read_bytes() and time.monotonic() < deadline:
            time.sleep(0.01)  # not executed yet
        assert thread._is_helper(pid, os.getpid())
        assert thread._is_helper(os.getpid(), os.getpid())  # a forked child has its parent's command line
        assert not thread._is_helper(2**22 + 1, 1)
    finally:
        for process in (other, spawned):
            process.kill()
        other.wait()
        spawned.join()
