"""One panel of the dashboard: a title on a rule and a renderable below it."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from gpuwatch.views.live.frame import Frame
from gpuwatch.views.live.rows import lines_of

Draw = Callable[[Frame, int, int], RenderableType]


class Panel(Widget):
    """Draws one function of the frame, line by line; what is the same as before is not written again."""

    class Clicked(Message):
        """A row of a panel was clicked."""

        def __init__(self, panel: str, row: int) -> None:
            super().__init__()
            self.panel, self.row = panel, row

    def __init__(self, title: str, draw: Draw, id: str) -> None:
        super().__init__(id=id)
        if title:
            self.border_title = title
        self._draw = draw
        self._frame: Frame | None = None
        self._lines: list[Strip] = []
        self._drawn = Size(0, 0)

    def show(self, frame: Frame) -> None:
        """Show a frame."""
        self._frame = frame
        before, self._lines = self._lines, self._strips()
        count = max(len(before), len(self._lines))
        changed = [y for y in range(count) if before[y : y + 1] != self._lines[y : y + 1]]
        if changed:
            self.refresh(*(Region(0, y, self._drawn.width, 1) for y in changed))

    def render(self) -> RenderableType:
        """Return the panel's content in the size it has."""
        if self._frame is None:
            return ""
        return self._draw(self._frame, max(8, self.content_size.width), max(1, self.content_size.height))

    def render_line(self, y: int) -> Strip:
        """Return one line of the panel's content."""
        if self._drawn != self.content_size:
            self._lines = self._strips()
        style, width = self.rich_style, self.content_size.width
        if y >= len(self._lines):
            return Strip.blank(width, style)
        return self._lines[y].adjust_cell_length(width).apply_style(style)

    def _strips(self) -> list[Strip]:
        self._drawn = self.content_size
        return [Strip(line) for line in lines_of(self.render(), max(8, self._drawn.width), self.app.console)]

    def on_click(self, event: events.Click) -> None:
        """Say which row was clicked."""
        self.post_message(self.Clicked(self.id or "", event.y - 1))
