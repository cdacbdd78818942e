"""Why a process cannot be looked into: one clear line for each reason, with the remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from gpuwatch.sources import refusals, running
from gpuwatch.sources.running import Running

MINE = Running(4711, 1, 1000, "S", "python", 10, 0, 0, 0, ("python", "train.py"))


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A user without rights over others, whose process is a Python with torch."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(refusals, "_may_trace", lambda: False)
    monkeypatch.setattr(refusals, "_scope", lambda: "0")
    monkeypatch.setattr(running, "is_python", lambda pid, proc="/proc": True)
    return monkeypatch


def test_no_such_process_says_where_to_find_one() -> None:
    refusal = refusals.why_not_watched(None, 4711)
    assert refusal is not None
    assert refusal.reason == "there is no process 4711"
    assert "`gpuwatch attach` lists the trainings" in refusal.remedy


def test_a_zombie_names_its_parent() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    refusal = refusals.why_not_watched(running.read(child.pid), child.pid)
    assert child.wait() == 0
    assert refusal is not None and "zombie" in refusal.reason and f"process {os.getpid()}" in refusal.remedy


def test_a_kernel_thread_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = refusals.why_not_watched(replace(MINE, name="kworker", command=()), 4711)
    assert refusal is not None and "kernel thread" in refusal.reason


def test_ones_own_process_is_refused_nothing(ordinary: pytest.MonkeyPatch) -> None:
    assert refusals.why_not_watched(MINE, 4711) is None
    assert refusals.why_no_stacks(MINE) is None


def test_another_users_process_needs_root(ordinary: pytest.MonkeyPatch) -> None:
    refusal = refusals.why_no_stacks(replace(MINE, uid=0))
    assert refusal is not None
    assert "belongs to another user (root)" in refusal.reason
    assert refusal.remedy.endswith("sudo gpuwatch attach 4711")


@pytest.mark.parametrize(
    ("scope", "remedy"),
    [("1", "sudo sysctl kernel.yama.ptrace_scope=0"), ("2", "sudo gpuwatch attach 4711"), ("3", "reboot")],
)
def test_yama_names_its_setting_and_how_to_lift_it(ordinary: pytest.MonkeyPatch, scope: str, remedy: str) -> None:
    ordinary.setattr(refusals, "_scope", lambda: scope)
    refusal = refusals.why_no_stacks(MINE)
    assert refusal is not None
    assert f"ptrace_scope = {scope}" in refusal.reason and remedy in refusal.remedy


def test_who_may_trace_is_not_kept_by_yama_below_three(ordinary: pytest.MonkeyPatch) -> None:
    ordinary.setattr(refusals, "_may_trace", lambda: True)
    ordinary.setattr(refusals, "_scope", lambda: "2")
    assert refusals.why_no_stacks(MINE) is None


def test_another_language_is_said_to_be_one(ordinary: pytest.MonkeyPatch) -> None:
    ordinary.setattr(running, "is_python", lambda pid, proc="/proc": False)
    refusal = refusals.why_no_stacks(replace(MINE, name="java"))
    assert refusal is not None and "does not run Python" in refusal.reason


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("Error: Permission denied (os error 13)", "--cap-add SYS_PTRACE"),
        ("Unsupported version of Python: 3.99.0", "Update py-spy"),
        ("something else", "gpuwatch doctor"),
    ],
)
def test_py_spys_own_complaint_gets_a_remedy(said: str, remedy: str) -> None:
    refusal = refusals.explained(said, MINE)
    assert said in refusal.reason and remedy in refusal.remedy
