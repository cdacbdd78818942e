"""Who this process is: the spool's header. An allow-list of facts, never the environment; secrets masked."""

from __future__ import annotations

import os
import sys
import time

from ...words.masking import mask_arguments
from ...words.source_code import program_of
from ..process import command_line, process
from . import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_LONGEST_ARGUMENT = 300
_RANKS = {
    "rank": ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"),
    "local_rank": ("LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"),
    "world_size": ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"),
}
# torchrun's own id where none was given: it tells no job from another.
_NO_ID = ("", "none")


class Beginning:
    """When the hook entered a process that ran already; None where it was there from the start."""

    __slots__ = ("at_ns",)

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Be there from the child's start."""
        self.at_ns: int | None = None


beginning = process.own(Beginning())


def header() -> dict[str, Any]:
    """Return the spool header of this process, all but the columns."""
    facts: dict[str, Any] = {
        "format": columns.FORMAT,
        "writer": "hook",
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "host": os.uname().nodename,
        "mono_ns": time.monotonic_ns(),
        "wall_ns": time.time_ns(),
        "process_start_ns": beginning.at_ns or process_start_ns(),
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "executable": sys.executable,
        "program": program_of(command_line()),
        "argv": [_cut(argument) for argument in mask_arguments(command_line())],
    }
    facts.update(ranks())
    facts["job"] = job()
    return facts


def job() -> dict[str, str]:
    """Return what the launcher calls this job, by which the runs of its nodes belong together; empty without a launcher.

    `round`: how often the elastic agent had started its ranks before."""
    environ = os.environ
    found = {}
    if environ.get("TORCHELASTIC_RUN_ID", "") not in _NO_ID:
        found["elastic"] = environ["TORCHELASTIC_RUN_ID"]
    if environ.get("SLURM_JOB_ID"):
        found["slurm"] = "{}.{}".format(environ["SLURM_JOB_ID"], environ.get("SLURM_STEP_ID") or "batch")
    if environ.get("MASTER_ADDR") and environ.get("MASTER_PORT"):
        found["address"] = "{}:{}".format(environ["MASTER_ADDR"], environ["MASTER_PORT"])
    if environ.get("TORCHELASTIC_RESTART_COUNT"):
        found["round"] = environ["TORCHELASTIC_RESTART_COUNT"]
    return {name: _cut(value) for name, value in found.items()}


def _cut(argument: str) -> str:
    return argument if len(argument) <= _LONGEST_ARGUMENT else argument[:_LONGEST_ARGUMENT] + "…"


def ranks() -> dict[str, int | None]:
    """Return rank, local_rank and world_size as the launcher's environment has them; None where it does not."""
    return {name: _first_number(variables) for name, variables in _RANKS.items()}


def _first_number(variables: Iterable[str]) -> int | None:
    for variable in variables:
        value = os.environ.get(variable, "")
        if value.isdigit():
            return int(value)
    return None


def process_start_ns() -> int | None:
    """Return when the process started, on the monotonic clock; None where there is no /proc."""
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        since_boot_ns = ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        slept_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
        return since_boot_ns - slept_ns
    except (OSError, ValueError, IndexError, AttributeError):
        return None
