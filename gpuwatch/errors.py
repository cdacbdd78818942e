"""The errors a person can cause or cure: each says what happened and what to do next, in one line."""

from __future__ import annotations


class GpuwatchError(Exception):
    """Base of gpuwatch's errors. `exit_code` is what the command line ends with."""

    exit_code = 1

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(f"{what}. {next_step}".rstrip() if next_step else what)
        self.what = what
        self.next_step = next_step


class UsageError(GpuwatchError):
    """The call itself is wrong (option, expression, configuration)."""

    exit_code = 2


class RunNotFound(GpuwatchError):
    """No run of that name, id or path."""

    exit_code = 2


class NotARun(GpuwatchError):
    """The folder is not a run folder, or of a version that this gpuwatch cannot read."""

    exit_code = 2


class OtherVersion(NotARun):
    """The folder's `run.json` is of another version of gpuwatch, or of another program."""


class Unavailable(GpuwatchError):
    """Something this machine or environment does not offer (NVML, py-spy, ptrace, a library)."""

    exit_code = 1
