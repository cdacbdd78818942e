"""What the hook says of a training against what the training's own clock says."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.event_log.columns import ACTIVITY

from .hooked import Run, run

# Sleeps make the input and the step; the script writes down what its own clock saw round each of them.
SCRIPT = """
import json, time, torch
from torch.utils.data import DataLoader, Dataset, TensorDataset, IterableDataset

torch.set_num_threads(1)
now = time.monotonic_ns

class Slow(Dataset):
    def __len__(self): return 24
    def __getitem__(self, index):
        time.sleep(0.008)
        return torch.ones(8), index % 2

class Stream(IterableDataset):
    def __iter__(self): return iter(torch.ones(30, 8))

def model_and_optimizer():
    model = torch.nn.Linear(8, 2)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)

def waits(workers):
    truth = []
    batches = iter(DataLoader(Slow(), batch_size=2, num_workers=workers))
    while True:
        begin = now()
        try:
            next(batches)
        except StopIteration:
            break
        given = now()
        time.sleep(0.02)
        truth.append([begin, given, now()])
    return truth

def phases(accumulate):
    model, optimizer = model_and_optimizer()
    truth = []
    data = [(torch.ones(4, 8), torch.zeros(4, dtype=torch.long))] * 6
    class Heavy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x): return x.clone()
        @staticmethod
        def backward(ctx, grad): time.sleep(0.004); return grad
    for x, y in DataLoader(data, batch_size=None):
        step = {"forward": 0, "backward": 0}
        for _ in range(accumulate):
            a = now(); time.sleep(0.003)
            loss = torch.nn.functional.cross_entropy(Heavy.apply(model(x)), y)
            b = now(); loss.backward(); c = now()
            step["forward"] += b - a; step["backward"] += c - b
        a = now(); optimizer.step(); step["optimizer"] = now() - a
        truth.append(step)
        optimizer.zero_grad()
        time.sleep(0.002)
    return truth

def closure():
    model = torch.nn.Linear(8, 2)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=2)
    calls, spent = [0], 0
    for x in DataLoader([torch.ones(8)] * 3, batch_size=1):
        def again():
            calls[0] += 1
            optimizer.zero_grad(); time.sleep(0.002)
            loss = model(x).sum() ** 2; loss.backward(); return loss
        a = now(); optimizer.step(again); spent += now() - a
    return {"calls": calls[0], "spent": spent}

def two_optimizers():
    (first, one), (second, two) = model_and_optimizer(), model_and_optimizer()
    for x in DataLoader([torch.ones(8)] * 4, batch_size=1):
        for model, optimizer in ((first, one), (second, two)):
            optimizer.zero_grad(); model(x).sum().backward(); optimizer.step()

def evaluation():
    model, _ = model_and_optimizer()
    with torch.no_grad():
        for x in DataLoader([torch.ones(8)] * 4, batch_size=1):
            model(x)

def scaled():
    model, optimizer = model_and_optimizer()
    scaler = torch.amp.GradScaler("cpu")
    for x in DataLoader([torch.ones(8)] * 3, batch_size=1):
        scaler.scale(model(x).sum()).backward(); scaler.step(optimizer); scaler.update()

def left_early():
    for x in DataLoader([torch.ones(8)] * 9, batch_size=1):
        break

def persistent():
    loader = DataLoader(TensorDataset(torch.ones(8, 8)), batch_size=2, num_workers=1, persistent_workers=True)
    for _ in range(2):
        for _ in loader: pass

def raising():
    class Broken(Dataset):
        def __len__(self): return 2
        def __getitem__(self, index): raise KeyError("planted")
    try:
        list(DataLoader(Broken()))
    except KeyError as error:
        return str(error)

def out_of_order():
    try:
        loader = DataLoader(TensorDataset(torch.ones(8, 8)), batch_size=2, num_workers=2, in_order=False)
    except TypeError:
        return None
    return len(list(loader))

