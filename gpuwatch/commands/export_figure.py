"""`gpuwatch export --to plotly`: what the file's name asks for: a page, the figure's JSON, or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gpuwatch.commands.recorded import write_file
from gpuwatch.errors import GpuwatchError, UsageError

if TYPE_CHECKING:
    from gpuwatch.model.report import Report

TEXTS, PICTURES = (".html", ".json"), (".png", ".svg", ".pdf")
WIDTH = 1200


def check(target: str) -> None:
    """Raise before anything is analysed if such a file cannot be written here."""
    from importlib.util import find_spec

    ending = _ending(target)
    if ending not in TEXTS + PICTURES:
        raise UsageError(
            f"plotly does not write {ending or 'a file without an ending'}",
            f"Give a file that ends in {', '.join(TEXTS + PICTURES[:-1])} or {PICTURES[-1]} with -o",
        )
    if ending in PICTURES and find_spec("kaleido") is None:
        raise GpuwatchError(
            f"a {ending} file needs kaleido, which is not installed here",
            "Install kaleido beside gpuwatch, or give a file that ends in .html",
        )


def write(report: Report, target: str) -> None:
    """Write the figure in the format that the file's ending names."""
    ending = _ending(target)
    if ending == ".html":
        from gpuwatch.views.plotly_figure.page import render

        write_file(target, render(report))
        return
    from gpuwatch.views.plotly_figure import figure

    if ending == ".json":
        write_file(target, figure(report).to_json())
    else:
        _write_picture(report, target, ending.removeprefix("."))


def _ending(target: str) -> str:
    return ".html" if target == "-" else Path(target).suffix.lower()


def _write_picture(report: Report, target: str, kind: str) -> None:
    from gpuwatch.views.plotly_figure import figure

    drawn = figure(report)
    try:
        picture = drawn.to_image(format=kind, width=WIDTH, scale=2 if kind == "png" else 1)
    except Exception as error:  # a missing browser, a wrong version, a time-out: each has its own class
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise GpuwatchError(
            f"kaleido could not draw the picture: {why}",
            "It needs a Chrome or Chromium of its own; a file that ends in .html needs none",
        ) from error
    try:
        Path(target).write_bytes(picture)
    except OSError as error:
        raise GpuwatchError(f"{target} cannot be written: {error.strerror or error}", "Name another file") from error
