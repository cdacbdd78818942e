"""The hot lines as ranked tables, one for each thing that shares are of, then the source round the hottest ones."""

from __future__ import annotations

import linecache
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gpuwatch.model import HotLine, Report, StackQuality
from gpuwatch.views import text
from gpuwatch.views.text import clean

AROUND = 3
HEAT = " ▁▂▃▄▅▆▇█"
LINE = 2
HEADER = ("share", "of waits", "line", "function", "spent in", "while", "if free")
NAMES = (LINE, 3, 4, 5)
LOADING, BEFORE = ("fetch", "collate", "serialise"), ("startup", "importing")
IN_WORKERS, IN_TRAINER = "Making batches, in the workers", "Making batches, in the training process"
IN_LOOP, BETWEEN = "The training loop's own code", "Between loops"
START, WORKER_START = "Before the first batch: share of all that time", "Before the first batch, in the workers"
# What a process does anyway is not worth a word.
USUAL = ("fetch", "step", "startup", "between loops")
SMALL, MOST_EXCERPTS, DEEPEST, TOO_FEW = 0.05, 6, 10, 5
LEAST = 0.01
# Between columns; how far names are cut where a terminal is narrow, at last they go; what a path keeps.
GAP, LONGEST_NAMES, LEAST_PATH = 3, (60, 28, 20, 14, 0), 24
_STACK = re.compile(r"^(?P<name>\S+) \((?P<file>.*):(?P<line>\d+)\)$")


@dataclass(frozen=True, slots=True)
class Section:
    """Lines whose shares are of the same whole, hottest first; `title` names it."""

    title: str
    lines: tuple[HotLine, ...]


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of an excerpt; `share` is None where no sample fell."""

    number: int
    code: str
    share: float | None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Neighbouring source lines of one file with the shares of their section. Empty `lines`: `note` says why."""

    title: str
    about: str
    lines: tuple[SourceLine, ...]
    note: str
    stack: tuple[str, ...]


def sections(lines: Sequence[HotLine]) -> list[Section]:
    """Return the lines by what their shares are of: making batches, the loops' own code, what is round the loops."""
    found: dict[str, list[HotLine]] = {}
    for line in lines:
        found.setdefault(_whole(line), []).append(line)
    if len(found) > 1:
        found = {title: those for title, those in found.items() if sum(line.samples for line in those) >= TOO_FEW}
    return [
        Section(title, tuple(found[title]))
        for title in (IN_WORKERS, IN_TRAINER, IN_LOOP, BETWEEN, START, WORKER_START)
        if title in found
    ]


def _whole(line: HotLine) -> str:
    worker = line.process_role == "worker"
    if line.activity in LOADING:
        return IN_WORKERS if worker else IN_TRAINER
    if line.activity in BEFORE:
        return WORKER_START if worker else START
    return BETWEEN if line.activity == "between loops" else IN_LOOP


def table_rows(lines: Sequence[HotLine], base: str) -> list[tuple[str, ...]]:
    """Return the ranked table's cells."""
    return [
        (
            text.percent(line.share),
            text.percent(line.waited_share),
            f"{text.relative(clean(line.file), base)}:{line.line}",
            _function(line),
            clean(line.callee or ""),
            "" if line.activity in USUAL else clean(line.activity),
            text.factor(line.speedup_if_free) if line.speedup_if_free is not None else "",
        )
        for line in lines
    ]


def _function(line: HotLine) -> str:
    return f"{clean(line.makes)}, made here" if line.makes else clean(line.function)


def excerpts(lines: Sequence[HotLine], everything: Sequence[HotLine], base: str) -> list[Excerpt]:
    """Return the source round the lines that cost much, or else the hottest; a line that an earlier excerpt shows gets
    none of its own."""
    shown: set[tuple[str, str, int]] = set()
    found: list[Excerpt] = []
    for line in lines:
        whole = _whole(line)
        if (whole, line.file, line.line) in shown or (found and line.share < SMALL) or len(found) == MOST_EXCERPTS:
            continue
        excerpt = _excerpt(line, [x for x in everything if _whole(x) == whole], base)
        shown |= {(whole, line.file, part.number) for part in excerpt.lines}
        found.append(excerpt)
    return found


def _excerpt(line: HotLine, rivals: Sequence[HotLine], base: str) -> Excerpt:
    title = f"{text.relative(clean(line.file), base)}:{line.line}"
    heat: dict[int, float] = {}
    for rival in rivals:
        if rival.file == line.file:
            heat[rival.line] = heat.get(rival.line, 0.0) + rival.share
    source, note = _source(line)
    numbers = range(max(line.line - AROUND, 1), min(line.line + AROUND, len(source)) + 1) if source else range(0)
    parts = tuple(
        SourceLine(number, clean(source[number - 1].rstrip("\n").expandtabs(4)), heat.get(number)) for number in numbers
    )
    if not parts and line.source:
        parts = (SourceLine(line.line, clean(line.source.strip()), line.share),)
    return Excerpt(title, _about_line(line), parts, note, tuple(_call(entry, base) for entry in line.stack))