if __name__ == "__main__":
    found = {"waits": {workers: waits(workers) for workers in (0, 1, 2, 4)}}
    found["plain"], found["accumulated"] = phases(1), phases(3)
    for story in (closure, two_optimizers, evaluation, scaled, left_early, persistent, raising, out_of_order):
        found[story.__name__] = story()
    found["stream"] = len(list(DataLoader(Stream(), batch_size=4, num_workers=2)))
    torch.save({}, "checkpoint.pt")
    print(json.dumps(found))
"""
SECTIONS = (
    "waits 0", "waits 1", "waits 2", "waits 4", "plain", "accumulated", "closure", "two_optimizers", "evaluation", "scaled",
    "left_early", "persistent", "persistent again", "raising", "out_of_order", "stream",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(SCRIPT, tmp_path_factory.mktemp("truth") / "run")


@pytest.fixture(scope="module")
def truth(trained: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(trained.done.stdout)
    return found


def batches(trained: Run, section: str) -> list[dict[str, Any]]:
    """Return the batch events of one section of the script: the sections make one iterator each, in order."""
    number = trained.trainer.of("iterator")[SECTIONS.index(section)]["iterator"]
    return [row for row in trained.trainer.of("batch") if row["iterator"] == number]


def totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {name: sum(row[name] for row in rows) for name in ACTIVITY}


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_input_wait_and_own_cost_within_two_percent_of_the_step(
    trained: Run, truth: dict[str, Any], workers: int
) -> None:
    """Of a call of `__next__`, what is not told as the wait is told as the hook's own cost (which bench_hook prints)."""
    rows = [row for row in batches(trained, "waits %d" % workers) if row["end"] == 0]
    told = truth["waits"][str(workers)]
    assert len(rows) == len(told)
    for row, (begin, end, _) in zip(rows, told):
        assert begin <= row["t0"] and row["t1"] <= end, "the wait lies outside the call"
    step_ns = statistics.median(done - begin for begin, _, done in told)
    # `hook_ns` is of what came after the batch before and before this one was asked for.
    untold = [
        (after["t0"] - begin) + (end - before["t1"]) - after["hook_ns"]
        for before, after, (_, end, _), (begin, _, _) in zip(rows, rows[1:], told, told[1:])
    ]
    assert 0 <= statistics.median(untold) <= 0.02 * step_ns


@pytest.mark.parametrize(("section", "per_step"), [("plain", 1), ("accumulated", 3)])
def test_phases_match_the_trainings_own_clock(trained: Run, truth: dict[str, Any], section: str, per_step: int) -> None:
    rows, told = batches(trained, section)[1:], truth[section]
    assert [(row["backward_n"], row["optimizer_n"]) for row in rows] == [(per_step, 1)] * 6
    for row, step in zip(rows, told, strict=True):
        assert row["backward_ns"] <= step["backward"] and row["optimizer_ns"] <= step["optimizer"]
        assert row["other_ns"] >= 2_000_000
    # Step by step: where another program had the core between two clock readings, that step alone is off.
    ratios = {
        name: statistics.median(row[name + "_ns"] / step[name] for row, step in zip(rows, told))
        for name in ("forward", "backward")
    }
    assert ratios["backward"] >= 0.95
    # What is not between two of our marks falls to forward or other: between the clock readings there is little.
    assert ratios["forward"] == pytest.approx(1, rel=0.15)


def test_activity_and_waits_fill_the_time(trained: Run) -> None:
    rows = trained.trainer.of("batch")
    for before, row in zip(rows, rows[1:]):
        if row["other_ns"] is None:  # after steps that were only timed
            continue
        spent = sum(row[name] for name in ACTIVITY if name.endswith("_ns") and name != "gc_ns")
        if spent != row["t0"] - before["t1"]:
            assert before["iterator"] != row["iterator"], "only a tail may come between"


