"""One sampler for all tasks of a job that start on one machine (`srun gpuwatch run -- …`): elected, and replaced when it ends.

The tasks meet in a folder of the machine. Each waits in a thread for the lock there; who gets it starts the sampler and leaves
the lock to it, so that the lock lives exactly as long as the sampler does.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import stat
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from gpuwatch.hook.event_log import identity
from gpuwatch.words.tasks import LOCK, mark

_KINDS = ("elastic", "slurm", "address")


def meeting_place(job: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder in which the tasks of this job meet on this machine; None where this is no task of several.

    A launcher that is started once for all ranks (torchrun) is no task: its environment has no rank."""
    if identity.ranks()["rank"] is None or (identity.ranks()["world_size"] or 1) < 2:
        return None
    ids = {"job": job, **identity.job()} if job else identity.job()
    name = next((f"{kind}:{ids[kind]}" for kind in ("job", *_KINDS) if ids.get(kind)), None)
    if name is None:
        return None
    mine = Path(environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"gpuwatch-{os.getuid()}"
    return mine / hashlib.sha256(name.encode()).hexdigest()[:16]


class Election:
    """This task's place among those of its job: `start` is called with the lock once the sampler is this task's to start."""

    def __init__(self, folder: Path, run: Path, start: Callable[[int], None]) -> None:
        _make_private(folder)
        self._start, self._guard, self._over = start, threading.Lock(), False
        self._mark = folder / str(os.getpid())
        self._mark.write_text(mark(run))
        self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._try():
            threading.Thread(target=self._wait, name="sampler election", daemon=True).start()

    def end(self) -> None:
        """Stand for election no longer."""
        with self._guard:
            self._over = True
        self._mark.unlink(missing_ok=True)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._won()
        return True

    def _wait(self) -> None:
        # Signals are the supervisor's, which waits for them in another thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._won()
        except OSError:
            pass  # the sampler could not be started here: another task's turn

    def _won(self) -> None:
        with self._guard:
            try:
                if not self._over:
                    self._start(self._lock)
            finally:
                os.close(self._lock)  # the sampler has a copy of it; without one the next task gets it


def _make_private(folder: Path) -> None:
    """Make the folder, for this user alone. Raises OSError where somebody else made it."""
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    kept = os.lstat(folder.parent)
    if kept.st_uid != os.getuid() or not stat.S_ISDIR(kept.st_mode) or kept.st_mode & 0o077:
        raise PermissionError(f"{folder.parent} is not this user's alone")
    folder.mkdir(mode=0o700, exist_ok=True)
