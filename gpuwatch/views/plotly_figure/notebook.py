"""The figure in a notebook: shown by plotly itself, or handed over for the viewer to draw."""

from __future__ import annotations

import json
from typing import Any

import plotly.io

from gpuwatch.model.report import Report
from gpuwatch.views.plotly_figure import figure

MIME_TYPE = "application/vnd.plotly.v1+json"
# plotly's renderers that leave the drawing to the viewer.
_BY_VIEWER = ("plotly_mimetype", "jupyterlab", "nteract", "vscode")


def for_viewer(report: Report) -> dict[str, Any] | None:
    """Return the figure as data of MIME_TYPE; None where plotly has a way of its own to show it here."""
    if plotly.io.renderers.default not in _BY_VIEWER:
        return None
    drawn: dict[str, Any] = json.loads(figure(report).to_json())
    return drawn


def show(report: Report) -> None:
    """Show the figure as plotly is set to."""
    plotly.io.show(figure(report))
