"""The processes of this machine as /proc tells of them, from outside: nothing of theirs is touched, nor stopped."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gpuwatch.records import dataclass

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_TORCH = re.compile(rb"/(?:torch/lib/)?libtorch(?:_cpu|_python)?\.so")
_PYTHON = re.compile(rb"/libpython\d|/python\d[.\d]*$", re.MULTILINE)
_PYTHON_VERSION = re.compile(rb"/(?:lib)?python(\d\.\d+)")
_TORCH_PACKAGE = re.compile(rb" (/\S+/torch)/lib/libtorch")
_VERSION = re.compile(r"^__version__ = ['\"]([^'\"]+)['\"]", re.MULTILINE)
_DEVICE = re.compile(r"^/dev/nvidia(\d+)$")
# Of another process's environment nothing else is read.
_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
_SLURM_RANKS = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS")


@dataclass(frozen=True, slots=True)
class Running:
    """One process. `start_ticks` (since boot) tells it from a later one of the same number; `start_ns` is monotonic.

    `command` is empty for a kernel's thread and for a zombie."""

    pid: int
    ppid: int
    uid: int
    state: str
    name: str
    start_ticks: int
    start_ns: int
    cpu_ns: int
    rss_bytes: int
    command: tuple[str, ...]


def read(pid: int, proc: str = "/proc") -> Running | None:
    """Return what is known of a process; None when there is none of that number."""
    folder = Path(proc, str(pid))
    try:
        stat = (folder / "stat").read_bytes()
        uid = folder.stat().st_uid
        command = (folder / "cmdline").read_bytes()
        return _running(pid, uid, stat, command)
    except (OSError, ValueError, IndexError):
        return None


def _running(pid: int, uid: int, stat: bytes, command: bytes) -> Running:
    begin, end = stat.index(b"("), stat.rindex(b")")
    fields = stat[end + 2 :].split()
    ticks = int(fields[19])
    words = command.rstrip(b"\0").split(b"\0") if command else []
    return Running(
        pid=pid,
        ppid=int(fields[1]),
        uid=uid,
        state=fields[0].decode(),
        name=stat[begin + 1 : end].decode("utf-8", "replace"),
        start_ticks=ticks,
        start_ns=ticks * _TICK_NS,
        cpu_ns=(int(fields[11]) + int(fields[12])) * _TICK_NS,
        rss_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        command=tuple(word.decode("utf-8", "replace") for word in words),
    )


def everyone(proc: str = "/proc") -> dict[int, Running]:
    """Return every process of this pid namespace, by its number."""
    pids = [int(name) for name in os.listdir(proc) if name.isdecimal()]
    return {pid: found for pid in pids if (found := read(pid, proc)) is not None}


def below(pid: int, processes: dict[int, Running]) -> list[int]:
    """Return a process's descendants, parents before children."""
    children: dict[int, list[int]] = {}
    for each in processes.values():
        children.setdefault(each.ppid, []).append(each.pid)
    found, todo = [], sorted(children.get(pid, []))
    while todo:
        at = todo.pop(0)
        if at not in found and at != pid:
            found.append(at)
            todo += sorted(children.get(at, []))
    return found


def is_same(known: Running, proc: str = "/proc") -> bool:
    """Say whether a process still lives: its number may have gone to another one."""
    now = read(known.pid, proc)
    return now is not None and now.start_ticks == known.start_ticks and now.state not in "ZX"


def uses_torch(pid: int, proc: str = "/proc") -> bool | None:
    """Say whether a process has torch loaded; None where its memory map may not be read."""
    maps = _maps(pid, proc)
    return None if maps is None else bool(_TORCH.search(maps))


def is_python(pid: int, proc: str = "/proc") -> bool | None:
    """Say whether a process runs Python; None where that may not be read."""
    maps = _maps(pid, proc)
    return None if maps is None else bool(_PYTHON.search(maps))


def python_version(pid: int, proc: str = "/proc") -> str | None:
    """Return major and minor version of the Python that a process runs, by the files it has loaded."""
    found = _PYTHON_VERSION.search(_maps(pid, proc) or b"")
    return found[1].decode() if found else None


def torch_version(pid: int, proc: str = "/proc") -> str | None:
    """Return the version of the torch that a process has loaded, as its package says."""
    found = _TORCH_PACKAGE.search(_maps(pid, proc) or b"")
    if found is None:
        return None
    try:
        text = Path(f"{proc}/{pid}/root{os.fsdecode(found[1])}", "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    version = _VERSION.search(text)
    return version[1] if version else None


def nvidia_devices(pid: int, proc: str = "/proc") -> tuple[int, ...]:
    """Return the numbers of the GPUs whose device files a process has open: a CUDA context opens those that it sees."""
    found = set()
    try:
        for entry in os.scandir(f"{proc}/{pid}/fd"):
            opened = _DEVICE.match(_link(entry.path))
            if opened:
                found.add(int(opened[1]))
    except OSError:
        return ()
    return tuple(sorted(found))


def ranks_of(pid: int, proc: str = "/proc") -> tuple[int | None, int | None, int | None]:
    """Return rank, local rank and world size by a process's environment, None where a name is missing."""
    try:
        raw = Path(f"{proc}/{pid}/environ").read_bytes()
    except OSError:
        return None, None, None
    known = dict(entry.partition(b"=")[::2] for entry in raw.split(b"\0"))
    for names in (_RANKS, _SLURM_RANKS):
        values = [known.get(name.encode(), b"") for name in names]
        if all(value.isdigit() for value in values):
            rank, local, size = map(int, values)
            return rank, local, size
    return None, None, None


def working_folder(pid: int, proc: str = "/proc") -> str:
    """Return the folder that a process works in, empty where that may not be read."""
    return _link(f"{proc}/{pid}/cwd")


def cgroup_members(folder: str) -> list[int]:
    """Return the processes of a control group and of those below it. Raises OSError where there is no such group."""
    found: list[int] = []
    files = [Path(folder, "cgroup.procs"), *sorted(Path(folder).glob("*/**/cgroup.procs"))]
    for file in files:
        found += [int(line) for line in file.read_text().split()]
    return found


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _maps(pid: int, proc: str) -> bytes | None:
    try:
        return Path(f"{proc}/{pid}/maps").read_bytes()
    except OSError:
        return None
