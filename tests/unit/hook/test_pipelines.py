"""What feeds a loop and is no loader of torch's: measured as one, and left what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .hooked import Log, run

SCRIPT = """
import gc, inspect, pickle, sys, time, weakref
import torch
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

def step(x):
    model(x).sum().backward()
    time.sleep(0.003)
    optimizer.step()
    optimizer.zero_grad()

def loader(count): return DataLoader(TensorDataset(torch.ones(count, 4)), batch_size=1)

class Batches:
    def __init__(self, count=30): self.left = count
    def __iter__(self): return self
    def __next__(self):
        if not self.left: raise StopIteration
        self.left -= 1
        time.sleep(0.005)
        return torch.ones(1, 4)

def named():
    batches = Batches()
    for x in batches: step(x)
    assert type(batches) is Batches and pickle.loads(pickle.dumps(batches)).left == 0

class Round:
    def __init__(self, loader): self.batches = iter(loader)
    def __iter__(self): return self
    def __next__(self):
        time.sleep(0.004)
        (x,) = next(self.batches)
        time.sleep(0.004)
        return x

def wrapped():
    for x in Round(loader(40)): step(x)

class Steps:
    # The training itself is an iterator, which a driver goes through.
    def __init__(self, loader): self.batches = iter(loader)
    def __iter__(self): return self
    def __next__(self):
        (x,) = next(self.batches)
        step(x)

def driven():
    for _ in Steps(loader(20)): pass

def marked():
    import gpuwatch
    batches = gpuwatch.input([torch.ones(1, 4)] * 30)
    assert len(batches) == 30 and batches.count is not None
    for _ in range(2):
        for x in batches: step(x)

def stepped():
    import gpuwatch
    for _ in range(30):
        time.sleep(0.002)
        gpuwatch.step()

def library():
    from torchdata.nodes.loader import LoaderIterator, Loader
    batches = iter(Loader(20))
    assert type(batches) is LoaderIterator
    for x in batches: step(torch.ones(1, 4))

def generator():
    from timm.data.loader import PrefetchLoader
    made = PrefetchLoader()
    assert inspect.isgeneratorfunction(PrefetchLoader.__iter__) and inspect.isgenerator(iter(made))
    for x in made: step(x)
    talk = iter(made)
    next(talk)
    assert talk.send("word") == "word"
    assert talk.throw(KeyError) == "thrown"
    talk.close()
    assert made.closed
    try:
        iter(made).throw(KeyError)
    except KeyError:
        pass
    ends = iter(made)
    for _ in range(3): next(ends)
    whole = PrefetchLoader(2)
    def outer(): return (yield from whole)
    got = outer()
    try:
        while True: next(got)
    except StopIteration as end:
        assert end.value == "end"
    class Big: pass
    kept = PrefetchLoader(2)
    kept.make = Big
    things = iter(kept)
    thing = weakref.ref(next(things))
    gc.collect()
    assert thing() is None  # nobody but the loop keeps a batch
    print("ok")

def rows():
    # Many things in a short time are no batches.
    class Rows(Batches):
        pass
    from timm.data.loader import PrefetchLoader
    made = PrefetchLoader(20000)
    for x in made: pass

globals()[sys.argv[1]]()
print("done")
"""
LIBRARIES = {
    "torchdata.nodes.loader": """
import time
class LoaderIterator:
    def __init__(self, count): self.left = count
    def __next__(self):
        if not self.left: raise StopIteration
        self.left -= 1
        time.sleep(0.005)
        return self.left
    def __iter__(self): return self
class Loader:
    def __init__(self, count): self.count = count
    def __iter__(self): return LoaderIterator(self.count)
""",
    "timm.data.loader": """
import torch
class PrefetchLoader:
    def __init__(self, count=20): self.count, self.closed, self.make = count, False, lambda: torch.ones(1, 4)
    def __iter__(self):
        try:
            for _ in range(self.count):
                try:
                    got = yield self.make()
                    while got: got = yield got
                except KeyError:
                    yield "thrown"
            return "end"
        except GeneratorExit:
            self.closed = True
            raise
