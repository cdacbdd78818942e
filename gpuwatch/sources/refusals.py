"""Why a running process cannot be looked into, with what a person can do about it; asked before anything is tried."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from gpuwatch.sources import running
from gpuwatch.sources.running import Running

_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
_CAP_SYS_PTRACE = 1 << 19


class Refusal(NamedTuple):
    """Why, as a clause about the process, and what to do."""

    reason: str
    remedy: str


def why_not_watched(process: Running | None, pid: int, proc: str = "/proc") -> Refusal | None:
    """Return why nothing at all can be learnt of a process, or None."""
    if process is None:
        return Refusal(
            f"there is no process {pid}",
            "`gpuwatch attach` lists the trainings that run; in a container its own numbers count",
        )
    if process.state in "ZX":
        return Refusal(
            f"process {pid} has ended and waits for its parent (a zombie)",
            f"Look at its parent, process {process.ppid}, or run it again under `gpuwatch run --`",
        )
    if not process.command and running.uses_torch(pid, proc) is not True:
        return Refusal(f"process {pid} ({process.name}) is a kernel thread", "Name the process that trains")
    return None


def why_no_stacks(process: Running, proc: str = "/proc") -> Refusal | None:
    """Return why its stacks cannot be read, though /proc tells of it; None where nothing is known against it."""
    who = f"process {process.pid}"
    if process.uid != os.geteuid() and not _may_trace():
        return Refusal(
            f"{who} belongs to another user ({_user(process.uid)}), whose memory may not be read",
            f"Run gpuwatch as that user, or as root: sudo gpuwatch attach {process.pid}",
        )
    python = running.is_python(process.pid, proc)
    if python is None and not _may_trace():
        return Refusal(
            f"{who} does not let others read its memory (it runs with other rights, or is protected)",
            f"Run as root: sudo gpuwatch attach {process.pid}",
        )
    if python is False:
        return Refusal(f"{who} ({process.name}) does not run Python", "Name the Python process that trains")
    return _by_yama(process)


def _by_yama(process: Running) -> Refusal | None:
    """Return what the kernel's Yama forbids: 1 allows ancestors only, 2 administrators, 3 no process."""
    scope = _scope()
    if scope in ("", "0") or (scope in ("1", "2") and _may_trace()):
        return None
    if scope == "3":
        return Refusal(
            "the kernel forbids reading other processes for good (kernel.yama.ptrace_scope = 3)",
            "It can only be lifted by a reboot: run the training under `gpuwatch run --`",
        )
    return Refusal(
        f"the kernel lets no process read process {process.pid} that did not start it (kernel.yama.ptrace_scope = {scope})",
        f"Run as root (sudo gpuwatch attach {process.pid}), or allow it: sudo sysctl kernel.yama.ptrace_scope=0",
    )


def explained(said: str, process: Running) -> Refusal:
    """Return py-spy's own complaint with what to do about it."""
    words = said.lower()
    if "permission denied" in words or "not permitted" in words:
        return Refusal(
            f"process {process.pid} may not be read ({said})",
            f"Run as root (sudo gpuwatch attach {process.pid}); a container needs --cap-add SYS_PTRACE",
        )
    if "python version" in words or "unsupported version" in words or "find a python interpreter" in words:
        return Refusal(
            f"py-spy does not know the Python of process {process.pid} ({said})",
            "Update py-spy (pip install -U py-spy), or run the training under `gpuwatch run --`",
        )
    return Refusal(f"py-spy could not read process {process.pid} ({said})", "`gpuwatch doctor` says what works here")


def _scope() -> str:
    try:
        return Path(_SCOPE).read_text().strip()
    except OSError:
        return ""  # a kernel without Yama


def _may_trace() -> bool:
    """Say whether this process has CAP_SYS_PTRACE."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return os.geteuid() == 0
    held = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(held, 16) & _CAP_SYS_PTRACE)


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
