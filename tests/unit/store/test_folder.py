from __future__ import annotations

import dataclasses
import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gpuwatch.errors import NotARun, RunNotFound
from gpuwatch.model.recording import RunInfo
from gpuwatch.store import folder, liveness


def _run(base: Path, name: str | None = None, **changes: object) -> Path:
    path = folder.create(base, name).path
    info = dataclasses.replace(folder.new_info(path, ("python", "t.py"), name, "1"), **changes)  # type: ignore[arg-type]
    folder.write_info(path, info)
    return path


def test_a_run_folder_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    path = _run(tmp_path / ".gpuwatch", "my run/1")
    assert path.name.endswith("-my-run-1")
    assert {stat.S_IMODE(part.stat().st_mode) for part in (path, path / "boot", path / "spool")} == {0o700}
    assert stat.S_IMODE((path / "run.json").stat().st_mode) == 0o600
    assert (path.parent / ".gitignore").read_text() == "*\n"
    assert sorted(entry.name for entry in path.iterdir()) == [".room", "boot", "run.json", "spool"]


def test_the_room_that_is_kept_for_the_end_is_given_back(tmp_path: Path) -> None:
    path = _run(tmp_path)
    assert folder.free_room(path) is False
    assert sorted(entry.name for entry in path.iterdir()) == ["boot", "run.json", "spool"]


def test_a_file_system_that_cannot_allocate_is_written_to_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    created = folder.create(tmp_path / "runs")
    assert created.note is None and (created.path / ".room").stat().st_size == 16384


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_runs_of_others_in_a_shared_place_do_not_hide_ones_own(tmp_path: Path) -> None:
    base = tmp_path / "shared"
    theirs, mine = _run(base), _run(base)
    for path in (mine, *mine.rglob("*")):
        os.chown(path, 65534, 65534)
    for path in (base, *list(base.parents)[:4]):
        path.chmod(path.stat().st_mode | 0o055)

    def as_nobody(told: Path) -> str:
        pid = os.fork()
        if pid == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                told.write_text(folder.resolve(None, base).name)
            except RunNotFound as error:
                told.write_text(str(error))
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        return told.read_text()

    answer = tmp_path / "answer"
    answer.touch()
    answer.chmod(0o666)
    assert as_nobody(answer) == mine.name
    os.chown(mine, 0, 0)
    assert "may be read by you" in as_nobody(answer)
    assert folder.list_runs(base) == [theirs, mine]


def test_two_runs_of_one_second_do_not_meet(tmp_path: Path) -> None:
    assert len({_run(tmp_path) for _ in range(5)}) == 5


def test_a_hostile_name_stays_inside_the_folder(tmp_path: Path) -> None:
    for name in ("../../x", "/etc", "..", "\n", "a" * 300, "<b>"):
        assert folder.create(tmp_path, name).path.parent == tmp_path


def test_metadata_comes_back_as_it_was(tmp_path: Path) -> None:
    path = _run(tmp_path, "n", ended_ns=5, exit_code=3, state="finished")
    info = folder.read_info(path)
    assert isinstance(info, RunInfo)
    assert (info.command, info.name, info.exit_code, info.state) == (("python", "t.py"), "n", 3, "finished")


def test_a_secret_on_the_command_line_is_not_stored(tmp_path: Path) -> None:
    path = folder.create(tmp_path).path
    folder.write_info(path, folder.new_info(path, ("t", "--api-key", "hush"), None, "1"))
    assert "hush" not in (path / "run.json").read_text()


def test_a_run_is_found_by_id_name_prefix_path_and_as_the_newest(tmp_path: Path) -> None:
    first = _run(tmp_path, "base", started_wall_ns=1)
    again = _run(tmp_path, "base", started_wall_ns=2)
    last = _run(tmp_path, "other", started_wall_ns=3)
    (tmp_path / "not-a-run").mkdir()
    assert folder.list_runs(tmp_path) == [first, again, last]
    assert folder.resolve(None, tmp_path) == last
    assert folder.resolve("base", tmp_path) == again
    assert folder.resolve(first.name, tmp_path) == first
    assert folder.resolve(last.name[:-1], tmp_path) == last
    assert folder.resolve(str(first), tmp_path / "elsewhere") == first
    assert folder.resolve(str(first / "run.json"), tmp_path) == first


