"""A training that leaves things switched on: what the hook reads of its process, and on which line it was done."""

from __future__ import annotations

import pytest

from .hooked import run

SCRIPT = """
import gc, sys, time
import torch
from torch.utils.data import DataLoader, TensorDataset

def tidy():
    gc.collect()

class Part:
    def __init__(self):
        self.other, self.payload = None, list(range(10))

def garbage():
    for _ in range(1500):
        one, two = Part(), Part()
        one.other, two.other = two, one

model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
sys.setprofile(lambda *_: None)
for number, (x,) in enumerate(DataLoader(TensorDataset(torch.ones(60, 4)), batch_size=2)):
    with torch.autograd.set_detect_anomaly(True):
        loss = model(x).sum()
        loss.backward()
    for parameter in model.parameters():
        parameter.register_hook(lambda gradient: None)
    optimizer.step()
    garbage()
    if number % 3 == 0:
        tidy()
    time.sleep(0.03)
sys.setprofile(None)
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict], list[str]]:
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("state")
    script = folder / "train.py"
    script.write_text(SCRIPT)
    seen = run(script, folder / "run")
    assert seen.done.returncode == 0, seen.done.stderr
    return seen.trainer.events, SCRIPT.splitlines()


def _line(source: list[str], text: str) -> int:
    (number,) = (number for number, line in enumerate(source, 1) if text in line)
    return number


def test_a_switch_inside_of_each_step_is_seen_in_the_backward_pass(events: tuple[list[dict], list[str]]) -> None:
    rows, source = events
    backward = [row["facts"] for row in rows if row["kind"] == "state" and row["during"] == "backward"]
    assert backward
    for facts in backward:
        switches = {name: line for name, _, _, line in facts["switches"]}
        assert switches["anomaly"] == _line(source, "set_detect_anomaly(True)")
        assert "tracer" in switches


def test_the_state_is_read_a_few_times_and_at_the_end(events: tuple[list[dict], list[str]]) -> None:
    rows, source = events
    states = [row for row in rows if row["kind"] == "state"]
    during = [row["during"] for row in states]
    assert 2 <= during.count("step") <= 6 and during[-1] == "exit"
    first, last = states[0]["facts"], states[-1]["facts"]
    assert first["gc"][0] is True and first["flushes_denormals"] is False and first["threads"]["torch"] >= 1
    assert last["hooks"] - first["hooks"] >= 40
    found = [row["facts"]["hooks_set"] for row in states if row["facts"].get("hooks_set")]
    assert found and {line for _, line in found} == {_line(source, "register_hook")}
    (updated,) = {
        (row["facts"]["optimizer"], row["facts"]["tensors"]) for row in states if row["during"] == "optimizer"
    }
    assert updated == ("SGD", 2)


def test_only_collections_that_were_asked_for_are_counted(events: tuple[list[dict], list[str]]) -> None:
    rows, source = events
    collected = [row for row in rows if row["kind"] == "collected"]
    last = {(row["line"], row["function"]): row["count"] for row in collected}
    assert last == {(_line(source, "    gc.collect()"), "tidy"): 10}
