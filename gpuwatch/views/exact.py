"""The exact pass: each measured function's source with hits, time per hit and heat beside every line."""

from __future__ import annotations

import linecache
import os

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gpuwatch.model.exact_lines import ExactFunction, ExactLine, ExactPass
from gpuwatch.records import dataclass
from gpuwatch.views import text
from gpuwatch.views.text import clean

HEAT = " ▁▂▃▄▅▆▇█"
HEADER = ("share", "", "sampled", "hits", "per hit", "total")
CAVEAT = "Times by line_profiler, which slows pure-Python lines: shares rank the lines of one function only."
COMPARED = "`sampled` is the line's share of the function's samples in the last run, which no such slowing bends."
_LONGEST_GAP = 8
# A measured batch that took hardly longer is not worth a word; this slow-down is what gpuwatch aims at by itself.
_LONGER, _CHEAP = 1.2, 1.25


@dataclass(frozen=True, slots=True)
class Row:
    """One source line: its cells under `HEADER`, all empty for a line that was not measured."""

    number: int
    cells: tuple[str, ...]
    code: str


def rows(function: ExactFunction) -> list[Row]:
    """Return the function's lines from its first to the last that was hit; long stretches without a hit are left out."""
    measured = {line.line: line for line in function.lines}
    hottest = max((line.share for line in function.lines), default=0.0)
    shown: list[Row] = []
    for number in range(function.line, max(measured) + 1):
        if _far(number, function.line, measured):
            continue
        found = measured.get(number)
        code = found.source if found and found.source else linecache.getline(function.file, number)
        shown.append(Row(number, _cells(found, hottest), clean(code.rstrip("\n").expandtabs(4))))
    return shown


def _far(number: int, first: int, measured: dict[int, ExactLine]) -> bool:
    return number > first + 1 and not any(abs(number - line) <= _LONGEST_GAP for line in measured)


def _cells(line: ExactLine | None, hottest: float) -> tuple[str, ...]:
    if line is None:
        return ("",) * len(HEADER)
    bar = HEAT[min(round(line.share / hottest * 8), 8)] if hottest else " "
    per_hit = line.seconds / line.hits if line.hits else None
    return (
        text.percent(line.share),
        bar,
        text.percent(line.sampled_share) if line.sampled_share is not None else "",
        f"{line.hits:,}",
        text.duration(per_hit),
        text.duration(line.seconds),
    )


def title(function: ExactFunction, base: str) -> tuple[str, str]:
    """Return a function's place, and what was measured of it."""
    place = f"{text.relative(clean(function.file), base)}:{function.line} {clean(function.name)}"
    where = text.count(function.processes, function.process_role)
    batches = f"{function.batches_measured:,} of {text.count(function.batches, 'batch', 'batches')}"
    if function.times_longer and function.times_longer >= _LONGER:
        batches += f", each {text.factor(function.times_longer)} as long for being measured"
    return place, f"{where} · {batches} · {text.duration(function.seconds)}"


def render(found: ExactPass, base: str = "", width: int = 100) -> RenderableType:
    """Return all functions as a rich renderable, then what was asked for and not seen."""
    parts: list[RenderableType] = []
    for function in found.functions:
        parts += [*_draw(function, base, width - 4), Text()]
    if found.functions:
        sampled = any(line.sampled_share is not None for function in found.functions for line in function.lines)
        parts.append(Text(f"{CAVEAT} {COMPARED}" if sampled else CAVEAT, "dim"))
    if found.slowdown is not None:
        parts.append(Text(cost(found.slowdown, found.sample), "dim"))
    parts += [Text(line) for line in notes(found)]
    return Padding(Group(*parts), (1, 2))


def cost(slowdown: float, sample: int) -> str:
    """Return what measuring has cost this run, for people."""
    longer = f"{text.percent(slowdown - 1)} longer" if slowdown < 2 else f"{text.factor(slowdown)} as long"
    advice = "" if slowdown < _CHEAP else " A higher --sample costs less."
    return f"Measuring one batch in {sample} made all of them together take {longer}.{advice}"


def notes(found: ExactPass) -> list[str]:
    """Return a line for each function that has no times, with what to do."""
    unseen = [
        f"{clean(name)} was not found: no module of that file or name had such a function when batches were made."
        for name in found.unseen
    ]
    fewer = "" if found.sample == 1 else " --sample 1 measures every batch."
    uncalled = [
        f"{clean(name)} was not called while a measured batch was made or trained on, in the thread that does so.{fewer}"
        for name in found.uncalled
    ]
    return unseen + uncalled


def _draw(function: ExactFunction, base: str, width: int) -> list[Text]:
    place, measured = title(function, base)
    drawn = [Text.assemble((place, "#4c8fd0"), (f"  {measured}", "dim"))]
    if not os.path.isfile(function.file):
        drawn.append(Text("the file is not on this machine", "dim"))
    lines = rows(function)
    widths = [max(len(cells[at]) for cells in (HEADER, *(row.cells for row in lines))) for at in range(len(HEADER))]
    kept = [at for at in range(len(HEADER)) if HEADER[at] != "sampled" or any(row.cells[at] for row in lines)]
    margin = len(str(lines[-1].number)) if lines else 0
    drawn.append(Text(" ".join(HEADER[at].rjust(widths[at]) for at in kept), "dim"))
    before = lines[0].number if lines else 0
    for row in lines:
        if row.number > before + 1:
            drawn.append(Text("…", "dim"))
        before = row.number
        drawn.append(_line(row, kept, widths, margin, width))
    return drawn


def _line(row: Row, kept: list[int], widths: list[int], margin: int, width: int) -> Text:
    drawn = Text()
    for at in kept:
        drawn.append(row.cells[at].rjust(widths[at]) + " ", "#d9773b" if at == 1 else "bold" if at == 0 else "")
    drawn.append(f"{row.number:>{margin}} ", "dim")
    drawn.append(row.code, "" if row.cells[0] else "dim")
    drawn.truncate(width, overflow="ellipsis")
    return drawn
