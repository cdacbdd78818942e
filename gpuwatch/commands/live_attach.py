"""`gpuwatch attach --live` and `gpuwatch top --pid`: the dashboard of a training that was running already.

The dashboard is in front, the look goes on in a thread beside it. Leaving the dashboard ends the look, the end of the look
the dashboard.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from gpuwatch.attach import Options, Target, attach
from gpuwatch.commands.live_feed import Feed
from gpuwatch.commands.live_terminal import show
from gpuwatch.errors import GpuwatchError
from gpuwatch.views.live.app import Dashboard

# A run folder is made at once, or not at all.
_BEGIN_S = 10.0


def attach_live(target: Target, options: Options) -> Path:
    """Watch the target with the dashboard in front and return the run folder. Raises GpuwatchError as attach does."""
    look = _Look(target, options)
    path = look.begin()
    feed = Feed(path)
    show(Dashboard(feed.read, feed.save), look.ends)
    look.leave()
    return path


class _Look:
    """A look in a thread of its own."""

    def __init__(self, target: Target, options: Options) -> None:
        self._begun, self._left = threading.Event(), threading.Event()
        self._path: Path | None = None
        self._error: Exception | None = None
        self._said: list[str] = []
        self._tell = options.tell
        kept = replace(options, live=True, started=self._started, left=self._left.is_set, tell=self._said.append)
        self._thread = threading.Thread(target=self._run, args=(target, kept), name="gpuwatch-attach", daemon=True)

    def begin(self) -> Path:
        """Begin, and return the run folder as soon as there is one."""
        self._thread.start()
        self._begun.wait(_BEGIN_S)
        if self._error is not None:
            raise self._error
        if self._path is None:
            raise GpuwatchError("no run folder could be made in time", "Name another place with --dir")
        return self._path

    def ends(self, app: Dashboard) -> None:
        """Have the dashboard end with the look."""
        threading.Thread(target=self._end, args=(app,), daemon=True).start()

    def leave(self) -> None:
        """End the look, and say what it had to say."""
        self._left.set()
        self._thread.join()
        for line in self._said:
            self._tell(line)
        if self._error is not None:
            raise self._error

    def _started(self, path: Path) -> None:
        self._path = path
        self._begun.set()

    def _run(self, target: Target, options: Options) -> None:
        try:
            attach(target, options)
        except Exception as error:  # raised again where the command is
            self._error = error
        finally:
            self._begun.set()

    def _end(self, app: Dashboard) -> None:
        app.ready.wait()
        self._thread.join()
        try:
            app.call_from_thread(app.exit, "ended")
        except RuntimeError:
            # The person has left the dashboard.
            return
