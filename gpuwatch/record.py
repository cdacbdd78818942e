"""Record one command: run folder, hook, sampler, supervision; then the run's end written down.

What fails of gpuwatch's own is noted and left out; the command runs in any case.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from gpuwatch.hook.entry import inject
from gpuwatch.model.recording import RunInfo
from gpuwatch.records import dataclass
from gpuwatch.store import folder, liveness
from gpuwatch.store.identity import ask_for_changes, identity_of
from gpuwatch.supervise import CannotStart, Ended, Stdio, outside_tool_environment, supervise
from gpuwatch.tasks import Election, meeting_place
from gpuwatch.words.version import own_version

STOP, CONTROL = "stop", "control.json"
# Where the sampler has the lock that says that it is the machine's for its job.
_LOCK_FD = 3
SAMPLER_LOG = "sampler.log"
# A burst of stack samples is still folded and written, and a driver that does not answer is waited for.
_SAMPLER_END_S = 5.0
# Neither the user's sitecustomize nor a `queue.py` beside the training script becomes the sampler's: no site (-S), nothing
# of the environment (-I), and our own module path without the working folder.
_ISOLATED = ("-I", "-S")
_BOOTSTRAP = (
    "import sys; sys.path[:] = {path!r}; import runpy; "
    "runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True, slots=True)
class Options:
    """How to record. `rate` in Hz; `environment` is added to the command's; `gpu_trace`: what windows of torch.profiler were
    asked for (auto, or a number of steps); `job`: which one the run is part of; `inside`: what is recorded is this process;
    `tell` gets lines for the user."""

    base: Path
    name: str | None = None
    rate: float = 1.0
    stacks: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    experiment: dict[str, Any] | None = None
    gpu_trace: str | None = None
    job: str | None = None
    inside: bool = False
    stdio: Stdio | None = None
    tell: Callable[[str], None] = lambda line: None
    started: Callable[[Path, int], None] = lambda path, pid: None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of it: `path` is None when nothing could be recorded."""

    path: Path | None
    ended: Ended


def record(command: Sequence[str], options: Options) -> Recorded:
    """Run the command under the hook and the sampler. Raises CannotStart when there is no such command."""
    environment = {**outside_tool_environment(os.environ), **options.environment}
    try:
        run = begin(command, options)
    except Exception as error:  # whatever it is, it is ours, and the training has to start
        options.tell(f"{error or type(error).__name__}; running without recording")
        return Recorded(None, supervise(command, environment, stdio=options.stdio))
    try:
        ended = supervise(command, run.inject(environment), run.started, options.stdio)
    except CannotStart:
        _discard(run.path)
        raise
    run.ended(ended)
    return Recorded(run.path, ended)


def begin(command: Sequence[str], options: Options) -> Underway:
    """Make the run folder of what is about to run. Raises GpuwatchError or OSError."""
    path = _folder(options)
    return Underway(path, _info(path, command, options), options)


def _folder(options: Options) -> Path:
    created = folder.create(options.base, options.name)
    if created.note:
        options.tell(created.note)
    return created.path


def _info(path: Path, command: Sequence[str], options: Options) -> RunInfo:
    info = folder.new_info(path, tuple(command), options.name, own_version())
    return dataclasses.replace(
        info,
        experiment=options.experiment,
        gpu_trace=options.gpu_trace,
        job=options.job,
        identity=_identity(info),
        in_process={} if options.inside else None,
    )


def _identity(info: RunInfo) -> dict[str, str] | None:
    try:
        return identity_of(Path(info.cwd))
    except Exception:
        return None  # whose run it is may stay unknown; that it is recorded may not depend on it


def _discard(path: Path) -> None:
    # Nothing ran, so there is nothing to report; and no older run may lose its place as the newest.
    import shutil

    shutil.rmtree(path, ignore_errors=True)


