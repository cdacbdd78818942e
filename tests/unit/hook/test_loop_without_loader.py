"""A loop that is not over a DataLoader is recognised by its optimizer steps; one that is stays as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .hooked import Log, run

SCRIPT = """
import itertools, json, sys, threading, queue, time
import torch
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
now = time.monotonic_ns
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
truth = []

def loader(count): return DataLoader(TensorDataset(torch.ones(count, 4)), batch_size=1)

def step(x, pause=0.0):
    began = now()
    model(x).sum().backward()
    time.sleep(pause)
    optimizer.step()
    truth.append([began, now()])
    optimizer.zero_grad()

def generator(count, pause=0.0):
    for _ in range(count):
        time.sleep(pause)
        step(torch.ones(1, 4), pause)

def plain(): generator(60, 0.002)

def short(): generator(3000)

def evaluated():
    for _ in range(3):
        generator(20, 0.001)
        with torch.no_grad():
            for (x,) in loader(7): model(x)

def left():
    # An evaluation that stops after some batches.
    for _ in range(3):
        generator(40)
        with torch.no_grad():
            for n, (x,) in enumerate(loader(400)):
                model(x)
                if n == int(sys.argv[2]): break

def mixed():
    generator(5)
    for (x,) in loader(600): step(x)

def kept():
    batches = [x for (x,) in loader(30)]
    for _ in range(2):
        for x in batches: step(x)

def ordinary():
    for (x,) in loader(40): step(x)
    step(x)

def ahead():
    # As accelerate does: the loader is at its end before the last batches are trained with.
    for _ in range(2):
        batches = iter(loader(20))
        held = [next(batches), next(batches)]
        for batch in itertools.chain(batches, [None, None]):
            step(held.pop(0)[0])
            held.append(batch)

def fed():
    handed = queue.Queue(2)
    def feed():
        for (x,) in loader(200): handed.put(x)
        handed.put(None)
    threading.Thread(target=feed).start()
    while (x := handed.get()) is not None: step(x)

def compiled():
    optimizer.step = torch.compile(optimizer.step, backend="eager")
    for _ in range(10): step(torch.ones(1, 4))

globals()[sys.argv[1]]()
print(json.dumps(truth))
"""


def trained(tmp_path: Path, *story: str) -> tuple[list[list[int]], Log]:
    """Return what the training saw of its steps, and what was written."""
    done = run(SCRIPT, tmp_path / "run", *story)
    (log,) = done.logs
    assert "hook_error" not in log.facts()
    return json.loads(done.done.stdout), log


def steps_of(log: Log) -> list[dict[str, Any]]:
    """Return the steps of the loop without a loader, in order."""
    own = {row["iterator"] for row in log.of("iterator") if row["attributes"].get("own_loop")}
    return sorted((row for row in log.of("batch") if row["iterator"] in own), key=lambda row: row["t0"])


def test_each_step_ends_with_its_optimizer_step(tmp_path: Path) -> None:
    truth, log = trained(tmp_path, "plain")
    steps = steps_of(log)
    (loop,) = log.of("iterator")
    assert loop["attributes"] == {"own_loop": True, "workers": 0, "loader_class": None} and loop["workers"] == []
    assert Path(loop["file"]).name == "run_script.py" and loop["function"].endswith("step")
    # The first two might be a wrapper's that looked ahead.
    assert [row["index"] for row in steps] == list(range(58))
    assert all(row["t0"] == row["t1"] and began < row["t0"] < ended for row, (began, ended) in zip(steps, truth[2:]))
    whole = [(before, row) for before, row in zip(steps, steps[1:]) if row["other_ns"] is not None]
    assert len(whole) >= 15
    for before, row in whole:
        assert row["backward_n"] == row["optimizer_n"] == 1 and row["forward_ns"] is None
        # Making the batch, forward and the pause before the optimizer are one: they cannot be separated.
        assert row["other_ns"] > 4_000_000
        parts = row["backward_ns"] + row["optimizer_ns"] + row["other_ns"]
        assert abs(parts - (row["t0"] - before["t0"])) < 100_000


def test_of_short_steps_some_are_sampled_and_none_is_lost(tmp_path: Path) -> None:
    truth, log = trained(tmp_path, "short")
    steps = steps_of(log)
    assert [row["index"] for row in steps] == list(range(2998))
    assert any(row["timed"] for row in steps) and not all(row["timed"] for row in steps)
    assert all(began < row["t0"] < ended for row, (began, ended) in zip(steps, truth[2:]))


def test_an_evaluation_over_a_loader_does_not_end_it(tmp_path: Path) -> None:
    _, log = trained(tmp_path, "evaluated")
    steps = steps_of(log)
    assert len({row["iterator"] for row in steps}) == 1 and len(log.of("iterator")) == 4
    assert len(steps) == 3 * 18  # after each loader's end, two might be its
    rest = [row for row in log.of("batch") if row not in steps]
    assert len([row for row in rest if row["end"] == 0]) == 21


@pytest.mark.parametrize("batches", [5, 300])
def test_an_evaluation_that_is_left_does_not_end_it_for_long(tmp_path: Path, batches: int) -> None:
    _, log = trained(tmp_path, "left", str(batches))
    steps = steps_of(log)
    assert len({row["iterator"] for row in steps}) == 1
    # Of each later round some steps have to go by first, twice as many where the loader's batches were only timed.
    assert 38 + 2 * 18 <= len(steps) <= 38 + 2 * 30
    rest = [row for row in log.of("batch") if row not in steps]
    assert len([row for row in rest if row["end"] == 0]) == 3 * (batches + 1)
    rows = sorted(log.of("batch"), key=lambda row: row["t0"])
    again = [row for before, row in zip(rows, rows[1:]) if row in steps and before not in steps]
    assert len(again) == 2 and all(row["optimizer_n"] is None for row in again), "what came before is not this one's"


def test_a_loader_after_it_keeps_its_steps(tmp_path: Path) -> None:
    _, log = trained(tmp_path, "mixed")
    assert len(steps_of(log)) == 3
    assert len([row for row in log.of("batch") if row["end"] == 0]) == 603


def test_batches_kept_in_memory_make_a_loop_without_a_loader(tmp_path: Path) -> None:
    _, log = trained(tmp_path, "kept")
    assert len(steps_of(log)) == 58


@pytest.mark.parametrize("story", ["ordinary", "ahead", "fed"])
def test_a_loop_over_a_loader_is_no_other_loop(tmp_path: Path, story: str) -> None:
    truth, log = trained(tmp_path, story)
    assert len(truth) in (40, 41, 200) and not steps_of(log)
    assert not [row for row in log.of("iterator") if row["attributes"].get("own_loop")]


def test_a_compiled_optimizer_step_is_left_alone(tmp_path: Path) -> None:
    truth, log = trained(tmp_path, "compiled")
    assert len(truth) == 10 and len(steps_of(log)) in (0, 8)
