"""`gpuwatch.watch()`: what it records of the process that it is in, and what it leaves of itself there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gpuwatch
from gpuwatch import watching
from gpuwatch.store.reader import read
from gpuwatch.words.patch_points import placed_on_import, replaced_on_import
from tests.unit.hook.hooked import Log, bare_environment, read_log

TRAINING = """
import json, os, sys, time
import torch
from torch.utils.data import DataLoader, Dataset
import gpuwatch

torch.set_num_threads(1)

class Rows(Dataset):
    def __len__(self): return 24
    def __getitem__(self, index):
        time.sleep(0.002)
        return torch.ones(8) * index, index % 2

model = torch.nn.Linear(8, 2)
optimizer = torch.optim.SGD(model.parameters(), 0.1)

def train(loader):
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

def loader(workers=0, **more):
    return DataLoader(Rows(), 4, num_workers=workers, **more)

def files(run):
    return sorted(os.listdir(run.path / "spool"))
"""

STORY = """
import gc, importlib, threading
from pathlib import Path

PLACES = json.loads(sys.argv[1])

def there():
    found = {}
    for place in PLACES:
        module, _, path = place.partition(":")
        *owners, name = path.split(".")
        owner = sys.modules.get(module)
        for one in owners:
            owner = getattr(owner, one, None)
        value = None if owner is None else vars(owner).get(name)
        found[place] = list(value) if isinstance(value, (dict, list)) else value
    return found

def settled():
    return [there(), list(gc.callbacks), list(sys.meta_path), os.environ.get("GPUWATCH_RUN"), os.environ.get("PYTHONPATH")]

def same(before, after):
    changed = [place for place, value in after[0].items() if before[0][place] is not value and before[0][place] != value]
    return [changed, before[1:] == after[1:]]

told = {}
short = torch.utils.data.TensorDataset(torch.ones(4000, 8))
batches = [(torch.ones(4, 8), torch.zeros(4, dtype=torch.long))] * 4
train(loader())  # what torch imports for a first step is there before and after
before = settled()
with gpuwatch.watch("first", stacks=False) as first:
    told["replaced"] = same(before, settled())[0]
    kept = loader(1, persistent_workers=True)
    train(kept)
    train(loader(1, multiprocessing_context="spawn")) if "--spawn" in sys.argv else None
    with gpuwatch.watch("inner") as inner:
        train(loader())
    rest = iter(DataLoader(short, 4))
    for (x,), _ in zip(rest, range(100)):  # left before its end, in steps that leave timestamps only
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
    told["nested"] = [inner.joined, inner.path == first.path, first.joined]
    told["inside"] = first.report().run.state
told["restored"] = same(before, settled())
told["threads"] = [thread.name for thread in threading.enumerate()]
left = files(first)
next(rest)
for _ in range(2):
    train(kept)
    time.sleep(1.2)
sizes = {name: (first.path / "spool" / name).stat().st_size for name in left}
train(kept)
train(loader(1))
told["late"] = [name for name in files(first) if name not in left or (first.path / "spool" / name).stat().st_size != sizes[name]]
try:
    with gpuwatch.watch("second", stacks=False) as second:
        train(loader(1))
        train(gpuwatch.input(batches))
        next(rest)
        if os.fork() == 0:
            raise SystemExit  # goes through the block's end, which is its parent's
        os.wait()
        raise KeyError("mine")
except KeyError as error:
    told["raised"] = str(error)
except SystemExit:
    os._exit(0)
