"""Where the tasks of one job meet, and who of those that left a mark there still runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpuwatch.tasks import Election, meeting_place
from gpuwatch.words.tasks import mark, tasks_in


def test_a_mark_that_a_killed_supervisor_left_is_no_task(tmp_path: Path) -> None:
    (tmp_path / str(os.getpid())).write_text(mark(tmp_path / "run"))
    (tmp_path / "1").write_text(f"1234567890 {tmp_path / 'other'}")
    (tmp_path / str(2**22 + 1)).write_text(f"5 {tmp_path / 'gone'}")
    (tmp_path / "lock").touch()
    assert tasks_in(tmp_path) == {os.getpid(): tmp_path / "run"}
    assert tasks_in(tmp_path / "nowhere") == {}


def test_only_tasks_of_several_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_JOB_ID", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert meeting_place("vision", environ) is None
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert meeting_place(None, environ) is None
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    place = meeting_place(None, environ)
    assert place is not None and place.parent.parent == tmp_path
    assert place != meeting_place("vision", environ)


def test_a_folder_that_others_may_use_is_no_meeting_place(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(PermissionError):
        Election(tmp_path / "open" / "job", tmp_path, lambda lock: None)
