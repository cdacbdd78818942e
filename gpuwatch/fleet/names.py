"""By what runs are grouped and chosen: whose run it is, of which script and project. From its metadata alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePosixPath

from gpuwatch.model.recording import RunInfo

_SCRIPTS = (".py", ".sh", ".ipynb")
# What starts other commands: the command's own name comes after it.
_LAUNCHERS = frozenset(
    (
        "env",
        "uv",
        "run",
        "srun",
        "mpirun",
        "torchrun",
        "accelerate",
        "launch",
        "python",
        "python3",
        "bash",
        "sh",
        "nice",
    )
)


def script_of(command: Sequence[str]) -> str:
    """Return what a command runs: the first script in it, else the module behind the last -m, else the program's name."""
    found = next((word for word in command if word.endswith(_SCRIPTS) and not word.startswith("-")), None)
    if found is not None:
        return os.path.basename(found)
    modules = [command[at + 1] for at, word in enumerate(command[:-1]) if word == "-m"]
    if modules:
        return modules[-1]
    named = [os.path.basename(word) for word in command if word and not word.startswith("-")]
    return next((name for name in named if name not in _LAUNCHERS), named[0] if named else "?")


def project_of(info: RunInfo) -> str | None:
    """Return the name of the folder that the command ran in."""
    return PurePosixPath(info.cwd).name or None


def identity_of(info: RunInfo) -> dict[str, str | None]:
    """Return whose run it is, and where it ran, by the columns of `runs`."""
    known = info.identity or {}
    job = known.get("slurm_job")
    if "slurm_array_job" in known and "slurm_array_index" in known:
        job = f"{known['slurm_array_job']}_{known['slurm_array_index']}"
    return {
        "host": known.get("kubernetes_node") or info.host,
        "user": known.get("slurm_user") or known.get("user"),
        "project": project_of(info),
        "commit": known.get("git_commit"),
        "changed": known.get("git_changed"),
        "job": info.job or job,
        "partition": known.get("slurm_partition"),
        "namespace": known.get("namespace"),
        "pod": known.get("pod"),
        "image": known.get("image"),
    }