told["restored again"] = same(before, settled())
told["runs"] = [str(run.path) for run in (first, second)]
report = second.report()
told["report"] = [report is second.report(), report.run.state, report.run.in_process, sum(rank.steps for rank in report.ranks) > 0]
print(json.dumps(told))
"""


def run(folder: Path, script: str, *arguments: str, **more: str) -> str:
    """Run the training and a story with it, and return what it prints; fail with its errors if it fails."""
    (folder / "story.py").write_text(f"{TRAINING}\nif __name__ == '__main__':\n{_indented(script)}")
    return _called(folder, *arguments, **more)


def _called(folder: Path, *arguments: str, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, "story.py", *arguments],
        env={
            **bare_environment(),
            "PYTHONPATH": str(Path(gpuwatch.__file__).parents[1]),
            "GPUWATCH_DEBUG": "1",
            **more,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _indented(script: str) -> str:
    return "".join(f"    {line}\n" for line in script.splitlines())


def hook_logs(run_dir: Path) -> list[Log]:
    """Read what the processes of a run have written themselves."""
    return [read_log(path) for path in sorted((run_dir / "spool").glob("[0-9]*.jsonl"))]


def batches(run_dir: Path) -> dict[int, int]:
    """Return how many batches were handed over in each process that asked for any."""
    counts = {log.header["pid"]: sum(row["end"] == 0 for row in log.of("batch")) for log in hook_logs(run_dir)}
    return {pid: count for pid, count in counts.items() if count}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("torch")
    places = sorted({place for some in replaced_on_import().values() for place in some})
    found: dict[str, Any] = json.loads(run(tmp_path_factory.mktemp("watched"), STORY, json.dumps(places)))
    return found


def test_everything_is_put_back_as_it_was(told: dict[str, Any]) -> None:
    assert "torch.utils.data.dataloader:_BaseDataLoaderIter.__next__" in told["replaced"]
    assert "torch.optim.optimizer:_global_optimizer_post_hooks" in told["replaced"]
    assert len(told["replaced"]) > 15
    # That torch.compile leaves the hook's own files alone has to outlive what it has compiled meanwhile.
    assert told["restored"] == told["restored again"] == [["torch._dynamo.trace_rules:SKIP_DIRS"], True]
    assert not [name for name in told["threads"] if "gpuwatch" in name or "election" in name]


def test_what_is_trained_and_forked_afterwards_is_not_recorded(told: dict[str, Any]) -> None:
    assert told["late"] == []


def test_a_block_inside_another_joins_it(told: dict[str, Any]) -> None:
    assert told["nested"] == [True, True, False]
    assert told["inside"] == "running"


def test_each_block_is_a_run_of_its_own(told: dict[str, Any]) -> None:
    first, second = map(Path, told["runs"])
    assert list(batches(first).values()) == [12 + 101]  # `zip` has asked for one more than it gave
    # Those of a loader, those that `gpuwatch.input` marks, and one more of the iterator that was left in the first block.
    assert list(batches(second).values()) == [6 + 4 + 1]
    for path in (first, second):
        logs = hook_logs(path)
        assert sum(bool(log.of("worker")) for log in logs) == 1
        assert not any("hook_error" in log.facts() for log in logs)


def test_an_exception_passes_through_and_is_noted(told: dict[str, Any]) -> None:
    assert told["raised"] == "'mine'"
    assert told["report"] == [True, "finished", {"raised": "KeyError"}, True]


def test_the_process_that_records_itself_is_no_cost_of_gpuwatchs(told: dict[str, Any]) -> None:
    second = Path(told["runs"][1])
    (pid,) = batches(second)
    (sampled,) = read(second).by_writer("sampler")
    roles = {row["role"] for row in sampled.table("process").dicts() if row["pid"] == pid}
    assert roles and "gpuwatch" not in roles
    # The persistent worker of the block before.
    unentered = [row["reason"] for row in sampled.table("unentered").dicts()]
    assert set(unentered) <= {"it was started before the recording began"} and len(unentered) <= 1


JOINING = """
with gpuwatch.watch("mine") as run:
    train(loader())
report = run.report()
print(json.dumps([run.joined, str(run.path), os.environ["GPUWATCH_RUN"], report.run.state]))
"""


def test_under_gpuwatch_run_it_joins_that_run(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "story.py").write_text(TRAINING + JOINING)
    done = subprocess.run(
        [sys.executable, "-m", "gpuwatch", "run", "--quiet", "--no-stacks", "--", sys.executable, "story.py"],
        env={**bare_environment(), "PYTHONPATH": str(Path(gpuwatch.__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    joined, path, expected, state = json.loads(done.stdout)
    assert (joined, path, state) == (True, expected, "running")
    assert [each.name for each in (tmp_path / ".gpuwatch").iterdir() if each.is_dir()] == [Path(path).name]


LATER = """
import json, sys
import gpuwatch

with gpuwatch.watch(stacks=False) as run:
    from training import train, loader
    train(loader(1))
from torch.utils.data.dataloader import _BaseDataLoaderIter
from torch.optim import Optimizer
hooks = sys.modules["torch.optim.optimizer"]._global_optimizer_pre_hooks
ours = [type(finder).__module__ for finder in sys.meta_path if type(finder).__module__.startswith("gpuwatch")]
print(json.dumps([str(run.path), _BaseDataLoaderIter.__next__.__code__.co_filename, len(hooks), ours]))
"""


def test_what_is_imported_inside_is_measured_and_put_back_too(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "training.py").write_text(TRAINING)
    (tmp_path / "story.py").write_text(LATER)
    path, file, hooks, ours = json.loads(_called(tmp_path))
    assert list(batches(Path(path)).values()) == [6]
    assert file.endswith("torch/utils/data/dataloader.py") and hooks == 0 and ours == []


SPAWNING = """
with gpuwatch.watch(stacks=False) as run:
    train(loader(1, multiprocessing_context="spawn"))
print(str(run.path))
"""


@pytest.mark.slow
def test_spawned_workers_are_measured(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = Path(run(tmp_path, SPAWNING).strip())
    assert sum(bool(log.of("worker")) for log in hook_logs(path)) == 1


def test_without_a_recording_the_block_runs_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.delenv("GPUWATCH_DEBUG", raising=False)
    monkeypatch.delenv("GPUWATCH_RUN", raising=False)
    monkeypatch.setattr(watching, "_begin", fail)
    with gpuwatch.watch(directory=str(tmp_path)) as run:
        ran = True
    assert ran and run.path is None
    assert "gpuwatch: no room; running without recording" in capsys.readouterr().err
    with pytest.raises(gpuwatch.GpuwatchError, match="nothing was recorded"):
        run.report()


def test_a_place_is_named_for_each_module_that_is_waited_for() -> None:
    assert set(replaced_on_import()) == set(placed_on_import())
    assert "os:sched_setaffinity" in replaced_on_import()["torch.utils.data.dataloader"]


def test_the_environment_is_left_alone_where_nothing_is_watched() -> None:
    watch = gpuwatch.watch()
    assert watch.path is None and "GPUWATCH_RUN" not in os.environ