""",
}


def trained(tmp_path: Path, case: str, **environment: str) -> Log:
    """Run one case of SCRIPT with the libraries beside it; return the log of its process."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    for name, text in LIBRARIES.items():
        path = tmp_path.joinpath(*name.split("."))
        for folder in [*path.parents][: name.count(".")]:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
        path.with_suffix(".py").write_text(text)
    root = str(Path(__file__).parents[3])
    finished = run(script, tmp_path / "run", case, PYTHONPATH=root, GPUWATCH_DEBUG="1", **environment)
    assert finished.done.stdout.endswith("done\n"), finished.done.stderr
    return finished.trainer


def feeds(log: Log) -> list[dict[str, Any]]:
    return [row for row in log.of("iterator") if row["attributes"].get("pipeline")]


def waits_ms(log: Log, number: int) -> list[float]:
    return [(row["t1"] - row["t0"]) / 1e6 for row in log.of("batch") if row["iterator"] == number and not row["end"]]


def test_an_iterator_that_was_named_is_the_loops_input(tmp_path: Path) -> None:
    log = trained(tmp_path, "named", GPUWATCH_INPUT="__main__:Batches.__next__")
    (feed,) = feeds(log)
    assert feed["attributes"]["pipeline"] == "named" and feed["attributes"]["dataset"] == "Batches"
    waits = waits_ms(log, feed["iterator"])
    assert len(waits) >= 28 and min(waits) > 4.5  # all but the first, before its first step


def test_a_place_that_is_not_there_is_written(tmp_path: Path) -> None:
    log = trained(tmp_path, "named", GPUWATCH_INPUT="__main__:Missing.__next__")
    assert log.facts()["missing_input"] == "__main__:Missing.__next__"


def test_a_wrapper_round_a_loader_is_what_the_loop_waits_for(tmp_path: Path) -> None:
    log = trained(tmp_path, "wrapped")
    (feed,) = feeds(log)
    assert feed["attributes"]["gives"][2] == "__next__"
    waits = waits_ms(log, feed["iterator"])
    assert len(waits) >= 36 and min(waits) > 7.5
    (other,) = [row for row in log.of("iterator") if row is not feed]
    assert len(waits_ms(log, other["iterator"])) == 40


def test_a_training_that_is_itself_an_iterator_is_no_wrapper(tmp_path: Path) -> None:
    assert not feeds(trained(tmp_path, "driven"))


def test_a_script_may_mark_its_input(tmp_path: Path) -> None:
    log = trained(tmp_path, "marked")
    first, second = feeds(log)
    assert [len(waits_ms(log, feed["iterator"])) for feed in (first, second)] == [30, 30]
    assert first["file"].endswith("train.py")


def test_a_script_may_mark_its_steps(tmp_path: Path) -> None:
    log = trained(tmp_path, "stepped")
    (loop,) = log.of("iterator")
    assert loop["attributes"]["own_loop"] and len(log.of("batch")) == 28


def test_a_librarys_iterator_is_measured_and_keeps_its_type(tmp_path: Path) -> None:
    log = trained(tmp_path, "library")
    (feed,) = feeds(log)
    assert feed["attributes"]["pipeline"] == "torchdata.nodes"
    waits = waits_ms(log, feed["iterator"])
    assert len(waits) == 20 and min(waits) > 4.5


def test_a_librarys_generator_stays_one(tmp_path: Path) -> None:
    log = trained(tmp_path, "generator")
    assert len(waits_ms(log, feeds(log)[0]["iterator"])) == 20
    assert "hook_error" not in log.facts()


@pytest.mark.parametrize("case", ["rows"])
def test_what_hands_over_no_batches_is_left_alone(tmp_path: Path, case: str) -> None:
    log = trained(tmp_path, case)
    assert len(waits_ms(log, feeds(log)[0]["iterator"])) <= 5000
