"""Who this process is: the spool's header. An allow-list of facts, never the environment; secrets masked."""

from __future__ import annotations

import os
import re
import sys
import time

from . import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_MASK = "***"
_LONGEST_ARGUMENT = 300
_SECRET_NAME = re.compile(
    r"(?i)(^|[^a-z])(\w*(api|access|auth|private|secret)[-_]?(key|token|id)|token|secret|passw(or)?d|passwd|pwd|credentials?|\w+[-_]token|key)$"
)
_SECRET_VALUE = re.compile(
    r"^(hf_\w{16,}|sk-[\w-]{16,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|AKIA[0-9A-Z]{12,}"
    r"|eyJ[\w-]{10,}\.[\w.-]{10,}|[0-9a-f]{40}|local-[0-9a-f]{40})$"
)
_URL_PASSWORD = re.compile(r"(\w+://[^/\s:@]*):[^/\s@]+@")
_RANKS = {
    "rank": ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"),
    "local_rank": ("LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"),
    "world_size": ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"),
}


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
        "process_start_ns": process_start_ns(),
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "executable": sys.executable,
        "argv": mask_secrets(command_line()),
    }
    facts.update(ranks())
    return facts


def command_line() -> list[str]:
    """Return the arguments that this Python was started with, the interpreter first."""
    started = getattr(sys, "orig_argv", None)
    if started:
        return list(started)
    try:
        with open("/proc/self/cmdline", "rb") as file:
            return [os.fsdecode(part) for part in file.read().split(b"\0")[:-1]]
    except OSError:
        return list(getattr(sys, "argv", []))


def mask_secrets(arguments: Iterable[str]) -> list[str]:
    """Return `arguments` with values that look like secrets masked, and very long ones cut."""
    masked = []
    secret_follows = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if secret_follows and not argument.startswith("-"):
            argument = _MASK
        elif equals and (_SECRET_NAME.search(name) or _SECRET_VALUE.match(value)):
            argument = name + "=" + _MASK
        elif _SECRET_VALUE.match(argument):
            argument = _MASK
        secret_follows = not equals and argument.startswith("-") and bool(_SECRET_NAME.search(argument))
        masked.append(_cut(_URL_PASSWORD.sub(r"\1:" + _MASK + "@", argument)))
    return masked


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