class Underway:
    """One recording on its way: each step tells what failed and goes on."""

    def __init__(self, path: Path, info: RunInfo, options: Options) -> None:
        self.path = path
        self.info = info
        self.options = options
        self.sampler: int | None = None
        self.election: Election | None = None
        self.changed: Callable[[], str | None] = lambda: None
        self._write()

    def inject(self, environment: dict[str, str]) -> dict[str, str]:
        """Return the command's environment with the hook in it, or unchanged when that fails."""
        try:
            mask = os.umask(0o077)  # code that the training loads: nobody else's to write, whatever the command's umask
            try:
                inject.install_boot(self.path)
            finally:
                os.umask(mask)
            return dict(inject.child_environment(environment, self.path))
        except Exception as error:
            why = getattr(error, "strerror", None) or error
            self.options.tell(f"the hook could not be put in place ({why}); only the machine is measured")
            return environment

    def started(self, pid: int) -> None:
        """Note the command's pid, start the sampler."""
        self.info = dataclasses.replace(self.info, child_pid=pid, child_start=liveness.start_ticks(pid))
        self._write()
        try:
            self._start_sampler()
        except OSError as error:
            self.options.tell(f"the sampler could not be started ({error}); no GPU, CPU or process figures")
        if self.options.inside and self.sampler is not None:
            # The one process that has to be allowed to look at this one's stack.
            self.info = dataclasses.replace(self.info, sampler_pid=self.sampler)
            self._write()
        if (self.info.identity or {}).get("git_commit"):
            self.changed = ask_for_changes(Path(self.info.cwd))
        try:
            self.options.started(self.path, pid)
        except Exception as error:  # the command runs already and must be waited for
            self.options.tell(f"{type(error).__name__}: {error}; the command goes on")

    def _start_sampler(self) -> None:
        """Start the sampler; of the tasks of one job on this machine only one does, and another when that one has ended."""
        more: tuple[str, ...] = ("--asks",) if self.options.gpu_trace == "auto" else ()
        more += ("--inside",) if self.options.inside else ()
        # What is recorded from inside begins and ends when it wants to: no other task's sampler could rely on it.
        place = None if self.options.inside else meeting_place(self.options.job)

        def start(lock: int | None = None) -> None:
            told = (*more, "--tasks", str(place)) if lock is not None else more
            self.sampler = start_sampler(self.path, self.options.rate, self.options.stacks, told, lock)

        if place is not None:
            try:
                self.election = Election(place, self.path, start)
                return
            except OSError:
                pass  # nowhere to meet: each task has its own
        start()

    def ended(self, ended: Ended) -> None:
        """Write how the command ended, have the sampler finish."""
        if self.election is not None:
            self.election.end()
        if changed := self.changed():
            self.info = dataclasses.replace(self.info, identity={**(self.info.identity or {}), "git_changed": changed})
        self.info = dataclasses.replace(
            self.info, ended_ns=ended.ended_ns, exit_code=ended.exit_code, signal=ended.signal, state="finished"
        )
        try:
            if folder.free_room(self.path):
                problem = "the disk of the run folder was full at the end: what came after it filled up is missing"
                self.info = dataclasses.replace(self.info, problem=problem)
                self.options.tell(f"{problem}. Free some space there, or record elsewhere with --dir")
        except OSError:
            pass  # the folder is gone; writing run.json tells so
        self._write()
        if self.sampler is not None:
            self._end_sampler(self.sampler)
        if self.options.inside:
            self._end_workers()

    def _end_sampler(self, pid: int) -> None:
        try:
            stop_sampler(self.path, pid)
        except KeyboardInterrupt:
            # A second Ctrl-C, meant for a command that has ended by then: how it ended is still ours to pass on.
            self.options.tell("interrupted while the recording was ended: its last second may be missing")
        complaint = last_line(self.path / SAMPLER_LOG)
        if complaint:
            self.options.tell(f"the sampler reported: {complaint}")

    def _end_workers(self) -> None:
        """Tell the workers that outlive the run: persistent ones, whose loader may be used again."""
        try:
            write_control(self.path, {"over": True})
        except OSError:
            pass  # then they go on writing, until their loader ends

    def _write(self) -> None:
        try:
            folder.write_info(self.path, self.info)
        except OSError as error:
            self.options.tell(f"{self.path / folder.INFO} cannot be written: {error.strerror}")


def start_sampler(
    path: Path, rate: float = 1.0, stacks: bool = True, more: Sequence[str] = (), lock: int | None = None
) -> int:
    """Start the sampler of a run folder as our child and return its pid. `more`: further arguments; `lock`: a descriptor that
    it is to keep. Raises OSError."""
    arguments = [
        *isolated("gpuwatch.sampler"),
        str(path),
        "--parent",
        str(os.getpid()),
        "--rate",
        f"{rate:g}",
        *more,
    ]
    if not stacks:
        arguments.append("--no-stacks")
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(path / SAMPLER_LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    if lock is not None:
        actions.append((os.POSIX_SPAWN_DUP2, lock, _LOCK_FD))
    # Its own session: a Ctrl-C typed for the training must not end the sampler before the training has ended.
    return os.posix_spawn(sys.executable, arguments, dict(os.environ), file_actions=actions, setsid=True, setsigmask=())


def isolated(module: str) -> list[str]:
    """Return the call that runs a module of ours as its own process, with nothing of the user's environment in it."""
    return [sys.executable, *_ISOLATED, "-c", _BOOTSTRAP.format(path=_module_path(), module=module)]


def _module_path() -> list[str]:
    try:
        here = {"", os.getcwd()}
    except OSError:
        here = {""}
    return [str(Path(__file__).parent.parent), *(entry for entry in sys.path if entry not in here)]


def stop_sampler(path: Path, pid: int) -> None:
    """Have the sampler write what it has, and wait for its end."""
    try:
        (path / STOP).touch(mode=0o600)
        os.kill(pid, signal.SIGTERM)
    except OSError:
        pass
    deadline = time.monotonic() + _SAMPLER_END_S
    while not is_reaped(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            break
        time.sleep(0.01)
    (path / STOP).unlink(missing_ok=True)


def write_control(path: Path, content: dict[str, Any]) -> None:
    """Write `control.json`, which the hook looks at once a second. Raises OSError."""
    part = path / f"{CONTROL}.part"
    part.write_text(json.dumps(content))
    part.replace(path / CONTROL)


def is_reaped(pid: int) -> bool:
    """Say whether a child of ours has ended, without waiting for it."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def last_line(path: Path) -> str:
    """Return the last line of a file, empty where there is none."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
