from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gpuwatch.sources.not_instrumented import UnenteredSource, cause, interpreter_flags, uses_torch

SECOND = 1_000_000_000
TORCH_MAPS = b"7f00-7f01 r-xp 00000000 00:00 1 /env/torch/lib/libtorch_python.so\n"


@dataclass
class Tree:
    members: dict[int, int] = field(default_factory=dict)
    hooked: set[int] = field(default_factory=set)
    runs: tuple[Path, ...] = ()


class Proc:
    """A made-up /proc."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "proc"
        self.run = folder / "runs" / "1"
        (self.run / "boot").mkdir(parents=True)

    def add(
        self,
        pid: int,
        *arguments: str,
        exe: str = "/usr/bin/python3.11",
        environ: dict[str, str] | None = None,
        maps: bytes = TORCH_MAPS,
        root: str = "/",
        user: int | None = None,
    ) -> Path:
        folder = self.path / str(pid)
        folder.mkdir(parents=True)
        given = {"GPUWATCH_RUN": str(self.run), "PYTHONPATH": f"{self.run}/boot:/x"} if environ is None else environ
        (folder / "environ").write_bytes(b"".join(f"{key}={value}\0".encode() for key, value in given.items()))
        (folder / "cmdline").write_bytes(b"".join(part.encode() + b"\0" for part in (arguments or ("python", "t.py"))))
        (folder / "maps").write_bytes(maps)
        (folder / "comm").write_text("python\n")
        user = os.getuid() if user is None else user
        (folder / "status").write_text(f"Name:\tpython\nUid:\t0\t{user}\t0\t0\nGid:\t0\t0\t0\t0\n")
        (folder / "exe").symlink_to(exe)
        (folder / "root").symlink_to(root)
        return folder


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def _reason(proc: Proc, pid: int = 7) -> str:
    found = cause(pid, proc.run, proc.path)
    assert found is not None
    assert found.remedy
    return found.reason


def test_an_entered_python_has_no_cause(proc: Proc) -> None:
    proc.add(7)
    assert cause(7, proc.run, proc.path) is None


def test_a_replaced_environment(proc: Proc) -> None:
    proc.add(7, environ={"PATH": "/bin"})
    assert "environment was replaced" in _reason(proc)


def test_a_replaced_pythonpath(proc: Proc) -> None:
    proc.add(7, environ={"GPUWATCH_RUN": str(proc.run), "PYTHONPATH": "/mine"})
    assert "PYTHONPATH was replaced" in _reason(proc)


def test_another_run(proc: Proc) -> None:
    proc.add(7, environ={"GPUWATCH_RUN": "/other/run", "PYTHONPATH": "/other/run/boot"})
    assert "another gpuwatch run" in _reason(proc)


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_isolating_flags(proc: Proc, flag: str) -> None:
    proc.add(7, "python", "-u", flag, "t.py")
    assert _reason(proc) == f"it was started with {flag}"


@pytest.mark.parametrize(
    ("exe", "told"),
    [
        ("/usr/bin/python3.6", "not a CPython 3.8"),
        ("/usr/bin/pypy3.10", "not a CPython"),
        ("/opt/app/trainer", "trainer is a frozen"),
    ],
)
def test_interpreters_that_the_hook_does_not_know(proc: Proc, exe: str, told: str) -> None:
    proc.add(7, exe=exe)
    assert told in _reason(proc)


def test_a_user_who_may_not_write_to_the_run_folder(proc: Proc) -> None:
    user = next(user for user in pwd.getpwall() if user.pw_uid not in (0, os.getuid()))
    proc.add(7, user=user.pw_uid, environ={"PATH": "/bin"})
    found = cause(7, proc.run, proc.path)
    assert found is not None and user.pw_name in found.reason and f"sudo -u {user.pw_name} gpuwatch" in found.remedy
    proc.run.chmod(0o777)
    assert "environment was replaced" in _reason(proc)
    proc.run.chmod(0o700)
    proc.add(8, user=4_000_000_000)
    assert "#4000000000" in _reason(proc, 8)


def test_a_python_that_may_not_be_looked_into_is_not_called_unentered(
    proc: Proc, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc.add(7)

    def refuse(_: str | Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "readlink", refuse)
    assert cause(7, proc.run, proc.path) is None


def test_a_container_that_does_not_see_the_run(proc: Proc, tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    proc.add(7, root=str(tmp_path / "image"))
    assert "container" in _reason(proc)


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        (["python", "t.py", "-I"], set()),
        (["python", "-Es", "t.py"], {"E", "s"}),
        (["python", "-W", "ignore", "-I", "t.py"], {"I"}),
        (["python", "-Wignore", "-X", "dev", "-E", "-m", "x", "-S"], {"E"}),
        (["python", "-uc", "pass", "-I"], {"u"}),
        (["python", "-", "-I"], set()),
        (["python", "--check-hash-based-pycs", "always", "-S", "t.py"], {"S"}),
        (["python"], set()),
    ],
)
def test_only_the_interpreters_own_flags_count(arguments: list[str], flags: set[str]) -> None:
    assert interpreter_flags(arguments) == flags


def test_a_python_without_torch_is_of_no_interest_until_it_loads_it(proc: Proc) -> None:
    folder = proc.add(7, environ={}, maps=b"libc.so\n")
    source = UnenteredSource(Tree({7: 1}), proc.run, proc=proc.path)  # type: ignore[arg-type]
    assert list(source.read(0)) == []
    (folder / "maps").write_bytes(TORCH_MAPS)
    (row,) = source.read(2 * SECOND)
    assert row[0] == "unentered"
    assert row[2:4] == [7, "python t.py"]
    assert list(source.read(9 * SECOND)) == []


def test_children_of_a_named_process_and_gpuwatchs_own_are_not_named(proc: Proc) -> None:
    for pid in (5, 7, 8):
        proc.add(pid, environ={})
    source = UnenteredSource(Tree({7: 1, 8: 7, 5: 1}), proc.run, {5}, proc=proc.path)  # type: ignore[arg-type]
    assert [row[2] for row in source.read(0)] == [7]
    assert list(source.read(60 * SECOND)) == []


def test_a_hooked_process_is_left_alone(proc: Proc) -> None:
    proc.add(7, environ={})
    source = UnenteredSource(Tree({7: 1}, {7}), proc.run, proc=proc.path)  # type: ignore[arg-type]
    assert list(source.read(0)) == []


def test_one_that_looks_entered_but_stays_silent_is_named_after_a_while(proc: Proc) -> None:
    proc.add(7)
    source = UnenteredSource(Tree({7: 1}), proc.run, proc=proc.path)  # type: ignore[arg-type]
    assert [list(source.read(second * SECOND)) for second in range(10)] == [[]] * 10
    (row,) = source.read(11 * SECOND)
    assert "sitecustomize" in row[4]


def test_a_process_that_ends_between_the_looks_is_forgotten(proc: Proc) -> None:
    tree = Tree({7: 1})
    source = UnenteredSource(tree, proc.run, proc=proc.path)  # type: ignore[arg-type]
    assert list(source.read(0)) == []
    tree.members.clear()
    assert list(source.read(SECOND)) == []
    proc.add(7, environ={})
    tree.members[7] = 1
    assert [row[2] for row in source.read(2 * SECOND)] == [7]


def test_a_secret_in_its_command_is_masked(proc: Proc) -> None:
    proc.add(7, "python", "t.py", "--api-key", "hush", environ={})
    (row,) = UnenteredSource(Tree({7: 1}), proc.run, proc=proc.path).read(0)  # type: ignore[arg-type]
    assert "hush" not in row[3]


def test_a_real_isolated_python_is_told_from_the_real_proc(tmp_path: Path) -> None:
    environment = {"GPUWATCH_RUN": str(tmp_path), "PYTHONPATH": str(tmp_path / "boot")}
    (tmp_path / "boot").mkdir()
    with subprocess.Popen(
        [sys.executable, "-I", "-c", "print(flush=True); input()"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = cause(child.pid, tmp_path)
        without_torch = uses_torch(child.pid)
        child.communicate(b"\n")
    assert found is not None
    assert found.reason == "it was started with -I"
    assert without_torch is False


def test_a_helper_that_torch_starts_for_itself_is_no_training(proc: Proc) -> None:
    environ = {"GPUWATCH_RUN": str(proc.run), "PYTHONPATH": "/usr/lib/python3"}
    worker = "/venv/lib/python3.10/site-packages/torch/_inductor/compile_worker/__main__.py"
    proc.add(7, "python", worker, "--workers=2", environ=environ, maps=TORCH_MAPS)
    proc.add(8, "python", "train.py", environ=environ, maps=TORCH_MAPS)
    source = UnenteredSource(Tree({7: 1, 8: 1}), proc.run, proc=proc.path)  # type: ignore[arg-type]
    assert [row[2] for row in source.read(0)] == [8]


def test_of_a_training_that_records_itself_what_ran_before_is_named_once_and_no_fork(proc: Proc) -> None:
    mine = {"PATH": "/bin"}
    # The training, two workers from before, then this process, a fork, and a program without the hook.
    started = {6: 100, 7: 200, 8: 200, os.getpid(): 300, 9: 400, 10: 400}
    for pid, ticks in started.items():
        folder = proc.add(pid, environ={"HOME": "/"} if pid == 10 else mine)
        (folder / "stat").write_text(f"{pid} (python) S 6 {'0 ' * 17}{ticks} 0\n")
    tree = Tree({6: 1, 7: 6, 8: 6, 9: 6, 10: 6}, {6})
    source = UnenteredSource(tree, proc.run, {6}, proc=proc.path, inside=6)  # type: ignore[arg-type]
    rows = {row[2]: row[4] for row in source.read(0)}
    assert rows.keys() == {7, 10}
    assert "before the recording began" in rows[7] and "environment was replaced" in rows[10]
    assert list(source.read(60 * SECOND)) == []
