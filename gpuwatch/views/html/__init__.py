"""A report as one self-contained HTML file: readable without JavaScript, zoomable with it, no network request."""

from __future__ import annotations

from gpuwatch.views.html.page import render

__all__ = ["render"]
