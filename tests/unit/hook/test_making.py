"""Where a loader was made: the line of the constructor call that a user would edit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .hooked import Run, bare_environment, run

SCRIPT = """
import copy, inspect, json, pickle, sys, warnings
import torch
from torch.utils.data import DataLoader, TensorDataset

class Mine(DataLoader):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

class Unhashable(DataLoader):
    __hash__ = None
    def __eq__(self, other): return True

class Slotted(DataLoader):
    __slots__ = ("more",)

def make(data):
    return DataLoader(  # made here
        data, batch_size=4,
    )

def loop(loader):
    for batch in loader:  # asked for here
        pass

def fail():
    try:
        DataLoader(data, batch_size=-1)
    except ValueError as error:
        return str(error)

def warnings_of(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [[str(one.message), one.filename, one.lineno] for one in caught]

data = TensorDataset(torch.ones(8, 2))
plain = make(data)
loop(plain)
loop(Mine(data, batch_size=4))  # a subclass is called here
loop(pickle.loads(pickle.dumps(plain)))
loop(copy.copy(plain))
loop(Unhashable(data))
loop(Slotted(data))  # slotted
pinned = warnings_of(lambda: loop(DataLoader(data, pin_memory=True)))
facts = {
    "signature": str(inspect.signature(DataLoader.__init__)), "call": str(inspect.signature(DataLoader)),
    "state": sorted(vars(plain)), "pickle": sorted(pickle.loads(pickle.dumps(plain)).__dict__), "generic": repr(DataLoader[int]),
    "subclass": [isinstance(plain, DataLoader), issubclass(Mine, DataLoader)], "doc": DataLoader.__init__.__doc__,
    "name": DataLoader.__init__.__qualname__, "copy": pickle.dumps(DataLoader).hex(), "failed": fail(),
    "warnings": [pinned, warnings_of(lambda: DataLoader(data, num_workers=999))],
    "source": inspect.getsource(DataLoader.__init__)[:40],
}
print(json.dumps(facts))
"""
FRAMEWORKS = """
import sys, torch, warnings
from torch.utils.data import DataLoader, TensorDataset
warnings.simplefilter("ignore")
data = TensorDataset(torch.ones(8, 2))
if sys.argv[1] == "accelerate":
    from accelerate import Accelerator
    loader = DataLoader(data, batch_size=4)  # made here
    loader = Accelerator(cpu=True).prepare(loader)
else:
    from torchdata.stateful_dataloader import StatefulDataLoader
    loader = StatefulDataLoader(data, batch_size=4)  # made here
for batch in loader:
    pass
"""


def line_of(script: str, mark: str) -> int:
    return next(number for number, line in enumerate(script.splitlines(), 1) if line.endswith("# " + mark))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(SCRIPT, tmp_path_factory.mktemp("making") / "run")


def test_the_line_is_the_constructor_call_and_not_the_loop(made: Run, tmp_path: Path) -> None:
    rows = made.trainer.of("iterator")
    assert {row["line"] for row in rows} == {line_of(SCRIPT, "asked for here")}
    assert (rows[0]["made_line"], rows[0]["made_function"]) == (line_of(SCRIPT, "made here"), "make")
    assert Path(rows[0]["made_file"]).name == "run_script.py"
    assert rows[1]["made_line"] == line_of(SCRIPT, "a subclass is called here")
    assert rows[5]["made_line"] == line_of(SCRIPT, "slotted")


@pytest.mark.parametrize("number", [2, 3, 4], ids=["unpickled", "copied", "unhashable"])
def test_a_loader_that_nobody_constructed_or_that_cannot_be_known_has_no_line(made: Run, number: int) -> None:
    row = made.trainer.of("iterator")[number]
    assert (row["made_file"], row["made_line"], row["made_function"]) == (None, None, None)
    assert row["line"] is not None


def test_the_class_and_its_loaders_are_what_they_are_without_the_hook(made: Run, tmp_path: Path) -> None:
    script = made.done.args[1]
    bare = subprocess.run(
        [sys.executable, script], env=bare_environment(), cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert bare.returncode == 0, bare.stderr
    assert json.loads(made.done.stdout) == json.loads(bare.stdout)
    assert [len(caught) for caught in json.loads(bare.stdout)["warnings"]] == [1, 1]
    assert "hook_error" not in made.trainer.facts()


@pytest.mark.parametrize("library", ["accelerate", "torchdata"])
def test_a_loader_that_a_framework_made_again_has_the_users_line(library: str, tmp_path: Path) -> None:
    pytest.importorskip(library)
    rows = run(FRAMEWORKS, tmp_path / "run", library).trainer.of("iterator")
    row = next(row for row in rows if "pipeline" not in row["attributes"])  # the framework's wrapper has a row as well
    marked = [number for number, line in enumerate(FRAMEWORKS.splitlines(), 1) if line.endswith("# made here")]
    assert row["made_line"] == marked[library == "torchdata"]
    assert row["line"] == len(FRAMEWORKS.splitlines()) - 1
