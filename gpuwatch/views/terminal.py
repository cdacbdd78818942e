"""The terminal as it is: its width, whether it shows colour, whether it can draw more than ASCII."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

from gpuwatch.records import dataclass

NARROW, WIDE, PIPED = 80, 200, 100
# One character for one, so that a layout made for the full set keeps its columns.
_ASCII = str.maketrans("–—−×→·…≥≤≈µ°─│━█▓▒░▚▄▌▀■▞▪•●□✓✗", "---x>|~><~u'-|-#+=.%_!^@/o*o.vx")


@dataclass(frozen=True, slots=True)
class Screen:
    """What the output can show."""

    width: int
    color: bool
    ascii: bool


def screen(stream: IO[str] | None = None, width: int | None = None) -> Screen:
    """Look at a stream; COLUMNS and NO_COLOR win over what it says. Widths outside 80..200 are drawn as these."""
    stream = stream or sys.stdout
    tty = _is_tty(stream)
    color = tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    wanted = width or _columns() or (shutil.get_terminal_size((PIPED, 24)).columns if tty else PIPED)
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    return Screen(min(max(wanted, NARROW), WIDE), bool(color), encoding not in ("utf8", "utf16", "utf32", "gb18030"))


def show(renderable: RenderableType, stream: IO[str] | None = None, on: Screen | None = None) -> None:
    """Print a renderable on a stream as well as the stream can show it."""
    stream = stream or sys.stdout
    on = on or screen(stream)
    drawn = Ascii(renderable) if on.ascii else renderable
    if on.color:
        _console(on, stream).print(drawn, end="")
        return
    console = _console(on, io.StringIO())
    console.print(drawn, end="")
    # Spaces that pad a line are seen by everything that is not a terminal: diff, grep, a pull-request comment.
    stream.writelines(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


def _console(on: Screen, stream: IO[str]) -> Console:
    return Console(
        file=stream,
        width=on.width,
        force_terminal=on.color,
        no_color=not on.color,
        color_system="auto" if on.color else None,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )


class Ascii:
    """Draw a renderable with ASCII characters only, column by column as it was."""

    def __init__(self, renderable: RenderableType) -> None:
        self.renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._lines(console.render(self.renderable, options))

    @staticmethod
    def _lines(segments: Iterable[Segment]) -> Iterable[Segment]:
        for segment in segments:
            yield segment if segment.control else Segment(to_ascii(segment.text), segment.style)


def to_ascii(text: str) -> str:
    """Return text in ASCII, as wide as it was; what has no likeness becomes a question mark."""
    if text.isascii():
        return text
    from rich.cells import cell_len

    return "".join(c if c.isascii() else "?" * cell_len(c) for c in text.translate(_ASCII))


def _is_tty(stream: IO[str]) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _columns() -> int | None:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) > 0 else None
