"""The hot lines as a ranked table, then the source round each, with each line's heat in the margin."""

from __future__ import annotations

import linecache
import os
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gpuwatch.model import HotLine, Report
from gpuwatch.views import text
from gpuwatch.views.text import clean

AROUND = 3
HEAT = " ▁▂▃▄▅▆▇█"
LINE = 2
HEADER = ("share", "of waits", "line", "function", "in", "if free")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of an excerpt; `share` is None where no sample fell."""

    number: int
    code: str
    share: float | None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Neighbouring source lines of one file with the shares of their role's work. Empty `lines`: `note` says why."""

    title: str
    role: str
    lines: tuple[SourceLine, ...]
    note: str
    stack: tuple[str, ...]


def table_rows(lines: Sequence[HotLine], base: str) -> list[tuple[str, ...]]:
    """Return the ranked table's cells."""
    return [
        (
            text.percent(line.share),
            text.percent(line.waited_share),
            f"{text.relative(clean(line.file), base)}:{line.line}",
            clean(line.function),
            clean(line.callee or ""),
            text.factor(line.speedup_if_free) if line.speedup_if_free is not None else "",
        )
        for line in lines
    ]


def excerpts(lines: Sequence[HotLine], everything: Sequence[HotLine], base: str) -> list[Excerpt]:
    """Return the source round each line, hottest first; a line that an earlier excerpt shows gets none of its own."""
    shown: set[tuple[str, str, int]] = set()
    found = []
    for line in lines:
        if (line.process_role, line.file, line.line) in shown:
            continue
        excerpt = _excerpt(line, everything, base)
        shown |= {(line.process_role, line.file, part.number) for part in excerpt.lines}
        found.append(excerpt)
    return found


def _excerpt(line: HotLine, everything: Sequence[HotLine], base: str) -> Excerpt:
    title = f"{text.relative(clean(line.file), base)}:{line.line}"
    heat = {x.line: x.share for x in everything if (x.file, x.process_role) == (line.file, line.process_role)}
    source, note = _source(line)
    numbers = range(max(line.line - AROUND, 1), min(line.line + AROUND, len(source)) + 1) if source else range(0)
    parts = tuple(
        SourceLine(number, clean(source[number - 1].rstrip("\n").expandtabs(4)), heat.get(number)) for number in numbers
    )
    if not parts and line.source:
        parts = (SourceLine(line.line, clean(line.source.strip()), line.share),)
    return Excerpt(title, line.process_role, parts, note, tuple(clean(entry) for entry in line.stack))


def _source(line: HotLine) -> tuple[list[str], str]:
    """Return the file's lines now, unless it is gone or the line is no longer what was recorded."""
    if not os.path.isfile(line.file):
        return [], "the file is not on this machine"
    source = linecache.getlines(line.file)
    if not 0 < line.line <= len(source):
        return [], "the file has changed since the run"
    if line.source and source[line.line - 1].strip() != line.source.strip():
        return [], "the file has changed since the run"
    return source, ""


def render(report: Report, lines: Sequence[HotLine], width: int = 100, stack: bool = False) -> RenderableType:
    """Return table and excerpts as a rich renderable; says why when there are no lines."""
    base = report.run.cwd
    if not lines:
        return Padding(Text(_why_none(report)), (1, 2))
    parts: list[RenderableType] = [Text(_about(report), "dim"), Text(), _table(table_rows(lines, base), width - 4)]
    for excerpt in excerpts(lines, report.hot_lines, base):
        parts += [Text(), *_draw(excerpt, width - 4, stack)]
    return Padding(Group(*parts), (1, 2))


def _why_none(report: Report) -> str:
    if report.hot_lines:
        return "No hot line of that role in this run."
    return f"No hot lines: {clean(report.stacks.note) or 'no stack was sampled'}. `gpuwatch doctor` says whether stacks can be sampled here."


def _about(report: Report) -> str:
    quality = report.stacks
    note = f": {clean(quality.note)}" if quality.note and quality.trust != "high" else ""
    return (
        f"Share of each process's work · {quality.samples:,} samples by {quality.sampler} · {quality.trust} trust{note}"
    )


def _table(rows: Sequence[tuple[str, ...]], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    kept = [i for i in range(len(HEADER)) if any(row[i] not in ("", text.DASH) for row in rows)]
    others = sum(max(cell_len(row[i]) for row in (HEADER, *rows)) + 3 for i in kept if i != LINE)
    for i in kept:
        # Names may be cut, figures may not.
        least = None if i in (LINE, 3, 4) else max(cell_len(row[i]) for row in (HEADER, *rows))
        table.add_column(
            HEADER[i],
            justify="left" if i in (LINE, 3, 4) else "right",
            no_wrap=True,
            overflow="ellipsis",
            min_width=least,
        )
    for row in rows:
        cells = [text.shorten_path(row[i], max(width - others, 24)) if i == LINE else row[i] for i in kept]
        table.add_row(*(Text(cell, "bold" if at == 0 else "") for at, cell in enumerate(cells)))
    return table


def _draw(excerpt: Excerpt, width: int, stack: bool) -> list[Text]:
    head = Text.assemble((excerpt.title, "#4c8fd0"), ("  trainer" if excerpt.role == "trainer" else "", "dim"))
    head.append(f"  ({excerpt.note})" if excerpt.note else "", "dim")
    drawn = [head]
    hottest = max((line.share or 0.0 for line in excerpt.lines), default=0.0)
    margin = len(str(excerpt.lines[-1].number)) if excerpt.lines else 0
    for line in excerpt.lines:
        share = text.percent(line.share) if line.share is not None else ""
        bar = HEAT[min(round((line.share or 0.0) / hottest * 8), 8)] if hottest else " "
        row = Text.assemble((f"{share:>5} ", "bold"), (bar, "#d9773b"), (f" {line.number:>{margin}} ", "dim"))
        row.append(line.code, "" if line.share is not None else "dim")
        row.truncate(width, overflow="ellipsis")
        drawn.append(row)
    if stack:
        calls = excerpt.stack or ("no stack was kept for this line",)
        drawn += [
            Text("  " * depth + f"└ {call}", "dim", no_wrap=True, overflow="ellipsis")
            for depth, call in enumerate(calls, 1)
        ]
    return drawn
