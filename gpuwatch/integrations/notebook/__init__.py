"""`%load_ext gpuwatch`: the cell magic `%%gpuwatch`, and reports that show themselves as HTML."""

from __future__ import annotations

from functools import partial
from typing import Any

NAME = "gpuwatch"


def load(shell: Any) -> None:
    """Register the magic in an IPython shell, and how a report is shown there."""
    from gpuwatch.integrations.notebook import magic
    from gpuwatch.model.report import Report

    shell.register_magic_function(partial(magic.watch_cell, shell), "cell", NAME)
    _formatter(shell).for_type(Report, _card)


def unload(shell: Any) -> None:
    """Take both away again."""
    from gpuwatch.model.report import Report

    shell.magics_manager.magics["cell"].pop(NAME, None)
    _formatter(shell).pop(Report, None)


def _formatter(shell: Any) -> Any:
    return shell.display_formatter.formatters["text/html"]


def _card(report: Any) -> str:
    from gpuwatch.views.html.notebook import fragment

    return fragment(report)