@pytest.mark.parametrize("run", ["2", "nothing"])
def test_what_fits_no_run_or_several_is_an_error_with_the_way_on(tmp_path: Path, run: str) -> None:
    _run(tmp_path)
    _run(tmp_path)
    with pytest.raises(RunNotFound, match=r"Give more of the id|gpuwatch runs"):
        folder.resolve(run, tmp_path)


def test_no_runs_at_all_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound, match="gpuwatch run --"):
        folder.resolve(None, tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "is not a run folder"),
        ("{", "is damaged"),
        ("[]", "holds a list"),
        ('{"schema": "gpuwatch.run/9"}', "gpuwatch.run/9"),
        ('{"schema": "gpuwatch.run/1", "id": "x"}', "lacks"),
        ('{"schema": "gpuwatch.run/1", "command": 3}', "command is 3"),
        ('{"name": "npm"}', "names no schema"),
    ],
)
def test_foreign_folders_are_refused_with_the_reason(tmp_path: Path, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(NotARun, match=told) as error:
        folder.resolve(str(tmp_path), tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "value"), [("started_ns", "x"), ("command", "python"), ("cwd", 7), ("host", None), ("exit_code", "a")]
)
def test_values_of_a_wrong_type_are_refused_by_name(tmp_path: Path, field: str, value: object) -> None:
    path = folder.create(tmp_path / "runs").path
    folder.write_info(path, folder.new_info(path, ("python",), None, "1"))
    raw = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(raw | {field: value}))
    with pytest.raises(NotARun, match=f"damaged: {field} is {value!r}"):
        folder.read_info(path)


def test_a_file_is_no_run_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotARun, match="is a file, not a run folder"):
        folder.resolve(str(tmp_path / "file"), tmp_path)


def test_a_folder_that_lost_its_metadata_is_found_by_its_path(tmp_path: Path) -> None:
    path = folder.create(tmp_path / "runs").path
    with pytest.raises(NotARun, match=r"no run\.json"):
        folder.resolve(str(path), tmp_path)
    (path / "spool" / "1-2.jsonl").write_text("{}\n")
    assert folder.resolve(str(path), tmp_path) == path


def test_fields_of_a_later_version_are_left_out(tmp_path: Path) -> None:
    path = _run(tmp_path)
    raw = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**raw, "invented": 1}))
    assert folder.read_info(path).command == ("python", "t.py")


def test_state_follows_the_processes(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ours = {"supervisor_pid": child.pid, "supervisor_start": liveness.start_ticks(child.pid)}
    path = _run(tmp_path, **ours)
    assert folder.read_info(path).state == "running"
    child.communicate(b"\n")
    assert folder.read_info(path).state == "lost"


def test_a_pid_in_use_again_or_of_another_boot_is_not_taken_for_the_run(tmp_path: Path) -> None:
    later = _run(tmp_path, supervisor_pid=os.getpid(), supervisor_start=1)
    rebooted = _run(tmp_path, boot_id="another")
    assert folder.read_info(later).state == "lost"
    assert folder.read_info(rebooted).state == "lost"


def test_a_run_of_another_host_runs_while_its_spool_grows(tmp_path: Path) -> None:
    path = _run(tmp_path, host="elsewhere", boot_id="theirs")
    assert folder.read_info(path).state == "lost"
    spool = path / "spool" / "sampler.jsonl"
    spool.write_text("{}\n")
    assert folder.read_info(path).state == "running"
    os.utime(spool, (1, 1))
    assert folder.read_info(path).state == "lost"
