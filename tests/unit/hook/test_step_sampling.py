"""Of short steps all leave timestamps, some are sampled in full, and none is lost."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpuwatch.hook.step_mode import mode
from gpuwatch.hook.trainer.activity import Activity
from gpuwatch.hook.trainer.step_sampling import sampling

from .hooked import Log, Run, environment, read_log, run

MS = 1_000_000

SCRIPT = """
import gc, json, os, sys, time, torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

torch.set_num_threads(1)
now = time.monotonic_ns
story, workers = sys.argv[1], int(sys.argv[2])

class Rows(Dataset):
    def __len__(self): return int(sys.argv[3])
    def __getitem__(self, index): return torch.ones(4)

class Heavy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): spin(0.0003); return x.clone()
    @staticmethod
    def backward(ctx, grad): spin(0.0006); return grad

def spin(seconds):
    # The thread's own time: on a loaded machine the parts of a step keep their proportion.
    until = time.thread_time() + seconds
    while time.thread_time() < until: pass

def train():
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    truth, ratios = [], []
    batches = iter(DataLoader(Rows(), batch_size=1, num_workers=workers))
    while True:
        begin = now()
        try:
            batch = next(batches)
        except StopIteration:
            break
        truth.append([begin, now()])
        a = now()
        loss = Heavy.apply(model(batch)).sum()
        b = now()
        loss.backward()
        c = now()
        optimizer.step(); optimizer.zero_grad()
        ratios.append((c - b) / (b - a))
        if story == "gc" and len(truth) == 400:
            garbage = [[] for _ in range(2000000)]; gc.collect(); del garbage
        if story == "kill" and len(truth) % 20 == 0:
            print(truth[-1][1], flush=True)
        if story == "fork" and len(truth) == 300:
            if os.fork() == 0:
                next(batches) if not workers else None
                os._exit(0)
            os.wait()
    return truth, ratios

truth, ratios = train()
print(json.dumps({"truth": truth, "ratios": ratios}))
"""


@pytest.fixture
def placed() -> Iterator[None]:
    sampling.renew()
    yield
    sampling.after_fork()


class Noted:
    """Stands for the loader's record of an iterator."""

    number, timestamps = 1, None


def steps_of(log: Log) -> list[dict[str, Any]]:
    """Return every step of a log, in order: `timed` ones have nothing but their times."""
    return sorted(log.of("batch"), key=lambda row: row["t0"])


def go(count: int, step_ns: int, own_ns: int) -> list[bool]:
    """Let equal steps follow one another; return whether each was measured in full."""
    seen, at, account = [], 0, Activity()
    sampling.sample_fully(account, at)
    for _ in range(count):
        at += step_ns
        seen.append(not mode.timestamps_only)
        if not mode.timestamps_only:
            sampling.count_sampled_step(account, at, own_ns)
        elif at >= sampling.check_at_ns:
            sampling.keep_timing(account, at)
    return seen


def until_timestamps_only(account: Activity, at: int) -> int:
    """Let a thread's short steps follow one another until they are only timed; return when that is."""
    while not mode.timestamps_only:
        at += MS
        sampling.count_sampled_step(account, at, 25_000)
    return at


def test_long_steps_are_all_measured_in_full(placed: None) -> None:
    assert all(go(500, 11 * MS, 25_000))


