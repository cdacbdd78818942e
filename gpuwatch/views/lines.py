"""The hot lines as ranked tables, then the source round the hottest, with each line's heat in the margin."""

from __future__ import annotations

import linecache
import os
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gpuwatch.model.hot_lines import HotLine, StackQuality
from gpuwatch.model.measures import Place
from gpuwatch.model.report import Report
from gpuwatch.records import dataclass
from gpuwatch.views import text
from gpuwatch.views.line_tables import USUAL, below_of, sections, table, table_rows, whole_of
from gpuwatch.views.text import clean
from gpuwatch.words.source_code import is_cell

AROUND = 3
HEAT = " ▁▂▃▄▅▆▇█"
SMALL, MOST_EXCERPTS, DEEPEST = 0.05, 6, 10
LEAST, STARTING_NS = 0.01, 30_000_000_000


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


def excerpts(
    lines: Sequence[HotLine], everything: Sequence[HotLine], base: str, began_ns: int | None = None
) -> list[Excerpt]:
    """Return the source round the lines that cost much, or else the hottest; a line that an earlier excerpt shows gets
    none of its own. `began_ns`: when the run began; a file that is newer has moved its lines, perhaps."""
    shown: set[tuple[str, str, int]] = set()
    found: list[Excerpt] = []
    for line in lines:
        whole = whole_of(line)
        if (whole, line.file, line.line) in shown or (found and line.share < SMALL) or len(found) == MOST_EXCERPTS:
            continue
        excerpt = _excerpt(line, [x for x in everything if whole_of(x) == whole], base)
        if not excerpt.note and began_ns and _is_newer(line.file, began_ns):
            excerpt = replace(excerpt, note="changed since the run began: lines may have moved")
        shown |= {(whole, line.file, part.number) for part in excerpt.lines}
        found.append(excerpt)
    return found


def _excerpt(line: HotLine, rivals: Sequence[HotLine], base: str) -> Excerpt:
    title = text.place(Place(line.file, line.line), base)
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
    return Excerpt(title, _about_line(line, base), parts, note, tuple(_call(frame, base) for frame in line.stack))


def _is_newer(file: str, began_ns: int) -> bool:
    """Say whether a file was written when the run had long read it (a run may write code of its own at its start)."""
    try:
        return os.stat(file).st_mtime_ns > began_ns + STARTING_NS
    except OSError:
        return False


def _about_line(line: HotLine, base: str) -> str:
    """Return in words what the table says of a line beside its place."""
    role = "trainer" if line.process_role == "trainer" else ""
    reported = (role, "" if line.activity in USUAL else line.activity, f"in {line.callee}" if line.callee else "")
    made = f"{clean(line.makes)} is made here" if line.makes else ""
    return " · ".join(clean(part) for part in (*reported, made, below_of(line, base)) if part)


def _call(frame: Place, base: str) -> str:
    """Return one call of a stack, its file as short as that of a line."""
    return f"{clean(frame.function or '?')}  {text.place(frame, base)}"


def _source(line: HotLine) -> tuple[list[str], str]:
    """Return the file's lines now, unless it is gone or the line is no longer what was recorded."""
    if not os.path.isfile(line.file) and not (is_cell(line.file) and line.file in linecache.cache):
        return [], "the cell's text was not recorded" if is_cell(line.file) else "the file is not on this machine"
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
        parts += [Text(), Text(section.title, "bold"), table(table_rows(shown, base), width - 4)]
    for excerpt in excerpts(hottest, report.hot_lines, base, report.run.started_wall_ns):
        parts += [Text(), *_draw(excerpt, width - 4, stack)]
    return Padding(Group(*parts), (1, 2))


def _why_none(report: Report) -> str:
    if report.hot_lines:
        return "No hot line of that role in this run."
    return f"No hot lines: {clean(report.stacks.note) or 'no stack was sampled'}. `gpuwatch doctor` says whether stacks can be sampled here."


def about(quality: StackQuality) -> str:
    """Return who took the samples, and how far to trust them and why."""
    note = clean(quality.note) or f"{text.count(quality.samples, 'sample')} by {quality.sampler}"
    if quality.trust == "high":
        return f"{note} · high trust"
    why = {"timer": "approximate, as seen from inside the processes"}.get(quality.sampler, "few samples")
    return f"{note} · {quality.trust} trust: {why}"


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
