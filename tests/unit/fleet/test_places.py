"""Which run folders there are: at any depth, in stores that fsspec opens, and none that may not be read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gpuwatch.errors import GpuwatchError, RunNotFound
from gpuwatch.fleet.places import find_runs
from gpuwatch.fleet.reading import Unread, read_rows
from tests.fleets import write_run


def names(found: object) -> list[str]:
    return sorted(Path(run.path).name for run in found.runs)  # type: ignore[attr-defined]


def test_runs_are_found_at_any_depth_and_once(tmp_path: Path) -> None:
    for name in ("a", "nodes/x/b", ".gpuwatch/c"):
        write_run(tmp_path / name)
    (tmp_path / "nodes" / "notes.txt").write_text("x")
    (tmp_path / "again").symlink_to(tmp_path / "nodes")
    assert names(find_runs([str(tmp_path), str(tmp_path / "nodes")])) == ["a", "b", "c"]
    assert names(find_runs([str(tmp_path / "a")])) == ["a"]


def test_a_folder_of_another_program_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.json").write_text("{}")
    assert names(find_runs([str(tmp_path)])) == []


def test_a_run_whose_metadata_was_lost_is_one(tmp_path: Path) -> None:
    path = write_run(tmp_path / "lost")
    (path / "run.json").unlink()
    (path / "boot").mkdir()
    assert names(find_runs([str(tmp_path)])) == ["lost"]


def test_the_dataset_is_not_searched(tmp_path: Path) -> None:
    write_run(tmp_path / "dataset" / "odd")
    assert names(find_runs([str(tmp_path)], beside=tmp_path / "dataset")) == []


def test_a_place_that_is_none_is_said(tmp_path: Path) -> None:
    for place in (tmp_path / "nowhere", Path(__file__)):
        with pytest.raises(RunNotFound, match="folder of run folders"):
            find_runs([str(place)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_that_may_not_be_read_are_named(tmp_path: Path) -> None:
    closed = write_run(tmp_path / "theirs")
    closed.chmod(0)
    try:
        assert find_runs([str(tmp_path)]).closed == [str(closed)]
    finally:
        closed.chmod(0o700)


def test_a_fingerprint_changes_with_the_files_alone(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    first = find_runs([str(tmp_path)]).runs
    assert find_runs([str(tmp_path)]).runs == first
    log = next((path / "spool").iterdir())
    with log.open("a") as file:
        file.write('["tail"]\n')
    assert find_runs([str(tmp_path)]).runs[0].fingerprint != first[0].fingerprint


def test_another_version_of_gpuwatch_reads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "run")
    first = find_runs([str(tmp_path)]).runs[0].fingerprint
    monkeypatch.setattr("gpuwatch.fleet.places.own_version", lambda: "99")
    assert find_runs([str(tmp_path)]).runs[0].fingerprint != first


def test_a_store_is_searched_and_read_like_a_folder(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    path = write_run(tmp_path / "a")
    store = fsspec.filesystem("memory")
    store.put(str(path), "/bucket/team/run-a", recursive=True)
    store.put(str(path / "run.json"), "/bucket/other/run.json")
    try:
        (run,) = find_runs(["memory://bucket"]).runs
        assert run.path == "memory:///bucket/team/run-a"
        rows, here = read_rows(run), read_rows(find_runs([str(path)]).runs[0])
    finally:
        store.rm("/bucket", recursive=True)
    assert not isinstance(rows, Unread) and not isinstance(here, Unread)
    assert rows["runs"][0]["run"] == run.path
    assert [row["seconds"] for row in rows["ranks"]] == [row["seconds"] for row in here["ranks"]]


def test_a_store_that_fsspec_does_not_know_is_said() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(GpuwatchError, match="nosuch://x cannot be opened"):
        find_runs(["nosuch://x"])


def test_a_run_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    (found,) = find_runs([str(tmp_path)]).runs
    (path / "run.json").write_text('{"schema": "gpuwatch.run/99"}')
    unread = read_rows(found)
    assert isinstance(unread, Unread) and "gpuwatch.run/99" in unread.problem
    shutil.rmtree(path)
    assert isinstance(read_rows(found), Unread)
