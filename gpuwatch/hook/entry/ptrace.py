"""Let gpuwatch's stack sampler read this process where Yama restricts ptrace to ancestors (ptrace_scope = 1).

The permission names gpuwatch's supervisor, and so its descendants, and no other process; where the training records itself,
its sampler. Source: the kernel's Yama document on PR_SET_PTRACER.
"""

from __future__ import annotations

import json
import os

from ..process import process

_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
_PR_SET_PTRACER = 0x59616D61


class Permission:
    """Which process may attach to this one; None where it needs no permission."""

    __slots__ = ("supervisor",)

    def __init__(self) -> None:
        self.supervisor: int | None = None

    def after_fork(self) -> None:
        """Give the permission again: it is not inherited."""
        if self.supervisor is not None:
            allow(self.supervisor)

    def take_back(self) -> None:
        """Allow no process any more."""
        if self.supervisor is not None:
            self.supervisor = None
            allow(0)


permission = process.own(Permission())


def on_import(name: str, module: object) -> None:
    """Give the permission, in this process and in every one forked from it."""
    if _scope() == "1":
        permission.supervisor = _supervisor()
        permission.after_fork()


def _scope() -> str | None:
    try:
        with open(_SCOPE) as file:
            return file.read().strip()
    except OSError:
        return None


def _supervisor() -> int | None:
    try:
        with open(os.path.join(os.environ["GPUWATCH_RUN"], "run.json")) as file:
            run = json.load(file)
            return int(run.get("sampler_pid") or run["supervisor_pid"]) or None
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return None


def allow(pid: int) -> None:
    """Let `pid` and its descendants attach; do nothing where the kernel has no such call."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(pid), 0, 0, 0)
    except Exception:
        pass  # stack samples are optional: the training goes on
