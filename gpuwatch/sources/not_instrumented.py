"""Which processes of the run use torch without the hook in them, why, and what to do about it.

From /proc alone. A Python without torch is of no interest (a shell script may call many); whether torch is
there is read from the process's memory map, again and again at growing intervals until it is.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gpuwatch.records import dataclass
from gpuwatch.sources.base import Row
from gpuwatch.sources.tree import ProcessTree
from gpuwatch.words.masking import mask_arguments

_PYTHON = re.compile(r"^(?P<name>python|pypy)(?P<version>[\d.]*)")
_TORCH = re.compile(rb"/(libtorch_python|libtorch_cpu|libc10)[^/\n]*\.so")
# Helpers that torch and Python start for themselves, some with a PYTHONPATH of their own: they train nothing.
_HELPER = re.compile(r"torch[./]_inductor[./]compile_worker|multiprocessing\.(resource_tracker|forkserver)")
_OLDEST = (3, 8)
_COMMAND_CHARS = 200
_FIRST_LOOK_NS, _LAST_LOOK_NS = 250_000_000, 60_000_000_000
# A process that looks entered gets this long to open its spool file after torch was seen in it.
_PATIENCE_NS = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the hook is not in a process, and the cure."""

    reason: str
    remedy: str


def cause(pid: int, run: Path, proc: Path = Path("/proc")) -> Cause | None:
    """Return why the hook could not enter a process; None when nothing prevents it. Raises OSError when it is gone."""
    folder = proc / str(pid)
    try:
        reported = _of_user(folder, run) or _of_environment(_environment(folder), run)
        return reported or _of_interpreter(folder) or _of_root(folder, run)
    except PermissionError:  # a program that lets nobody look into it: the hook may be in it all the same
        return None


def _of_user(folder: Path, run: Path) -> Cause | None:
    """Tell whether the process's user may not write where the hook would."""
    user = next(
        int(line.split()[2]) for line in (folder / "status").read_text().splitlines() if line.startswith("Uid:")
    )
    kept = run.stat()
    if user in (0, kept.st_uid) or kept.st_mode & stat.S_IWOTH:
        return None
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = f"#{user}"
    return Cause(
        f"it runs as another user, {name}, who may not write to the run folder",
        f"start gpuwatch as that user, e.g. `sudo -u {shlex.quote(name)} gpuwatch run -- COMMAND`",
    )


def _environment(folder: Path) -> dict[bytes, bytes]:
    raw = (folder / "environ").read_bytes()
    return dict(entry.split(b"=", 1) for entry in raw.split(b"\0") if b"=" in entry)


def _of_environment(environment: dict[bytes, bytes], run: Path) -> Cause | None:
    theirs = environment.get(b"GPUWATCH_RUN")
    if theirs is None:
        return Cause(
            "its environment was replaced (env -i, sudo, subprocess with env=...)",
            "pass GPUWATCH_RUN and PYTHONPATH on, e.g. `sudo --preserve-env=GPUWATCH_RUN,PYTHONPATH` or `env={**os.environ, ...}`",
        )
    if theirs != os.fsencode(run):
        other = os.fsdecode(theirs)
        return Cause("another gpuwatch run measures it", f"see `gpuwatch report {other}`")
    if os.fsencode(run / "boot") not in environment.get(b"PYTHONPATH", b"").split(b":"):
        return Cause("PYTHONPATH was replaced or unset", "add to it instead: `PYTHONPATH=your/folder:$PYTHONPATH`")
    return None


def _of_interpreter(folder: Path) -> Cause | None:
    executable = os.path.basename(os.readlink(folder / "exe"))
    match = _PYTHON.match(executable)
    if match is None:
        return Cause(
            f"{executable} is a frozen or embedding application", "run the training from its source with `python`"
        )
    version = tuple(int(part) for part in match["version"].split(".") if part)
    if match["name"] == "pypy" or (len(version) >= 2 and version[:2] < _OLDEST):
        return Cause(f"{executable} is not a CPython 3.8 or later", "use a newer Python")
    flags = interpreter_flags(_arguments(folder))
    reported = next((flag for flag in "IES" if flag in flags), None)
    return Cause(f"it was started with -{reported}", f"start it without -{reported}") if reported else None


def _of_root(folder: Path, run: Path) -> Cause | None:
    root = os.readlink(folder / "root")
    if root == "/" or (folder / "root" / str(run / "boot").lstrip("/")).exists():
        return None
    return Cause(
        "it runs in a container or chroot that does not see the run folder", "start gpuwatch inside the container"
    )


def _arguments(folder: Path) -> list[str]:
    return [os.fsdecode(part) for part in (folder / "cmdline").read_bytes().split(b"\0")[:-1]]


def interpreter_flags(arguments: list[str]) -> set[str]:
    """Return the single-letter options that the interpreter itself got: those before the script, -c or -m."""
    flags: set[str] = set()
    rest = iter(arguments[1:])
    for argument in rest:
        if not argument.startswith("-") or argument in ("-", "--"):
            break
        if not argument.startswith("--"):
            cluster, value, tail = _split(argument[1:])
            flags.update(cluster)
            if value in ("c", "m"):
                break
            if value and not tail:
                next(rest, None)
        elif argument == "--check-hash-based-pycs":
            next(rest, None)
    return flags


def _split(cluster: str) -> tuple[str, str, str]:
    """Split `EsWignore` into the switches, the option that takes a value, and the value given with it."""
    for at, letter in enumerate(cluster):
        if letter in "cmWX":
            return cluster[:at], letter, cluster[at + 1 :]
    return cluster, "", ""


