"""What opens over the dashboard: the keys, a finding, a line."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = (
    ("q", "leave the dashboard; the training goes on"),
    ("space", "pause and go on (the training is not paused)"),
    ("+  −", "shorter or longer window of time"),
    ("←  →", "earlier, later; Home and End: the start, now"),
    ("r  g", "one rank, one GPU, all again"),
    ("o", "sort the workers"),
    ("tab", "findings or lines"),
    ("↑  ↓  enter", "choose one, open its detail"),
    ("s", "save the report as HTML"),
    ("l", "show or hide the command's output"),
    ("t", "next theme"),
)
WORDS = (
    ("waiting", "the training waited for its next batch"),
    ("at work", "a worker was making a batch, not waiting for something to do"),
    ("current", "the batch that a worker is making, inferred from the indices handed to it; waits: it has none"),
    ("a batch", "how long making one takes; CPU: of one core, over the last seconds"),
    ("busy", "the GPU ran at least one kernel; SM: how much of the chip worked"),
    ("stalls", "tasks were stalled for lack of CPU or I/O (PSI, the kernel's pressure figures)"),
)


class Detail(ModalScreen[None]):
    """A box with a title; any of esc, enter, q closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,question_mark", "dismiss", "close", priority=True)]

    def __init__(self, title: str, body: RenderableType) -> None:
        super().__init__()
        self._heading, self._body = title, body

    def compose(self) -> ComposeResult:
        box = VerticalScroll(Static(self._body), id="detail")
        box.border_title = self._heading
        box.border_subtitle = "esc closes"
        yield box


class Help(Detail):
    """The keys and the words."""

    def __init__(self) -> None:
        table = Table.grid(padding=(0, 2, 0, 0))
        for name, meaning in KEYS:
            table.add_row(Text(name, "bold"), meaning)
        table.add_row("", "")
        for name, meaning in WORDS:
            table.add_row(Text(name, "bold"), Text(meaning, "dim"))
        super().__init__("Keys and words", table)
