"""Where Yama keeps all but ancestors out, each process of the run permits gpuwatch's supervisor, and no other process."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.entry import ptrace

PR_SET_PTRACER = 0x59616D61  # <linux/prctl.h>: "Yama"
SUPERVISOR = 4321
YAMA = Path("/proc/sys/kernel/yama")


class Kernel:
    """Stands in for the C library: notes what prctl is called with, and in which process."""

    def __init__(self, note: Path) -> None:
        self.note = note

    def __call__(self, name: object) -> Kernel:
        assert name is None
        return self

    def prctl(self, option: int, pid: Any, *rest: int) -> int:
        with self.note.open("a") as file:
            file.write(json.dumps([os.getpid(), option, pid.value, *rest]) + "\n")
        return 0


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A kernel with Yama in a mode, a run folder, and what was asked of that kernel."""
    note = tmp_path / "prctl"
    monkeypatch.setattr(ctypes, "CDLL", Kernel(note))
    monkeypatch.setattr(ptrace.permission, "supervisor", None)
    monkeypatch.setenv("GPUWATCH_RUN", str(tmp_path))
    (tmp_path / "run.json").write_text(json.dumps({"supervisor_pid": SUPERVISOR}))

    def of(scope: str | None) -> list[Any]:
        monkeypatch.setattr(ptrace, "_SCOPE", str(tmp_path / "ptrace_scope"))
        if scope is not None:
            (tmp_path / "ptrace_scope").write_text(scope)
        ptrace.on_import("torch.utils.data.dataloader", None)
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        calls = [json.loads(line) for line in note.read_text().splitlines()] if note.exists() else []
        return [
            ["child" if call[0] == pid else "self" if call[0] == os.getpid() else call[0], *call[1:]] for call in calls
        ]

    return of


def test_the_supervisor_is_permitted_in_the_trainer_and_in_what_it_forks(asked: Any) -> None:
    assert asked("1\n") == [
        ["self", PR_SET_PTRACER, SUPERVISOR, 0, 0, 0],
        ["child", PR_SET_PTRACER, SUPERVISOR, 0, 0, 0],
    ]


def test_a_training_that_records_itself_permits_its_sampler_until_it_has(asked: Any, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"supervisor_pid": os.getpid(), "sampler_pid": 77}))
    assert asked("1\n")[0] == ["self", PR_SET_PTRACER, 77, 0, 0, 0]
    ptrace.permission.take_back()
    last = json.loads((tmp_path / "prctl").read_text().splitlines()[-1])
    assert last == [os.getpid(), PR_SET_PTRACER, 0, 0, 0, 0] and ptrace.permission.supervisor is None


@pytest.mark.parametrize("scope", [None, "0\n", "2\n", "3\n", "garbage"])
def test_nothing_is_asked_where_it_is_not_needed_or_cannot_help(asked: Any, scope: str | None) -> None:
    assert asked(scope) == []


@pytest.mark.parametrize("info", ["", "{", "[]", '{"supervisor_pid": null}', '{"supervisor_pid": "x"}'])
def test_without_a_readable_supervisor_nobody_is_permitted(asked: Any, tmp_path: Path, info: str) -> None:
    (tmp_path / "run.json").write_text(info)
    assert asked("1\n") == []


def test_a_kernel_or_library_without_it_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[object] = []

    def missing(name: object) -> None:
        wanted.append(name)
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    ptrace.allow(SUPERVISOR)
    assert wanted == [None]


def test_this_kernel_takes_the_call_where_it_has_yama(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    answers: list[int] = []

    class Listening:
        def prctl(self, *arguments: Any) -> None:
            answers.append(0 if library.prctl(*arguments) == 0 else ctypes.get_errno())

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Listening())
    ptrace.allow(os.getpid())
    ptrace.allow(0)  # takes the permission back
    assert answers == [0 if YAMA.exists() else errno.EINVAL] * 2
