"""A notebook's cells have their numbers and their text after the kernel has gone."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.views import card, lines
from tests.spools import SECOND, START, FakeRun, report_of

SITE = "/v/lib/python3.11/site-packages"
DATA, LOOP = "/tmp/ipykernel_97/311.py", "/tmp/ipykernel_97/134.py"
TEXT = ["class Photos(Dataset):", "    def __getitem__(self, index):", "        return Image.open(self.paths[index])"]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linecache, "cache", dict(linecache.cache))


def notebook(path: Path, number: int | None = 3) -> Any:
    run = FakeRun(path)
    trainer = run.trainer()
    trainer.add("meta", t=START, key="cell", value={"file": DATA, "number": number, "lines": TEXT})
    trainer.add("meta", t=START, key="cell", value={"file": LOOP, "number": 4, "lines": ["for batch in loader:"]})
    worker = run.worker(201)
    for index in range(50):
        worker.fetch(index, 40.0)
    trainer.loop(batches=50, wait_ms=30.0, workers=[[0, 201]], dataset_file=DATA, dataset_line=2)
    row = next(row for row in trainer.rows if row[0] == "iterator")
    row[trainer.columns["iterator"].index("file") + 1] = LOOP
    row[trainer.columns["iterator"].index("line") + 1] = 1
    log = run.stacks()
    log.add("burst", t0=START, t1=START + 10 * SECOND, hz=10, why="steady", ok=True, began=START)
    frames = [
        ["_worker_loop", f"{SITE}/torch/utils/data/_utils/worker.py", 350],
        ["_MapDatasetFetcher.fetch", f"{SITE}/torch/utils/data/_utils/fetch.py", 54],
        ["Photos.__getitem__", DATA, 3], ["open", f"{SITE}/PIL/Image.py", 3400],
    ]  # fmt: skip
    log.add("stack", t0=START, t1=START + SECOND, pid=201, tid="MainThread", frames=frames, weight=90, runs=[[0, 90]])
    return report_of(run)


def test_a_place_in_a_cell_is_the_cells_number_and_its_text(tmp_path: Path) -> None:
    report = notebook(tmp_path / "run")
    (line,) = report.hot_lines
    assert (line.file, line.line, line.source) == ("cell [3]", 3, TEXT[2].strip())
    assert report.primary_loader.dataset_where.file == "cell [3]"
    assert report.primary_loader.iterated_where.file == "cell [4]"
    assert [row.where for row in card.prepare(report).lines] == ["cell [3], line 3"]
    (excerpt,) = lines.excerpts(report.hot_lines, report.hot_lines, "")
    assert (excerpt.title, [part.code for part in excerpt.lines], excerpt.note) == ("cell [3], line 3", TEXT, "")


def test_a_cell_without_a_number_keeps_its_text(tmp_path: Path) -> None:
    report = notebook(tmp_path / "run", number=None)
    assert (report.hot_lines[0].file, report.hot_lines[0].source) == (DATA, TEXT[2].strip())
    assert [row.where for row in card.prepare(report).lines] == ["notebook cell, line 3"]
