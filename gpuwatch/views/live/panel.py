"""One panel of the dashboard: a title on a rule and a renderable below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from rich.console import RenderableType
from textual import events
from textual.widget import Widget

from gpuwatch.views.live.frame import Frame

if TYPE_CHECKING:
    from gpuwatch.views.live.app import Dashboard

Draw = Callable[[Frame, int, int], RenderableType]


class Panel(Widget):
    """Draws one function of the frame; only when the frame or the size changed."""

    def __init__(self, title: str, draw: Draw, id: str) -> None:
        super().__init__(id=id)
        self.border_title = title
        self._draw = draw
        self._frame: Frame | None = None

    def show(self, frame: Frame) -> None:
        """Show a frame."""
        self._frame = frame
        self.refresh()

    def render(self) -> RenderableType:
        """Return the panel's content in the size it has."""
        if self._frame is None:
            return ""
        return self._draw(self._frame, max(8, self.content_size.width), max(1, self.content_size.height))

    def on_click(self, event: events.Click) -> None:
        """Open the clicked row's detail."""
        cast("Dashboard", self.app).open_list(self.id or "", event.y - 1)
