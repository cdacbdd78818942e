"""What a worker writes of each of its epochs, and who says which cores it may use."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gpuwatch.hook.worker_process.caches import census, grown
from gpuwatch.hook.worker_process.digests import digest

from . import hooked

SCRIPT = """
import os, sys, torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

class Stream(IterableDataset):
    def __init__(self, split): self.split = split
    def __iter__(self):
        worker = get_worker_info() if self.split else None
        first = 0 if worker is None else worker.id
        for number in range(first, 24, 1 if worker is None else 2):
            yield torch.full((4,), float(number)), number

class Tiles(Dataset):
    def __init__(self): self.kept = {}
    def __len__(self): return 16
    def __getitem__(self, index):
        return self.kept.setdefault(index, torch.full((4,), float(index)))

def one_core(worker):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

if __name__ == "__main__":
    if sys.argv[1] in ("all", "split"):
        loader = DataLoader(Stream(sys.argv[1] == "split"), 4, num_workers=2, persistent_workers=True)
    else:
        loader = DataLoader(Tiles(), 4, num_workers=2, worker_init_fn=one_core)
    for _ in range(2):
        for batch in loader: pass
"""


def workers(tmp_path: Path, what: str) -> list[hooked.Log]:
    pytest.importorskip("torch")
    logs = [log for log in hooked.run(SCRIPT, tmp_path / "run", what).logs if log.of("worker")]
    return sorted(logs, key=lambda log: (log.of("worker")[0]["worker"], log.header["mono_ns"]))


def test_workers_that_go_over_all_of_a_stream_have_the_same_digests_and_never_ask(tmp_path: Path) -> None:
    logs = workers(tmp_path, "all")
    one, other = (list({row["epoch"]: row for row in log.of("worker_epoch")}.values()) for log in logs)
    assert [epoch["batches"] for epoch in (*one, *other)] == [6, 6, 6, 6]
    assert all(epoch["exhausted"] > epoch["t0"] for epoch in (*one, *other))
    digests = [{row[0]: row[1:] for row in epoch["digests"]} for epoch in (*one, *other)]
    for at in set.intersection(*map(set, digests)):
        assert len({tuple(found[at]) for found in digests}) == 1
    assert {*digests[0], *digests[1]} >= {1} and {*digests[0]} <= {1, 2, 3, 5}
    assert all("worker_info" not in log.facts() for log in logs)
    assert all(epoch["rss_end"] > 0 < epoch["rss_begin"] for epoch in one)


def test_workers_that_take_a_part_each_ask_and_differ(tmp_path: Path) -> None:
    logs = workers(tmp_path, "split")
    one, other = (log.of("worker_epoch")[0]["digests"] for log in logs)
    assert one[0][0] == other[0][0] == 1 and one[0][1] != other[0][1]
    file, line, function = logs[0].facts()["worker_info"]
    assert file.endswith("_script.py") and line == 8 and function in ("__iter__", "Stream.__iter__")


def test_what_the_dataset_keeps_is_counted_and_the_line_that_takes_cores_is_named(tmp_path: Path) -> None:
    logs = workers(tmp_path, "tiles")
    assert [log.of("worker_epoch")[0]["kept"] for log in logs] == [[["Tiles.kept", "dict", 0, 8]]] * 4
    assert [log.of("worker_epoch")[0]["digests"] for log in logs] == [
        []
    ] * 4  # indices are dealt out: nothing to compare
    for log in logs:
        if len(os.sched_getaffinity(0)) > 1:
            begun, narrowed = log.of("cpus")
            assert begun["moment"] == "worker" and set(begun["cpus"]) == os.sched_getaffinity(0)
            assert narrowed["moment"] == "set" and narrowed["cpus"] == [min(os.sched_getaffinity(0))]
            assert narrowed["line"] == 20 and narrowed["function"] == "one_core"


def test_a_digest_is_of_content_and_says_whether_it_varies() -> None:
    torch = pytest.importorskip("torch")
    images, labels = torch.arange(4800.0).reshape(2, 3, 20, 40), torch.tensor([1, 2])
    whole = digest([images, labels])
    assert whole == digest([images.clone(), labels.clone()]) == digest((images, labels))
    assert whole[1] == whole[3] == 1
    augmented = digest([images.flip(-1), labels])
    assert augmented[0] != whole[0] and augmented[2:] == whole[2:]
    assert digest([torch.zeros(8, 4)])[1:] == (0, None, 0)
    assert digest({"name": ["a", "b"], "x": torch.zeros(2)})[3] == 1
    assert digest(images.permute(0, 2, 3, 1).to(torch.bfloat16))[1] == 1
    assert digest([]) == (None, 0, None, 0)
    # Spread over all of it: a frame of one colour hides nothing.
    framed = torch.zeros(64, 64, 64)
    framed[:, 8:56, 8:56] = torch.rand(64, 48, 48)
    assert digest(framed)[1] == 1


class Places:
    def __init__(self) -> None:
        self.kept: list[Any] = [None] * 5
        self.names: list[str] = []
        self.counts: dict[int, int] = {}
        self.reader = SimpleNamespace(pages={})

    @functools.cache  # noqa: B019
    def read(self, index: int) -> int:
        return index


def test_what_keeps_samples_is_found_in_the_datasets_objects_and_classes() -> None:
    dataset = Places()
    before = census(dataset)
    for index in range(4):
        dataset.kept[index] = dataset.reader.pages[index] = object()
        dataset.names.append("n")
        dataset.counts[index] = index
        dataset.read(index)
        dataset.read(index)
    rows = grown(before, census(dataset))
    assert len(rows) == 3 and all(row[3] - row[2] == 4 for row in rows)
    every = {name: count - before.get(name, ("", 0))[1] for name, (_, count) in census(dataset).items()}
    assert every["Places.kept"] == every["SimpleNamespace.pages"] == every["Places.names"] == every["Places.read"] == 4
    assert "Places.counts" not in every
    assert before["Places.kept"] == ("slots", 0) and before["Places.read"][0] == "lru_cache"