def uses_torch(pid: int, proc: Path = Path("/proc")) -> bool:
    """Return whether torch's libraries are mapped; also True when that may not be read of a Python. Raises OSError when gone."""
    try:
        return _TORCH.search((proc / str(pid) / "maps").read_bytes()) is not None
    except PermissionError:
        return _PYTHON.match((proc / str(pid) / "comm").read_text().strip()) is not None


EARLIER = Cause(
    "it was started before the recording began",
    "make its loader inside of what is recorded",
)


class Inside:
    """The processes of a training that records itself: what was there before (one of which is named), and what it has
    forked since."""

    def __init__(self, root: int, proc: Path) -> None:
        self._proc, self.has_named_one = proc, False
        self._environment = self._read(root, "environ")
        self._latest = self._start(os.getpid()) or 0

    def is_earlier(self, pid: int) -> bool:
        """Say whether a process was started before this one, which the training has started first of all."""
        start = self._start(pid)
        return start is not None and start < self._latest

    def is_fork(self, pid: int) -> bool:
        """Say whether a process is a copy of the training's: what it was started with is what that was started with."""
        return self._environment == self._read(pid, "environ")

    def _start(self, pid: int) -> int | None:
        stat = self._read(pid, "stat")
        return int(stat[stat.rindex(b")") + 2 :].split()[19]) if stat else None

    def _read(self, pid: int, name: str) -> bytes:
        try:
            return (self._proc / str(pid) / name).read_bytes()
        except OSError:
            return b""


@dataclass(slots=True)
class _Watched:
    """A process that has no spool file so far."""

    since_ns: int
    next_look_ns: int
    torch_ns: int | None = None


class UnenteredSource:
    """Rows of kind `unentered`, one per process, once. `own` are gpuwatch's pids; `inside`: the process that records itself."""

    name = "unentered"
    period_s = 1.0
    later_period_s = 1.0

    def __init__(
        self,
        tree: ProcessTree,
        run: Path,
        own: Iterable[int] = (),
        clock: Callable[[], int] = time.monotonic_ns,
        proc: Path = Path("/proc"),
        inside: int | None = None,
    ) -> None:
        self._tree, self._run, self._clock, self._proc = tree, run, clock, proc
        self._inside = None if inside is None else Inside(inside, proc)
        self._own = {os.getpid(), *own}
        self._watched: dict[int, _Watched] = {}
        self._entered: set[int] = set()
        self._named: set[int] = set()

    def probe(self) -> str | None:
        """Return why this cannot work here; None when it can."""
        return None if (self._proc / "self" / "environ").exists() else "there is no /proc"

    def open(self) -> None:
        """Need nothing."""

    def close(self) -> None:
        """Hold nothing."""

    def read(self, now: int) -> Iterator[Row]:
        """Yield a row for each process that was found out since the last reading."""
        self._entered |= self._tree.hooked
        for pid, parent in list(self._tree.members.items()):
            if not self._is_settled(pid, parent):
                found = self._look(pid, now)
                if found is not None:
                    self._named.add(pid)
                    yield ["unentered", self._clock(), pid, self._command(pid), found.reason, found.remedy]
        self._forget()

    def _is_settled(self, pid: int, parent: int) -> bool:
        # What a named or an entered process forks (its loader workers) is told by its parent.
        return pid in self._own or pid in self._entered or pid in self._named or parent in self._named

    def _look(self, pid: int, now: int) -> Cause | None:
        watched = self._watched.setdefault(pid, _Watched(now, now))
        if now < watched.next_look_ns:
            return None
        pause = min(max(now - watched.since_ns, _FIRST_LOOK_NS), _LAST_LOOK_NS)
        watched.next_look_ns = now + pause
        try:
            if watched.torch_ns is None and uses_torch(pid, self._proc):
                watched.torch_ns = now
            if watched.torch_ns is None:
                return None
            if _HELPER.search(" ".join(_arguments(self._proc / str(pid)))):
                self._entered.add(pid)
                return None
            if self._inside is not None:
                if (earlier := self._inside.is_earlier(pid)) and not self._inside.has_named_one:
                    self._inside.has_named_one = True  # the others of its loader are there for the same reason
                    return EARLIER
                if earlier or self._inside.is_fork(pid):  # what trains in a fork (a manager's process) writes by itself
                    self._entered.add(pid)
                    return None
            return cause(pid, self._run_of(pid), self._proc) or self._silent(pid, watched, now)
        except OSError:
            # Gone between the listing and the look.
            return None

    def _run_of(self, pid: int) -> Path:
        """Return the run folder that a process was given, where that is one of the job's tasks here; else this run's."""
        theirs = _environment(self._proc / str(pid)).get(b"GPUWATCH_RUN", b"")
        return next((run for run in self._tree.runs if os.fsencode(run) == theirs), self._run)

    def _silent(self, pid: int, watched: _Watched, now: int) -> Cause | None:
        assert watched.torch_ns is not None
        if now - watched.torch_ns < _PATIENCE_NS or self._tree.members.get(pid) in self._entered:
            watched.next_look_ns = now + _FIRST_LOOK_NS
            return None
        return Cause(
            "another tool's sitecustomize came first, or the hook failed",
            "start that tool around gpuwatch, not inside; GPUWATCH_DEBUG=1 shows a failing hook",
        )

    def _command(self, pid: int) -> str:
        try:
            arguments = _arguments(self._proc / str(pid)) or [(self._proc / str(pid) / "comm").read_text().strip()]
        except OSError:
            return "?"
        return " ".join(mask_arguments(arguments))[:_COMMAND_CHARS]

    def _forget(self) -> None:
        for pid in self._watched.keys() - self._tree.members.keys():
            del self._watched[pid]
            self._named.discard(pid)
            self._entered.discard(pid)