def test_an_optimizer_that_calls_back_keeps_forward_and_backward(trained: Run, truth: dict[str, Any]) -> None:
    took, told = totals(batches(trained, "closure")), truth["closure"]
    assert took["backward_n"] == told["calls"] and took["optimizer_n"] == 3
    assert took["forward_ns"] >= told["calls"] * 2_000_000, "the forward sleeps for 2 ms"
    assert took["forward_ns"] + took["backward_ns"] + took["optimizer_ns"] <= told["spent"] + took["other_ns"]


def test_two_optimizers_a_scaler_and_an_evaluation(trained: Run) -> None:
    assert (
        totals(batches(trained, "two_optimizers"))["optimizer_n"],
        totals(batches(trained, "two_optimizers"))["backward_n"],
    ) == (8, 8)
    assert (totals(batches(trained, "scaled"))["optimizer_n"], totals(batches(trained, "scaled"))["backward_n"]) == (
        3,
        3,
    )
    after_first = totals(batches(trained, "evaluation")[1:])
    assert (after_first["backward_n"], after_first["optimizer_n"]) == (0, 0)


def test_indices_count_up_and_the_end_is_told(trained: Run) -> None:
    for section in ("waits 0", "waits 2", "persistent", "persistent again"):
        rows = batches(trained, section)
        assert [row["index"] for row in rows[:-1]] == list(range(len(rows) - 1))
        assert [row["end"] for row in rows] == [0] * (len(rows) - 1) + [1]
    assert [row["end"] for row in batches(trained, "raising")] == [2]


def test_the_queue_is_told_only_where_there_is_one(trained: Run) -> None:
    assert {row["available"] for row in batches(trained, "waits 0")} == {None}
    two = [row for row in batches(trained, "waits 2") if row["end"] == 0]
    assert {row["awaited"] for row in two} == {0, 1}
    # Making a batch takes 16 ms: at the start there is nothing to be had.
    assert two[0]["available"] == 0


def test_an_iterator_left_early_has_a_tail(trained: Run) -> None:
    number = trained.trainer.of("iterator")[SECTIONS.index("left_early")]["iterator"]
    assert [row["iterator"] for row in trained.trainer.of("tail")][0] == number
    assert len(batches(trained, "left_early")) == 1


def test_persistent_workers_are_one_loader_and_the_same_processes(trained: Run) -> None:
    first, again = trained.trainer.of("iterator")[SECTIONS.index("persistent") :][:2]
    assert first["loader"] == again["loader"] and first["workers"] == again["workers"] != []
    assert (first["epoch"], again["epoch"]) == (0, 1)


def test_an_iterator_says_what_its_loader_is_and_who_asked_for_it(trained: Run) -> None:
    made = trained.trainer.of("iterator")[SECTIONS.index("waits 2")]
    line = 1 + SCRIPT.splitlines().index("    batches = iter(DataLoader(Slow(), batch_size=2, num_workers=workers))")
    assert (Path(made["file"]).name, made["line"], made["function"]) == ("run_script.py", line, "waits")
    expected = {
        "dataset": "Slow",
        "dataset_kind": "map",
        "length": 24,
        "workers": 2,
        "batch_size": 2,
        "prefetch": 2,
        "start_method": "fork",
    }
    assert {name: made["attributes"][name] for name in expected} == expected
    assert SCRIPT.splitlines()[made["attributes"]["dataset_line"] - 1].strip().startswith("def __getitem__")
    assert len(made["workers"]) == 2


def test_exceptions_and_other_loaders_pass_through(truth: dict[str, Any]) -> None:
    assert "planted" in truth["raising"]
    assert truth["stream"] == 16 and truth["out_of_order"] in (4, None)


def test_the_run_ends_with_a_checkpoint_and_an_exit(trained: Run) -> None:
    (saved,) = trained.trainer.of("span")
    assert (saved["name"], SCRIPT.splitlines()[saved["line"] - 1].strip()) == (
        "checkpoint",
        'torch.save({}, "checkpoint.pt")',
    )
    assert trained.trainer.facts()["exit"] == "atexit"
    assert trained.trainer.of("gpu_wait") == []
    assert not any("hook_error" in log.facts() for log in trained.logs)
