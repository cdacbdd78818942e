"""What the dashboard is fed with: the run folder read on, analysed again, and the page it can save."""

from __future__ import annotations

import gc
from pathlib import Path

from gpuwatch.build_report import build
from gpuwatch.errors import NotARun
from gpuwatch.model.report import Report
from gpuwatch.store import folder, liveness
from gpuwatch.store.reader import Tail

# Of a run that goes on, so many events are kept: analysed in about a tenth of a second, some 10 to 60 minutes.
KEPT_ROWS = 30_000


class Feed:
    """One run folder, read again and again; each time only what is new. Of a run that goes on, the last stretch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tail = Tail(path, KEPT_ROWS if self._goes_on() else None)

    def _goes_on(self) -> bool:
        try:
            return liveness.state(folder.read_info(self.path), self.path / "spool") == "running"
        except NotARun:
            return False

    def read(self) -> tuple[Report, bool]:
        """Return the report so far and whether the run is still going on."""
        recording = self._tail.refresh()
        report = build(recording, with_timeline=True)
        gc.collect(0)
        return report, liveness.state(recording.run, self.path / "spool") == "running"

    def save(self, report: Report) -> str:
        """Write the report as HTML into the working folder and return the file's name."""
        from gpuwatch.commands.recorded import write_file
        from gpuwatch.views.html import render

        name = f"gpuwatch-{report.run.id}.html"
        write_file(name, render(report))
        return name
