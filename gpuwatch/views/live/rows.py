"""Rows of cells, and what a panel draws as lines of segments: a fraction of what a general table costs, twice a second."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from gpuwatch.views.live.charts import Area

Line = list[Segment]
GAP = 2


class Rows:
    """Cells in columns two apart, a line each. The column `wide` takes the room that the others leave, or is cut to it."""

    def __init__(self, wide: int | None = None) -> None:
        self.rows: list[tuple[Text, ...]] = []
        self._wide = wide

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, *cells: Text | str) -> None:
        """Append a row."""
        self.rows.append(tuple(cell if isinstance(cell, Text) else Text(cell) for cell in cells))

    def lines(self, width: int) -> list[Line]:
        """Return the rows as lines of at most `width` cells."""
        widths = [
            max(row[at].cell_len if at < len(row) else 0 for row in self.rows)
            for at in range(max(map(len, self.rows), default=0))
        ]
        if self._wide is not None and widths:
            others = sum(widths) - widths[self._wide] + GAP * (len(widths) - 1)
            widths[self._wide] = max(1, width - others)
        return [_line(row, widths, width) for row in self.rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines(options.max_width):
            yield from line
            yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, options.max_width)


def _line(row: tuple[Text, ...], widths: list[int], width: int) -> Line:
    made: Line = []
    for at, cell in enumerate(row):
        made += fitted(cell, widths[at])
        if at + 1 < len(row):
            made.append(Segment(" " * (widths[at] - min(cell.cell_len, widths[at]) + GAP)))
    return made if sum(widths) + GAP * (len(widths) - 1) <= width else list(Segment.adjust_line_length(made, width))


def fitted(text: Text, width: int) -> Line:
    """Return a text as one line of at most `width` cells; what does not fit ends in an ellipsis."""
    if text.cell_len <= width:
        return segments(text)
    room, made = width - 1, []
    for segment in segments(text):
        taken = segment if segment.cell_length <= room else Segment(set_cell_size(segment.text, room), segment.style)
        made.append(taken)
        room -= taken.cell_length
        if room <= 0:
            break
    return [*made, Segment("…", made[-1].style if made else None)] if width > 0 else []


def segments(text: Text) -> Line:
    """Return a text's parts in their styles. Its styles follow each other, as `append` and `assemble` leave them."""
    plain, base, made, done = text.plain, _style(text.style), [], 0
    for start, end, style in text.spans:
        if start > done:
            made.append(Segment(plain[done:start], base))
        made.append(Segment(plain[max(start, done) : end], base + _style(style)))
        done = max(done, end)
    if done < len(plain):
        made.append(Segment(plain[done:], base))
    return made


def _style(style: str | Style) -> Style:
    return Style.parse(style) if isinstance(style, str) else style


def lines_of(drawn: RenderableType, width: int, console: Console) -> list[Line]:
    """Return what is drawn as lines; what these rows do not know goes through rich."""
    if isinstance(drawn, Group):
        return [line for part in drawn.renderables for line in lines_of(part, width, console)]
    if isinstance(drawn, Rows):
        return drawn.lines(width)
    if isinstance(drawn, Area):
        return [drawn.line(drawn.height - 1 - row) for row in range(drawn.height)]
    if isinstance(drawn, Text) and "\n" not in drawn.plain and (drawn.no_wrap or cell_len(drawn.plain) <= width):
        return [fitted(drawn, width)]
    options = console.options.update(width=width, height=None)
    return [list(line) for line in console.render_lines(drawn, options, pad=False)]