def test_of_short_steps_some_are_and_what_that_costs_stays_below_half_a_percent(placed: None) -> None:
    for step_ns, own_ns in ((MS, 25_000), (MS // 3, 25_000), (2 * MS, 60_000), (MS, 8_000)):
        seen = go(20_000, step_ns, own_ns)
        assert all(seen[:16])
        share = sum(seen) / len(seen)
        assert 0.005 < share < 1
        assert share * 2 * own_ns <= 0.002 * step_ns


def test_bursts_keep_no_rhythm(placed: None) -> None:
    seen = np.array(go(80_000, MS, 25_000))
    begins = np.flatnonzero(seen[1:] & ~seen[:-1])
    for period in (2, 4, 8, 16):
        share = np.bincount(begins % period, minlength=period) / len(begins)
        assert share.max() < 2 / period and share.min() > 0.4 / period


def test_steps_of_several_threads_are_all_measured_in_full(placed: None) -> None:
    one, other = Activity(), Activity()
    sampling.sample_fully(one, 0)
    for at in range(MS, 400 * MS, 2 * MS):
        sampling.count_sampled_step(one, at, 25_000)
        sampling.count_sampled_step(other, at + MS, 25_000)
        assert not mode.timestamps_only


def test_another_threads_steps_go_on_in_full_with_its_own_next_one(placed: None) -> None:
    one, other = Activity(), Activity()
    sampling.sample_fully(one, 0)
    at = until_timestamps_only(one, 0)
    record = Noted()
    times = sampling.start_timing(one, at, record, 7)
    assert times == []
    times += [at, at + MS]
    assert sampling.start_timing(other, at, Noted(), 0) is None
    assert mode.timestamps_only and sampling.open_steps
    assert not sampling.keep_timing(one, at + 2 * MS)
    assert not mode.timestamps_only and not sampling.open_steps and times == []


def test_a_thread_that_trains_no_more_is_not_waited_for(placed: None) -> None:
    one, other = Activity(), Activity()
    sampling.sample_fully(one, 0)
    at = until_timestamps_only(one, 0)
    assert not sampling.sample_fully(other, at) and mode.timestamps_only
    assert sampling.sample_fully(other, at + 1001 * MS) and not mode.timestamps_only
    at = until_timestamps_only(other, at)
    del other
    assert sampling.sample_fully(one, at) and not mode.timestamps_only


@pytest.fixture(scope="module", params=[0, 2])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(SCRIPT, tmp_path_factory.mktemp("sampling") / "run", "plain", str(request.param), "1500")


def test_every_step_is_written_once_and_as_the_training_saw_it(trained: Run) -> None:
    truth = json.loads(trained.done.stdout)["truth"]
    steps = [step for step in steps_of(trained.trainer) if step["end"] == 0]
    assert [step["index"] for step in steps] == list(range(1500))
    assert all(begin <= step["t0"] <= step["t1"] <= end for (begin, end), step in zip(truth, steps))
    assert [step["end"] for step in steps_of(trained.trainer)][-1] == 1
    assert not any("hook_error" in log.facts() for log in trained.logs)


def test_short_steps_are_sampled_in_bursts(trained: Run) -> None:
    truth = json.loads(trained.done.stdout)["truth"]
    steps = [step for step in steps_of(trained.trainer) if step["end"] == 0]
    own_ns = np.median([step["hook_ns"] for step in steps if not step["timed"]])
    step_ns = np.median(np.diff([begin for begin, _ in truth]))
    assert step_ns < 400 * own_ns, "these steps are not short: measured in full, one is twice the loader's seam"
    turns = [(timed, len(list(group))) for timed, group in itertools.groupby(step["timed"] for step in steps)]
    assert [timed for timed, _ in turns[:3]] == [False, True, False]
    assert turns[0][1] >= 16


def test_what_steps_consist_of_is_right_in_those_sampled(trained: Run) -> None:
    truth = json.loads(trained.done.stdout)
    measured = [row for row in steps_of(trained.trainer) if row["other_ns"] is not None][1:]
    assert {(row["backward_n"], row["optimizer_n"]) for row in measured} == {(1, 1)}
    rows = steps_of(trained.trainer)
    for before, row in zip(rows, rows[1:]):
        if row["other_ns"] is not None:
            parts = sum(row[name] for name in ("forward_ns", "backward_ns", "optimizer_ns", "other_ns"))
            assert parts == row["t0"] - before["t1"]
    ratio = np.median([row["backward_ns"] / row["forward_ns"] for row in measured])
    # By the same steps' own clock: a busy machine stretches now this one, now that one.
    assert ratio == pytest.approx(np.median([truth["ratios"][row["index"] - 1] for row in measured]), rel=0.25)


def test_a_killed_training_loses_no_more_than_its_last_steps(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    run_dir = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, str(script), "kill", "0", "1000000"],
        env=environment(run_dir),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(40)]
        os.kill(process.pid, signal.SIGKILL)
        said += [int(line) for line in process.stdout.read().splitlines()]
    (path,) = (run_dir / "spool").glob("*.jsonl")
    steps = steps_of(read_log(path))
    assert [step["index"] for step in steps] == list(range(len(steps)))
    # 40 ms, and one step; on a busy machine it may have been as long as the training saw twenty take.
    assert said[-1] - steps[-1]["t1"] <= 40 * MS + max(np.diff(said))
    assert any(step["timed"] for step in steps)


def test_a_collection_is_written_with_the_step_that_it_stopped(tmp_path: Path) -> None:
    trained = run(SCRIPT, tmp_path / "run", "gc", "0", "500")
    steps = steps_of(trained.trainer)
    stopped = max(steps, key=lambda step: step["gc_ns"] or 0)
    assert (stopped["index"], stopped["timed"]) == (400, False)
    assert stopped["gc_ns"] > 10 * MS


def test_a_forked_child_writes_no_step_of_its_parents(tmp_path: Path) -> None:
    trained = run(SCRIPT, tmp_path / "run", "fork", "0", "600")
    with_steps = [log for log in trained.logs if log.of("batch")]
    parent = max(with_steps, key=lambda log: len(log.of("batch")))
    assert [step["index"] for step in steps_of(parent)] == list(range(601))
    for child in with_steps:
        if child is not parent:
            assert [step["index"] for step in steps_of(child)] == [300]


SUSPENDED = """
import json, os, sys, torch
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)
if sys.argv[1] == "theirs":
    torchs = torch.autograd.backward
    def theirs(*args, **kwargs): return torchs(*args, **kwargs)
    torch.autograd.backward = theirs

class Rows(Dataset):
    def __len__(self): return 1000000
    def __getitem__(self, index): return torch.ones(4)

def collate(samples): return torch.stack(samples)

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
backwards, collates = set(), []
batches = iter(DataLoader(Rows(), batch_size=2, collate_fn=collate))
for batch in batches:
    here = torch.autograd.backward.__code__.co_filename
    backwards.add("the script" if here == __file__ else os.path.basename(here))
    collate_fn = type(batches._dataset_fetcher.collate_fn).__name__
    if collates[-1:] != [collate_fn]: collates.append(collate_fn)
    model(batch).sum().backward(); optimizer.step(); optimizer.zero_grad()
    if len(collates) == 4: break
print(json.dumps({"backwards": sorted(backwards), "collates": collates}))
"""


@pytest.mark.parametrize("whose", ["torchs", "theirs"])
def test_the_patches_are_suspended_while_steps_leave_timestamps_only(tmp_path: Path, whose: str) -> None:
    trained = run(SUSPENDED, tmp_path / "run", whose)
    found = json.loads(trained.done.stdout)
    assert found["backwards"] == (["the script"] if whose == "theirs" else ["__init__.py", "backward.py"])
    assert found["collates"] == ["Collate", "function"] * 2
    full = [row for row in steps_of(trained.trainer) if row["other_ns"] is not None][1:]
    timed = {step["index"] for step in steps_of(trained.trainer) if step["timed"]}
    assert {row["backward_n"] for row in full} == {1}, "after them the backward is measured again"
    fetched = [row["index"] for row in trained.trainer.of("fetch")]
    assert fetched == sorted(set(fetched)) and fetched[0] < min(timed) < fetched[-1]
    assert not timed & set(fetched)
    assert "hook_error" not in trained.trainer.facts()


TOGETHER = """
import sys, threading, torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

torch.set_num_threads(1)

class Rows(Dataset):
    def __init__(self, count): self.count = count
    def __len__(self): return self.count
    def __getitem__(self, index): return torch.ones(4)

class Nested(IterableDataset):
    def __iter__(self):
        for batch in DataLoader(Rows(900), batch_size=1):
            yield batch

def zipped():
    for one, other in zip(DataLoader(Rows(800)), DataLoader(Rows(800))): one.add(other)

def nested():
    for batch in DataLoader(Nested(), batch_size=3): batch.mul(2)

def threads():
    running = [threading.Thread(target=lambda: [one.add(1) for one in DataLoader(Rows(700))]) for _ in range(3)]
    for thread in running: thread.start()
    for thread in running: thread.join()

def left():
    kept = iter(DataLoader(Rows(10000)))
    for _ in range(600): next(kept)
    for _ in range(400): list(DataLoader(Rows(1)))
    for _ in range(600): next(kept)

for story in (zipped, nested, threads, left): story()
"""


def test_loaders_used_together_lose_no_step(tmp_path: Path) -> None:
    trained = run(TOGETHER, tmp_path / "run")
    (log,) = trained.logs
    seen: dict[int, list[int]] = {}
    for step in steps_of(log):
        if step["end"] == 0:
            seen.setdefault(step["iterator"], []).append(step["index"])
    assert all(indices == list(range(len(indices))) for indices in seen.values())
    counts = sorted((len(indices) for indices in seen.values()), reverse=True)
    assert counts[:8] == [1200, 900, 800, 800, 700, 700, 700, 300]
    assert counts[8:] == [1] * 400
    assert "hook_error" not in log.facts() and any(step["timed"] for step in steps_of(log))


WARNING = """
import sys, torch
from torch.utils.data import DataLoader, IterableDataset

class Wrong(IterableDataset):
    def __len__(self): return 2
    def __iter__(self): return iter(torch.ones(int(sys.argv[1])))

loader = DataLoader(Wrong(), batch_size=1)
len(loader)
for batch in loader:
    pass
"""


@pytest.mark.parametrize("batches", ["4", "2000"])
def test_a_warning_of_the_loader_names_the_users_line(tmp_path: Path, batches: str) -> None:
    script = tmp_path / "train.py"
    script.write_text(WARNING)

    def said(**more: Any) -> str:
        done = subprocess.run([sys.executable, str(script), batches], capture_output=True, text=True, **more)
        assert done.returncode == 0, done.stderr
        return re.sub("0x[0-9a-f]+", "0x", done.stderr)

    wrapped = said(env=environment(tmp_path / "run"))
    assert "%s:%d:" % (script, 1 + WARNING.splitlines().index("for batch in loader:")) in wrapped
    assert wrapped == said()
