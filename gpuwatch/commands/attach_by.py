"""Which processes `gpuwatch attach` means by a GPU, a control group or a Slurm job."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gpuwatch.errors import UsageError
from gpuwatch.sources import running
from gpuwatch.sources.nvml_library import Library, NvmlError

_LIST = "`gpuwatch attach` without a number lists the trainings that run"
_CGROUPS = "/sys/fs/cgroup"


def gpu(index: int) -> list[int]:
    """Return the processes on a GPU. In a container NVML may give numbers of the host: one counts only where the process
    of that number here has a GPU open; where none has, those do that have this GPU's device file open."""
    try:
        library = Library()
    except NvmlError as error:
        raise UsageError(f"--gpu {index}: {error.reason}", "Name the process by its number") from None
    try:
        handle = library.call("nvmlDeviceGetHandleByIndex", index)
        named = [int(one.pid) for one in library.call("nvmlDeviceGetComputeRunningProcesses", handle)]
        minor = int(library.call("nvmlDeviceGetMinorNumber", handle))
    except NvmlError as error:
        raise UsageError(f"--gpu {index}: {error.reason}", "`gpuwatch doctor` lists the GPUs here") from None
    finally:
        library.close()
    here = [pid for pid in named if running.nvidia_devices(pid)]
    found = here or [pid for pid in running.everyone() if minor in running.nvidia_devices(pid)]
    return _with_torch(found, f"no process that runs torch here computes on GPU {index}")


def cgroup(path: str) -> list[int]:
    """Return the processes of a control group, given by its folder or as /proc/PID/cgroup names it."""
    folders = [path, f"{_CGROUPS}/{path.lstrip('/')}"]
    folder = next((each for each in folders if Path(each, "cgroup.procs").exists()), None)
    if folder is None:
        raise UsageError(f"--cgroup {path}: there is no such control group", "Name its folder below /sys/fs/cgroup")
    return _with_torch(running.cgroup_members(folder), f"no process of the control group {path} runs torch")


def slurm(job: str) -> list[int]:
    """Return the processes of a Slurm job on this node, by their environment."""
    mark = f"SLURM_JOB_ID={job}".encode()
    found = [pid for pid in running.everyone() if mark in _environment(pid)]
    return _with_torch(found, f"no process of Slurm job {job} that runs torch was found on this node")


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _with_torch(pids: Iterable[int], otherwise: str) -> list[int]:
    """Return the processes that run torch, of which no other one is an ancestor. Raises UsageError where there is none."""
    known = {pid for pid in pids if pid != os.getpid() and running.uses_torch(pid)}
    everyone = running.everyone()
    below = {pid for each in known for pid in running.below(each, everyone)}
    if not known - below:
        raise UsageError(otherwise, _LIST)
    return sorted(known - below)
