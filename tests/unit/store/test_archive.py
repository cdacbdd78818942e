"""Packing writes into the run folder and nowhere else, whatever lies in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpuwatch.store import archive
from gpuwatch.store.reader import read
from tests.spools import FakeRun


def small_run(path: Path) -> Path:
    run = FakeRun(path)
    run.trainer().loop(batches=5)
    return run.write()


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    path, precious = small_run(tmp_path / "run"), tmp_path / "precious"
    precious.write_text("mine")
    (file,) = (path / "spool").iterdir()
    for name in (f".{file.name}.gz", f"{file.name}.gz"):
        (path / "spool" / name).symlink_to(precious)
    archive.pack(path)
    assert precious.read_text() == "mine" and not precious.is_symlink()
    (packed,) = (path / "spool").iterdir()
    assert not packed.is_symlink() and len(read(path).logs) == 1


def test_a_spool_that_is_a_link_is_not_packed(tmp_path: Path) -> None:
    path, other = small_run(tmp_path / "run"), small_run(tmp_path / "other")
    for file in (path / "spool").iterdir():
        file.unlink()
    (path / "spool").rmdir()
    (path / "spool").symlink_to(other / "spool")
    with pytest.raises(OSError, match="its spool is a link"):
        archive.pack(path)
    assert all(file.suffix == ".jsonl" for file in (other / "spool").iterdir())


def test_what_is_no_file_is_not_packed(tmp_path: Path) -> None:
    path = small_run(tmp_path)
    os.mkfifo(path / "spool" / "1-1.jsonl")
    with pytest.raises(OSError, match="no file"):
        archive.pack(path)


def test_packed_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    path = small_run(tmp_path)
    before = os.umask(0)
    try:
        archive.pack(path)
    finally:
        os.umask(before)
    assert [file.stat().st_mode & 0o777 for file in (path / "spool").iterdir()] == [0o600]
