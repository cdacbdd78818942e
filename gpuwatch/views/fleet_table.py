"""A summary of many runs for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gpuwatch.model.fleet import Fleet
from gpuwatch.views.fleet_rows import Cell, Section, headline, notes, sections
from gpuwatch.views.text import shorten, shorten_path, shorten_start

# What a page shows and a terminal has no room for.
_LEFT_OUT = {
    "lines": ("users", "project"),
    "runs": ("project", "started", "share"),
    "slow-nodes": ("at least", "users"),
    "regressions": ("project",),
}
_LEFT_OUT_NARROW = {"runs": ("script", "node"), "regressions": ("before", "after"), "slow-nodes": ("runs",)}
_LEAST_WIDE = 12
_NARROW, _WIDEST_NAME = 96, 40
# A column of names takes this share of the width at most.
_SHARE_OF_NAMES = 0.34


def render(fleet: Fleet, width: int) -> RenderableType:
    """Return the summary as tables under each other."""
    parts: list[RenderableType] = [Text(headline(fleet), "bold"), Text("\n".join(notes(fleet)), "dim")]
    for section in sections(fleet):
        parts += [Text(f"\n{section.title}", "bold"), _table(section, width - 4)]
    return Padding(Group(*parts), (1, 2))


def _table(section: Section, width: int) -> Table:
    left_out = _LEFT_OUT.get(section.id, ()) + (_LEFT_OUT_NARROW.get(section.id, ()) if width < _NARROW else ())
    kept = [n for n, name in enumerate(section.head) if name not in left_out]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", width=width, show_edge=False)
    for n in kept:
        table.add_column(
            section.head[n],
            no_wrap=n != section.wide or section.id != "unreadable",
            overflow="ellipsis" if section.id != "unreadable" else "fold",
            justify="right" if n in section.numeric else "left",
            ratio=1 if n == section.wide else None,
            min_width=_LEAST_WIDE if n == section.wide else None,
        )
    for row in section.rows:
        table.add_row(*(Text(_fit(row[n], section, n, width)) for n in kept))
    return table


def _fit(cell: Cell, section: Section, column: int, width: int) -> str:
    """Return a cell's text, short enough to leave the others room: of paths the end tells them apart."""
    if column == section.wide or column in section.numeric:
        return cell.said
    room = min(_WIDEST_NAME, int(width * _SHARE_OF_NAMES))
    if cell.code:
        return shorten_path(cell.said, room)
    return (
        shorten_start(cell.said, room)
        if section.id in ("runs", "unreadable") and column == 0
        else shorten(cell.said, room)
    )