def _about_line(line: HotLine) -> str:
    """Return in words what the table says of a line beside its place."""
    role = "trainer" if line.process_role == "trainer" else ""
    told = (role, "" if line.activity in USUAL else line.activity, f"in {line.callee}" if line.callee else "")
    made = f"{clean(line.makes)} is made here" if line.makes else ""
    return " · ".join(clean(part) for part in (*told, made) if part)


def _call(entry: str, base: str) -> str:
    """Return one call of a stack, its file as short as that of a line."""
    told = _STACK.match(clean(entry))
    return f"{told['name']}  {text.relative(told['file'], base)}:{told['line']}" if told else clean(entry)


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


def render(
    report: Report, lines: Sequence[HotLine], width: int = 100, stack: bool = False, number: int = 10
) -> RenderableType:
    """Return tables and excerpts as a rich renderable, at most `number` lines of each kind; says why there are none."""
    base = report.run.cwd
    if not lines:
        return Padding(Text(_why_none(report)), (1, 2))
    parts: list[RenderableType] = [Text(about(report.stacks), "dim")]
    hottest: list[HotLine] = []
    for section in sections(lines):
        shown = [line for line in section.lines[:number] if line.share >= LEAST or line is section.lines[0]]
        hottest += shown
        parts += [Text(), Text(section.title, "bold"), _table(table_rows(shown, base), width - 4)]
    for excerpt in excerpts(hottest, report.hot_lines, base):
        parts += [Text(), *_draw(excerpt, width - 4, stack)]
    return Padding(Group(*parts), (1, 2))


def _why_none(report: Report) -> str:
    if report.hot_lines:
        return "No hot line of that role in this run."
    return f"No hot lines: {clean(report.stacks.note) or 'no stack was sampled'}. `gpuwatch doctor` says whether stacks can be sampled here."


def about(quality: StackQuality) -> str:
    """Return who took the samples, and how far to trust them and why."""
    note = clean(quality.note) or f"{quality.samples:,} samples by {quality.sampler}"
    if quality.trust == "high":
        return f"{note} · high trust"
    why = {"timer": "approximate, as seen from inside the processes"}.get(quality.sampler, "few samples")
    return f"{note} · {quality.trust} trust: {why}"


def _table(rows: Sequence[tuple[str, ...]], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    widths = column_widths(rows, width)
    for i, room in widths.items():
        justify: Literal["left", "right"] = "left" if i in NAMES else "right"
        table.add_column(HEADER[i], justify=justify, no_wrap=True, overflow="ellipsis", min_width=room, max_width=room)
    for row in rows:
        cells = [text.shorten_path(row[i], room) if i == LINE else row[i] for i, room in widths.items()]
        table.add_row(*(Text(cell, "bold" if at == 0 else "") for at, cell in enumerate(cells)))
    return table


def column_widths(rows: Sequence[tuple[str, ...]], width: int) -> dict[int, int]:
    """Return the columns that are shown and how wide: figures whole, a line's number whole, names as far as they go."""
    kept = [i for i in range(len(HEADER)) if any(row[i] not in ("", text.DASH) for row in rows)]
    full = {i: max(cell_len(row[i]) for row in (HEADER, *rows)) for i in kept}
    least = max(cell_len(row[LINE].rpartition("/")[2]) for row in rows) + 2
    for longest in LONGEST_NAMES:
        names = {i: min(full[i], longest) for i in kept if i in NAMES and i != LINE and longest}
        figures = {i: full[i] for i in kept if i not in NAMES}
        room = width - sum((names | figures).values()) - GAP * len(names | figures)
        if room >= min(full[LINE], max(least, LEAST_PATH)) or not longest:
            found = names | figures | {LINE: min(full[LINE], max(room, least))}
            return {i: found[i] for i in kept if i in found}
    raise AssertionError  # the last of the lengths always fits


def _draw(excerpt: Excerpt, width: int, stack: bool) -> list[Text]:
    head = Text.assemble((excerpt.title, "#4c8fd0"), (f"  {excerpt.about}" if excerpt.about else "", "dim"))
    head.append(f"  ({excerpt.note})" if excerpt.note else "", "dim")
    head.truncate(width, overflow="ellipsis")
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
            Text("  " * min(depth, DEEPEST) + f"└ {call}", "dim", no_wrap=True, overflow="ellipsis")
            for depth, call in enumerate(calls, 1)
        ]
    return drawn
