"""Charts of characters: a stacked area of eighth blocks, a one-line history, a bar of parts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from gpuwatch.records import dataclass

EIGHTHS = " ▁▂▃▄▅▆▇█"
QUIET, GOOD, BAD = "#7d8792", "#3f9c6b", "#d0524a"
# Without colour the two must still differ: in brightness, on a dark ground and on a light one.
WAIT, WORK = ("#c4c4c4", "#5c5c5c") if os.environ.get("NO_COLOR") else ("#d9751f", "#4d8fd1")


@dataclass(frozen=True, slots=True)
class Area:
    """Two series stacked: `lower` at the bottom, `upper` on top of it; one value per column, None is empty."""

    lower: Sequence[float | None]
    upper: Sequence[float | None]
    height: int
    top: float
    styles: tuple[str, str] = (WORK, WAIT)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for row in range(self.height):
            yield from self.line(self.height - 1 - row)
            yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(len(self.lower), len(self.lower))

    def line(self, row: int) -> list[Segment]:
        """Return one line of the chart, counted from the bottom; neighbours of one style in one piece."""
        made: list[tuple[str, Style | None]] = []
        for low, up in zip(self.lower, self.upper, strict=True):
            block, style = self._cell(low, up, row)
            if made and made[-1][1] == style:
                made[-1] = (made[-1][0] + block, style)
            else:
                made.append((block, style))
        return [Segment(text, style) for text, style in made]

    def _cell(self, low: float | None, up: float | None, row: int) -> tuple[str, Style | None]:
        if low is None and up is None:
            return " ", None
        scale = 8 * self.height / self.top if self.top > 0 else 0.0
        filled = min(8, max(0, round((low or 0.0) * scale) - 8 * row))
        whole = min(8, max(0, round(((low or 0.0) + (up or 0.0)) * scale) - 8 * row))
        if whole == 0:
            return " ", None
        if filled == 0 or filled == whole:
            return EIGHTHS[whole], Style.parse(self.styles[1 if filled == 0 else 0])
        # Both in one cell: the lower one as a block on the upper one's colour, which then fills the whole cell.
        return EIGHTHS[filled], Style.parse(f"{self.styles[0]} on {self.styles[1]}")


def history(values: Sequence[float | None], top: float, style: str = WORK) -> Text:
    """Return a series as one line of blocks; what was not measured is a dot."""
    drawn = Text()
    blocks = ((style, EIGHTHS[_level(value, top)]) if value is not None else ("dim", "·") for value in values)
    for of, run in groupby(blocks, itemgetter(0)):
        drawn.append("".join(block for _, block in run), of)
    return drawn


def _level(value: float, top: float) -> int:
    return min(8, max(1, round(8 * value / top))) if top > 0 else 1


def meter(share: float | None, width: int, style: str = WORK) -> Text:
    """Return a share as a bar of that width; dots when it was not measured."""
    if share is None:
        return Text("·" * width, "dim")
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    partial = " ▏▎▍▌▋▊▉"[rest] if whole < width else ""
    return Text("█" * whole + partial.strip(), style) + Text(
        "░" * (width - whole - (1 if rest and whole < width else 0)), "dim"
    )


def parts_bar(parts: Sequence[tuple[str, float, str]], width: int) -> Text:
    """Return named parts (name, share, style) as one bar; a part is named inside where it has room."""
    drawn, used, total = Text(), 0.0, sum(share for _, share, _ in parts) or 1.0
    for name, share, style in parts:
        cells = round((used + share) / total * width) - round(used / total * width)
        used += share
        label = f" {name}"
        inside = label.ljust(cells) if len(label) + 1 <= cells else " " * cells
        drawn.append(inside, f"#101214 on {style}")
    return drawn


def grid() -> Table:
    """Return a table without lines: columns two apart."""
    return Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
