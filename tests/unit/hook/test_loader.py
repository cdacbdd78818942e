"""What the trainer's patches are, in which order they wrap torch, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

from .hooked import run

NESTING = """
import json
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter
wrapped, files = _BaseDataLoaderIter.__next__, []
while wrapped is not None:
    files.append(wrapped.__code__.co_filename)
    wrapped = getattr(wrapped, "__wrapped__", None)
print(json.dumps(files))
"""


def test_the_wrappers_of_next_are_nested_as_the_loaders_file_says(tmp_path: Path) -> None:
    plan = {"sample": None, "functions": [{"file": __file__, "function": "train", "during": "step"}]}
    more = {"GPUWATCH_HOOK": "exact", "GPUWATCH_EXACT": json.dumps(plan), "GPUWATCH_EXPERIMENT": str(tmp_path)}
    done = run(NESTING, tmp_path / "run", **more)
    names = [Path(file).stem for file in json.loads(done.done.stdout)]
    assert names == ["exact", "driver", "importlib_bootstrap", "dataloader"]


EPOCHS = """
import json
from torch.utils.data import DataLoader
loader = DataLoader([1, 2, 3], batch_size=None, num_workers=1, persistent_workers=True)
batches = iter(loader)
list(batches)
first = batches._gpuwatch_record
list(loader)
print(json.dumps({
    "same": batches._gpuwatch_record is first, "on the class": type(batches)._gpuwatch_record, "open": first.open,
    "ours": sorted(name for name in vars(batches) if "gpuwatch" in name),
}))
"""


def test_each_epoch_of_an_iterator_that_is_kept_has_a_number_of_its_own(tmp_path: Path) -> None:
    done = run(EPOCHS, tmp_path / "run")
    assert json.loads(done.done.stdout) == {
        "same": True, "on the class": None, "open": False, "ours": ["_gpuwatch_record"],
    }  # fmt: skip
    first, second = done.trainer.of("iterator")
    assert (first["epoch"], second["epoch"]) == (0, 1)
    assert second["iterator"] == first["iterator"] + 1 and second["loader"] == first["loader"]


FORK = """
import json, os, sys
import torch
from torch.utils.data import DataLoader
list(DataLoader([1, 2, 3]))
sys.stdout.flush()
if os.fork() == 0:
    list(DataLoader([1, 2]))
    sys.exit(0)
os.wait()
"""


def test_a_forked_child_writes_its_own_facts_and_goes_on_counting(tmp_path: Path) -> None:
    parent, child = sorted(run(FORK, tmp_path / "run").logs, key=lambda log: len(log.of("batch")), reverse=True)
    assert child.header["ppid"] == parent.header["pid"]
    for key in ("torch", "affinity", "cpu_count", "threads", "exit"):
        assert child.facts()[key] == parent.facts()[key]
    assert [row["iterator"] for row in parent.of("iterator") + child.of("iterator")] == [1, 2]
    assert [row["index"] for row in child.of("batch")] == [0, 1, 2]
