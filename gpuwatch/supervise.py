"""Run a command so that it cannot tell: same terminal, process group, signals, exit status.

The command is started in our own process group with our stdin, stdout and stderr. A signal that the terminal
sent has reached the command already (the kernel signals the whole foreground group); one that another process
sent to us alone is passed on. Nothing here ends the command, not even our own end.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gpuwatch.records import dataclass

NOT_EXECUTABLE = 126
NOT_FOUND = 127
_SI_KERNEL = 0x80
_PR_SET_CHILD_SUBREAPER = 36
_TICK_S = 1.0

# Everything a person or a scheduler sends. Not SIGTSTP, SIGTTIN, SIGTTOU: stopping is the terminal's and the shell's affair.
_FORWARDED = frozenset(
    {
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGALRM,
        signal.SIGCONT,
        signal.SIGWINCH,
        signal.SIGXCPU,
        *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
    }
)


class CannotStart(Exception):
    """The command could not be started; `exit_code` is what a shell would give (126, 127)."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended: one of `exit_code` and `signal` is set; `ended_ns` is monotonic."""

    exit_code: int | None
    signal: int | None
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Stdio:
    """Descriptors for the command's stdin, stdout and stderr; None inherits ours."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None

    def actions(self) -> list[tuple[int, int, int]]:
        """Return them as posix_spawn's file actions."""
        given = ((self.stdin, 0), (self.stdout, 1), (self.stderr, 2))
        return [(os.POSIX_SPAWN_DUP2, source, target) for source, target in given if source is not None]


def supervise(
    command: Sequence[str],
    environment: Mapping[str, str],
    started: Callable[[int], None] = lambda pid: None,
    stdio: Stdio | None = None,
) -> Ended:
    """Start the command, wait for it, return how it ended.

    `started` is called with its pid when it runs; what goes wrong in there must not concern the command and is
    the caller's to catch. Raises CannotStart."""
    caught = _FORWARDED | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, caught)
    try:
        _adopt_orphans()
        pid = _spawn(command, environment, before, stdio or Stdio())
        # Whoever started us may ignore SIGCHLD: the kernel would then reap the command and lose its status.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        started(pid)
        status = _wait(pid, caught)
        ended_ns = time.monotonic_ns()
        _drain(caught)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if os.WIFSIGNALED(status):
        return Ended(None, os.WTERMSIG(status), ended_ns)
    return Ended(os.WEXITSTATUS(status), None, ended_ns)


def _adopt_orphans() -> None:
    # Daemonised grandchildren stay descendants: the sampler finds them, and Yama lets an ancestor look at their stacks.
    try:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        pass


def _spawn(command: Sequence[str], environment: Mapping[str, str], mask: Sequence[int] | set[int], stdio: Stdio) -> int:
    # The interpreter ignores these two for itself; an exec would hand that on. What was ignored before us (nohup) stays so.
    defaults = [number for number in (signal.SIGPIPE, signal.SIGXFSZ) if signal.getsignal(number) == signal.SIG_IGN]
    program = _find(command[0], environment)
    try:
        return os.posix_spawn(
            program, list(command), dict(environment), file_actions=stdio.actions(), setsigmask=mask, setsigdef=defaults
        )
    except FileNotFoundError:
        raise CannotStart(
            f"{command[0]}: no such file, or its interpreter (first line) is missing", NOT_FOUND
        ) from None
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            return _spawn_script(program, command, environment, mask, stdio, defaults)
        raise CannotStart(f"{command[0]}: {_reason(error, program)}", NOT_EXECUTABLE) from None


def _spawn_script(
    program: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    mask: Sequence[int] | set[int],
    stdio: Stdio,
    defaults: list[signal.Signals],
) -> int:
    # A script without a first line: a shell runs it itself, and so do execvp(3) and nohup.
    arguments = ["/bin/sh", program, *command[1:]]
    return os.posix_spawn(
        "/bin/sh", arguments, dict(environment), file_actions=stdio.actions(), setsigmask=mask, setsigdef=defaults
    )


def _reason(error: OSError, program: str) -> str:
    if os.path.isdir(program):
        return "is a folder"
    return (error.strerror or str(error)).lower()


def _find(name: str, environment: Mapping[str, str]) -> str:
    """Return the program's path as a shell finds it on the command's own PATH. Raises CannotStart."""
    if "/" in name:
        return name
    found_unusable = None
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or ".", name)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            found_unusable = found_unusable or path
    if found_unusable:
        raise CannotStart(f"{found_unusable}: permission denied", NOT_EXECUTABLE)
    raise CannotStart(f"{name}: command not found", NOT_FOUND)


def _wait(pid: int, caught: frozenset[int]) -> int:
    while True:
        status = _reap(pid)
        if status is not None:
            return status
        # SIGCHLD is blocked and so waits for us; the tick is for the case that another thread of ours took it.
        received = signal.sigtimedwait(caught, _TICK_S)
        if received is not None and received.si_signo != signal.SIGCHLD:
            _forward(received, pid)


def _reap(pid: int) -> int | None:
    while True:
        try:
            reaped, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            # Reaped by the kernel before SIGCHLD was ours: the status is lost.
            return 0
        if reaped == pid:
            return status
        if reaped == 0:
            return None


def _forward(received: signal.struct_siginfo, pid: int) -> None:
    if _has_it_already(received, pid):
        return
    try:
        os.kill(pid, received.si_signo)
    except OSError:
        # Gone in the meantime, or another user's (sudo): nothing to tell.
        pass


def _has_it_already(received: signal.struct_siginfo, pid: int) -> bool:
    if received.si_pid == pid:
        return True
    if received.si_signo == signal.SIGCONT:
        # `fg` continues the whole group; a second SIGCONT would run the command's own handler twice.
        return not _is_stopped(pid)
    if received.si_code != _SI_KERNEL:
        return False
    # A hang-up goes to the session's leader alone.
    return not (received.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid())


def _is_stopped(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] == "T"


def _drain(caught: frozenset[int]) -> None:
    # A second Ctrl-C meant for the command must not interrupt the report.
    while signal.sigtimedwait(caught, 0) is not None:
        pass


def outside_tool_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the tool's own `bin` off PATH when `uvx` put it there.

    Otherwise `uvx gpuwatch run -- python train.py` would train with the tool's Python."""
    result = dict(environment)
    own = os.path.join(sys.prefix, "bin")
    if "UV" in result and result.get("VIRTUAL_ENV") != sys.prefix:
        folders = result.get("PATH", "").split(os.pathsep)
        result["PATH"] = os.pathsep.join(folder for folder in folders if folder.rstrip("/") != own)
    return result


def exit_as(ended: Ended) -> int:
    """Die by the signal that ended the command, or return its exit code for our own exit.

    Where a signal cannot end us (as PID 1 of a container) the shell's 128 + n is returned."""
    if ended.signal is None:
        return ended.exit_code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        signal.signal(ended.signal, signal.SIG_DFL)
    except (OSError, ValueError):
        pass
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {ended.signal})
    os.kill(os.getpid(), ended.signal)
    return 128 + ended.signal
