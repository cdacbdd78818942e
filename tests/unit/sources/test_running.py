"""What /proc tells of a process that runs already."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from gpuwatch.sources import running


def test_this_process_is_read_as_what_it_is() -> None:
    found = running.read(os.getpid())
    assert found is not None
    assert (found.ppid, found.uid) == (os.getppid(), os.getuid())
    assert running.is_python(os.getpid()) is True
    assert running.python_version(os.getpid()) == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert running.working_folder(os.getpid()) == os.getcwd()


def test_a_number_that_went_to_another_process_is_not_the_same() -> None:
    found = running.read(os.getpid())
    assert found is not None and running.is_same(found)
    assert not running.is_same(replace(found, start_ticks=found.start_ticks - 1))


def test_there_is_nothing_to_read_of_a_process_that_is_gone(tmp_path: Path) -> None:
    assert running.read(4711, str(tmp_path)) is None
    assert running.uses_torch(4711, str(tmp_path)) is None
    assert running.ranks_of(4711, str(tmp_path)) == (None, None, None)


def environment(folder: Path, **values: str) -> str:
    (folder / "7").mkdir()
    raw = b"\0".join(f"{name}={value}".encode() for name, value in values.items())
    (folder / "7" / "environ").write_bytes(raw + b"\0")
    return str(folder)


def test_ranks_are_those_of_torchrun(tmp_path: Path) -> None:
    proc = environment(tmp_path, RANK="3", LOCAL_RANK="1", WORLD_SIZE="4", SLURM_PROCID="9", SECRET="x")
    assert running.ranks_of(7, proc) == (3, 1, 4)


def test_without_torchrun_they_are_those_of_slurm(tmp_path: Path) -> None:
    proc = environment(tmp_path, SLURM_PROCID="2", SLURM_LOCALID="0", SLURM_NTASKS="8")
    assert running.ranks_of(7, proc) == (2, 0, 8)


def test_torch_is_told_by_what_a_process_has_loaded(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    library = "7f00-7f01 r-xp 00000000 08:01 1   /env/lib/python3.12/site-packages/torch/lib/libtorch_cpu.so\n"
    (tmp_path / "7" / "maps").write_text(library)
    assert running.uses_torch(7, str(tmp_path)) is True
    assert running.python_version(7, str(tmp_path)) == "3.12"
    (tmp_path / "7" / "maps").write_text("7f00-7f01 r-xp 00000000 08:01 1   /usr/bin/java\n")
    assert running.uses_torch(7, str(tmp_path)) is False
    assert running.is_python(7, str(tmp_path)) is False


def test_members_of_a_control_group_are_those_below_it_too(tmp_path: Path) -> None:
    (tmp_path / "step" / "task").mkdir(parents=True)
    for folder, pids in ((tmp_path, ""), (tmp_path / "step", "5\n"), (tmp_path / "step" / "task", "7\n9\n")):
        (folder / "cgroup.procs").write_text(pids)
    assert sorted(running.cgroup_members(str(tmp_path))) == [5, 7, 9]
