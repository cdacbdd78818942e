"""A report as one self-contained HTML file: readable without JavaScript, zoomable with it, no network request."""

from __future__ import annotations

import os
from pathlib import Path

from gpuwatch.model import Report
from gpuwatch.views.html.page import to_html

__all__ = ["render", "to_html"]


def render(report: Report, path: Path) -> None:
    """Write the page to `path`, replacing a file there only once the new one is complete."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(to_html(report), encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
