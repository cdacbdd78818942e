"""The injected code: what it stamps, and how it changes a training's input. Each test trains a real, tiny one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.benchmarks.wild import pace
from scripts.benchmarks.wild.running import INJECTED

pytest.importorskip("torch")

TRAINING = """
import os, sys
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

class Slow(Dataset):
    def __len__(self):
        return 20
    def __getitem__(self, index):
        say("made", index)
        return torch.full((3,), float(index))

class Stream(IterableDataset):
    def __iter__(self):
        return map(Slow().__getitem__, range(20))

def main():
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    workers = int(sys.argv[1])
    dataset = Stream() if "stream" in sys.argv else Slow()
    loader = DataLoader(dataset, batch_size=2, num_workers=workers, persistent_workers=workers > 0)
    for batch in DataLoader(Slow(), batch_size=10):
        model(batch)
    for epoch in range(2):
        for batch in loader:
            say("fed", batch[0, 0].item())
            batch.zero_()
            optimizer.zero_grad()
            model(batch).sum().backward()
            optimizer.step()
    say("workers", loader.num_workers)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def train(tmp_path: Path):
    script = tmp_path / "train.py"
    script.write_text(TRAINING)
    (tmp_path / "stamps").mkdir()

    def run(workers: int = 0, *more: str, **told: str) -> list[str]:
        told = {"WILD_STAMPS": str(tmp_path / "stamps"), "PYTHONPATH": str(INJECTED), **told}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GPUWATCH_")}
        words = [sys.executable, str(script), str(workers), *more]
        done = subprocess.run(words, capture_output=True, text=True, timeout=110, env=environment | told, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def fed(said: list[str]) -> list[float]:
    return [float(line.split()[1]) for line in said if line.startswith("fed")]


def test_batches_and_updates_are_stamped_and_evaluation_is_told_apart(train, tmp_path: Path) -> None:
    train()
    found = pace.read(tmp_path / "stamps", "batches")
    assert found is not None
    assert (found.steps, found.batches, found.training, found.workers) == (20, 10, (1, 2), 0)
    assert 0 < found.step_s < found.loop_s


@pytest.mark.parametrize(("workers", "kind"), [(0, "map"), (1, "map"), (0, "stream")])
def test_cached_batches_come_as_often_as_the_loader_would_give_them(train, workers: int, kind: str) -> None:
    said = train(workers, kind, WILD_MODE="cached", WILD_TRAINING="1,2", WILD_BATCHES="10")
    assert fed(said) == [0, 2, 4, 6, 0, 2, 4, 6, 0, 2] * 2
    made = sum(line.startswith("made") for line in said)
    assert made <= 20 + 2 * (8 + 2 * 2 * workers)


def test_the_loader_alone_trains_nothing(train, tmp_path: Path) -> None:
    assert fed(train(1, WILD_MODE="loader", WILD_TRAINING="1,2", WILD_BATCHES="10")) == []
    found = pace.read(tmp_path / "stamps", "batches", alone=1)
    assert found is not None and found.batches == 10


@pytest.mark.parametrize(("workers", "number"), [(0, 1), (1, 0)])
def test_the_number_of_workers_is_changed_with_what_depends_on_it(train, workers: int, number: int) -> None:
    assert f"workers {number}" in train(workers, WILD_MODE=f"workers={number}")


def test_a_projects_patch_changes_what_is_imported_later(train, tmp_path: Path) -> None:
    patch = tmp_path / "patch.py"
    patch.write_text("after_import('torch.optim.sgd', lambda module: print('patched', module.__name__))\n")
    assert "patched torch.optim.sgd" in train(WILD_PATCH=str(patch))


def test_another_sitecustomize_runs_too(train, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("print('other')\n")
    assert "other" in train(PYTHONPATH=os.pathsep.join([str(INJECTED), str(other)]))


def test_under_gpuwatch_no_frame_is_the_benchmarks_own(train, tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "gpuwatch",
        "run",
        "--quiet",
        "--dir",
        str(tmp_path / "runs"),
        "--json",
        "r.json",
        "--",
    ]
    told = {"WILD_STAMPS": str(tmp_path / "stamps"), "PYTHONPATH": str(INJECTED)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GPUWATCH_")} | told
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).resolve().parents[3])
    command = [*words, sys.executable, "train.py", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = pace.read(tmp_path / "stamps", "batches")
    assert found is not None and found.steps == 20
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["loaders"][0]["batches"] + report["loaders"][1]["batches"] >= 20
    assert "scripts/benchmarks/wild" not in json.dumps(report)
