"""The dataset: parts that appear whole, several writers, the newest rows of each run, small parts merged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gpuwatch.errors import GpuwatchError
from gpuwatch.fleet import dataset as module
from gpuwatch.fleet.columns import TABLES, Rows
from gpuwatch.fleet.dataset import Dataset
from gpuwatch.fleet.rows import rows_of
from tests.builders import make_report

pytest.importorskip("pyarrow")
ROOT = Path(__file__).parents[3]


def rows(run: str = "/runs/a", fingerprint: str = "1", minutes: int = 0, **changes: object) -> Rows:
    made = rows_of(make_report(), run, fingerprint)
    for row in made["runs"]:
        row |= {"read_at": datetime(2026, 11, 29, tzinfo=timezone.utc) + timedelta(minutes=minutes), **changes}
    return made


def fingerprints(dataset: Dataset) -> dict[str, str]:
    return {run: known.fingerprint for run, known in dataset.known().items() if not known.going_on}


def add(dataset: Dataset, *many: Rows) -> None:
    with dataset.writer() as writer:
        for each in many:
            writer.add(each)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "data")
    assert fingerprints(dataset) == {}
    add(dataset, rows("/runs/a", "1"), rows("/runs/b", "2"))
    assert fingerprints(dataset) == {"/runs/a": "1", "/runs/b": "2"}
    assert sorted(file.stem for file in dataset.parts()[0].iterdir()) == sorted(TABLES)


def test_looking_up_what_was_read_imports_no_pandas(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "data")
    add(dataset, rows())
    code = (
        "import sys; from pathlib import Path; from gpuwatch.fleet.collect import Dataset\n"
        "Dataset(Path(sys.argv[1])).known(); print([name for name in ('pandas', 'gpuwatch.analyze') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, dataset.folder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_newest_reading_counts_whichever_part_it_is_in(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "data")
    add(dataset, rows(fingerprint="new", minutes=5))
    add(dataset, rows(fingerprint="old"))
    assert fingerprints(dataset) == {"/runs/a": "new"}


def test_a_run_that_went_on_is_read_again(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "data")
    add(dataset, rows(state="running"))
    assert fingerprints(dataset) == {}
    add(dataset, rows(state="finished", minutes=1))
    assert fingerprints(dataset) == {"/runs/a": "1"}


def test_text_that_is_none_and_numbers_without_end_are_written(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "data")
    add(dataset, rows("/runs/\ud800", command="\udcff", exit_code=10**30, step_ms=float("inf")))
    assert list(fingerprints(dataset)) == ["/runs/?"]


def test_a_part_that_was_not_finished_is_none(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "data")
    add(dataset, rows())
    shutil.copytree(dataset.parts()[0], dataset.folder / ".part-1-x-1")
    assert len(dataset.parts()) == 1
    old = dataset.folder / ".part-1-x-1"
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    dataset.merge()
    assert not old.exists()


def test_an_interrupted_reading_keeps_what_it_had(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "data")
    with pytest.raises(KeyboardInterrupt), dataset.writer() as writer:
        writer.add(rows())
        raise KeyboardInterrupt
    assert fingerprints(dataset) == {"/runs/a": "1"}


def test_many_runs_become_several_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RUNS_OF_A_PART", 2)
    dataset = Dataset(tmp_path / "data")
    add(dataset, *(rows(f"/runs/{n}") for n in range(5)))
    assert [module.runs_of(part) for part in dataset.parts()] == [2, 2, 1]


def test_small_parts_are_merged_and_what_was_read_again_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SMALL_PARTS", 3)
    dataset = Dataset(tmp_path / "data")
    for n in range(4):
        add(dataset, rows("/runs/same", str(n), minutes=n), rows(f"/runs/{n}", "x", minutes=n))
    before = fingerprints(dataset)
    dataset.merge()
    (part,) = dataset.parts()
    assert fingerprints(dataset) == before and before["/runs/same"] == "3"
    assert module.runs_of(part) == 5
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(part / "runs.parquet").num_rows == 5


def test_nothing_is_merged_while_another_is_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SMALL_PARTS", 0)
    dataset = Dataset(tmp_path / "data")
    add(dataset, rows())
    parts = dataset.parts()
    with dataset._locked() as first:
        dataset.merge()
    assert first and dataset.parts() == parts


WRITER = """
import sys
from pathlib import Path
from gpuwatch.fleet import dataset as module
from tests.unit.fleet.test_dataset import add, rows
module.MOST_SMALL_PARTS = 4
dataset = module.Dataset(Path(sys.argv[1]))
for n in range(12):
    add(dataset, rows(f"/runs/{sys.argv[2]}-{n}"), rows("/runs/same", f"{sys.argv[2]}-{n}", minutes=n))
    dataset.merge()
"""


def test_several_writers_lose_nothing_of_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name], cwd=ROOT) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = fingerprints(Dataset(folder))
    assert set(found) == {"/runs/same", *(f"/runs/{name}-{n}" for name in "abc" for n in range(12))}
    assert found["/runs/same"].endswith("-11")


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(GpuwatchError, match="no dataset of gpuwatch"):
        Dataset(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["thesis.tex"]


def test_a_dataset_of_another_format_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / module.ABOUT).write_text('{"format": "gpuwatch.fleet-rows/9"}')
    with pytest.raises(GpuwatchError, match="fleet-rows/9"):
        Dataset(tmp_path)


def test_a_dataset_that_does_not_say_its_format_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / module.ABOUT).write_text("{")
    with pytest.raises(GpuwatchError, match="format None"):
        Dataset(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(GpuwatchError, match="cannot be used"):
        Dataset(tmp_path / "file" / "data")
