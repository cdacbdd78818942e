"""The panel above a cell's output while it runs: drawn by another process, put in place by a thread that only waits.

Analysing the run here would take the interpreter from the training. `display` and its updates by id are all it needs: no
widget, so it works where notebooks are shown without ipywidgets.
"""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from gpuwatch.record import isolated

_PANEL = "gpuwatch.integrations.notebook.panel"
# Its end is waited for, so that no process and no thread of ours is left.
_PATIENCE_S = 2.0


class LivePanel:
    """A panel that follows a run folder while a `with` block runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock, self._over = threading.Lock(), False
        self._display: Any = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._follow, name="gpuwatch-panel", daemon=True)

    def __enter__(self) -> LivePanel:
        from IPython.display import HTML, display

        from gpuwatch.views.html.notebook import notice

        try:
            self._display = display(HTML(notice("records this cell; first figures in a few seconds")), display_id=True)
            self._process = subprocess.Popen(
                [*isolated(_PANEL), str(self._path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt of the cell is not for it
            )
            self._thread.start()
        except Exception:
            pass  # the cell runs without a panel
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._over = True
        if self._process is not None:
            self._process.kill()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_S)
        self._put(f"recorded as {self._path.name}; the card is below")

    def _follow(self) -> None:
        """Put each panel that the process draws in the place of the one before."""
        process = self._process
        assert process is not None and process.stdout is not None
        with process:
            for line in process.stdout:
                with self._lock:
                    if not self._over:
                        self._update(json.loads(line))

    def _put(self, said: str) -> None:
        from gpuwatch.views.html.notebook import notice

        self._update(notice(said))

    def _update(self, drawn: str) -> None:
        from IPython.display import HTML

        if self._display is not None:
            try:
                self._display.update(HTML(drawn))
            except Exception:
                pass  # nobody is there to see it any more
