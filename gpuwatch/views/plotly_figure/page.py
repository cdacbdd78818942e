"""The figure as one file that any browser opens: plotly.js inside, and nothing asked of the network."""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go

from gpuwatch.model.report import Report
from gpuwatch.views.plotly_figure import figure
from gpuwatch.views.verdict_text import headline

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
img-src data: blob:">
<title>{title}</title>
</head>
<body style="margin: 0 auto; max-width: 1400px; background: white">
{figure}
</body>
</html>
"""


def render(report: Report) -> str:
    """Return the report's figure as a self-contained page."""
    drawn: go.Figure = figure(report)
    config: dict[str, Any] = {
        # The newest plotly offers to upload the data unless told not to.
        "showSendToCloud": False,
        "displaylogo": False,
        "responsive": True,
        "toImageButtonOptions": {"filename": report.run.id, "scale": 2},
    }
    inner = drawn.to_html(full_html=False, include_plotlyjs=True, config=config)
    return PAGE.format(title=html.escape(f"gpuwatch: {headline(report.verdict)}"), figure=inner)
