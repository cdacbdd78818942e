"""The dashboard: a Textual app around the panels. It reads, and never touches the training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from rich.console import RenderableType
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import RichLog, Static

from gpuwatch.model.report import Report
from gpuwatch.views.live import choices, details, devices, panels
from gpuwatch.views.live.frame import Frame, View
from gpuwatch.views.live.panel import Panel
from gpuwatch.views.live.screens import Detail, Help
from gpuwatch.views.live.workers import workers
from gpuwatch.words.lanes import WORKER
from gpuwatch.words.units import figures

REFRESH_S = 0.5
# The analysis may use this share of one core; a longer recording is read less often.
ANALYSIS_SHARE = 0.03
SHORTEST_PAUSE_S = 1.0
FOCUS = ("findings", "lines")
# How long a line in the place of the keys is shown; a second Ctrl-C within that time interrupts the training.
NOTE_S = 4.0

Read = Callable[[], tuple[Report, bool]]


class Dashboard(App[str]):
    """Panels over one run. `read` returns its report so far and whether it still runs; `save` writes the HTML."""

    CSS_PATH = "dashboard.tcss"
    TITLE = "gpuwatch"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("question_mark,h", "help", "help"),
        Binding("space", "pause", "pause"),
        Binding("plus,equals_sign", "window(-1)", "zoom in"),
        Binding("minus", "window(1)", "zoom out"),
        Binding("left", "scrub(-1)", "earlier"),
        Binding("right", "scrub(1)", "later"),
        Binding("home", "scrub_to('start')", "start"),
        Binding("end", "scrub_to('end')", "now"),
        Binding("r", "next_rank", "rank"),
        Binding("g", "next_device", "GPU"),
        Binding("o", "next_sort", "sort"),
        Binding("tab", "next_list", "list", priority=True),
        Binding("up,k", "select(-1)", "up"),
        Binding("down,j", "select(1)", "down"),
        Binding("enter", "detail", "detail"),
        Binding("s", "save", "save HTML"),
        Binding("l", "log", "log"),
        Binding("t", "next_theme", "theme"),
        Binding("ctrl+c", "interrupt", "interrupt", priority=True),
    ]
    KEYS = "? help  space pause  +/- zoom  ←/→ time  enter detail  s save  q quit"

    def __init__(
        self,
        read: Read,
        save: Callable[[Report], str],
        interrupt: Callable[[], str] | None = None,
        with_log: bool = False,
    ) -> None:
        super().__init__()
        self._read, self._save, self._interrupt = read, save, interrupt
        self._with_log = with_log
        # Held, not looked up: output may still come when the screen is being taken down.
        self._log_pane = RichLog(id="log", max_lines=2000, wrap=False, auto_scroll=True)
        self.ready = threading.Event()
        self._view = View()
        self.latest: Frame | None = None
        self._list = FOCUS[0]
        self._note, self._note_until, self._footed = "", 0.0, ""
        self._read_until = self._asked_until = 0.0
        self._reading = False

    def compose(self) -> ComposeResult:
        yield Panel("", self._header, id="header")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield Panel("Verdict", panels.verdict, id="verdict")
                yield Panel("Time", panels.phases, id="time")
                yield Panel("Steps", panels.steps, id="steps")
                with Vertical(id="log-box"):
                    yield self._log_pane
                yield Panel("Findings", self._findings, id="findings")
            with Vertical(id="right"):
                yield Panel("GPUs", devices.gpus, id="gpus")
                yield Panel("Workers", workers, id="workers")
                yield Panel("Machine", devices.machine, id="machine")
                yield Panel("Lines that cost most", self._lines, id="lines")
        yield Static(self.KEYS, id="footer")

    def on_mount(self) -> None:
        # The keys belong to the dashboard; the log scrolls with the wheel.
        self._log_pane.can_focus = False
        self.query_one("#log-box").display = self._with_log
        self.query_one("#log-box").border_title = "Output of the command"
        self._fit(self.size.width, self.size.height)
        self.set_interval(REFRESH_S, self._tick)
        self._tick()
        self.ready.set()

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size.width, event.size.height)

    def output(self, text: str) -> None:
        """Append lines of the command's output to the log pane."""
        from rich.text import Text

        if not self._log_pane.is_attached:
            return  # the person is leaving
        for line in text.split("\n"):
            # A progress bar writes over its line: what stood last is what a terminal would show.
            self._log_pane.write(Text.from_ansi(line.rstrip("\r").rsplit("\r", 1)[-1]))

    def note(self, text: str, seconds: float = NOTE_S) -> None:
        """Show a line in the place of the keys for a while."""
        self._note, self._note_until = text, time.monotonic() + seconds
        self._footer()

    # Reading

    def _tick(self) -> None:
        self._footer()
        if self._reading or time.monotonic() < self._read_until:
            return
        if self.latest is not None and not self.latest.live:
            return
        self._reading = True
        self.run_worker(self._analyse, thread=True, exclusive=True, group="analysis", exit_on_error=False)

    def _analyse(self) -> None:
        began = time.thread_time()
        try:
            report, live = self._read()
        except Exception as error:
            self._tell(self._failed, error)
            return
        spent = time.thread_time() - began
        self._tell(self._show, report, live, max(SHORTEST_PAUSE_S, spent / ANALYSIS_SHARE))

    def _tell(self, what: Callable[..., None], *values: object) -> None:
        # The person may have left while the recording was read.
        with suppress(RuntimeError):
            self.call_from_thread(what, *values)

    def _failed(self, error: Exception) -> None:
        self._reading = False
        self._read_until = time.monotonic() + 5
        self.note(f"not readable just now: {' '.join(str(error).split())}")

    def _show(self, report: Report, live: bool, pause: float) -> None:
        self._reading = False
        self._read_until = time.monotonic() + pause
        ended = self.latest is not None and self.latest.live and not live
        if self._view.paused and self.latest is not None:
            self.latest = replace(self.latest, live=live)
        else:
            self.latest = Frame(report, self._view, live)
        self._redraw()
        if ended:
            self.note("The training has ended. ←/→ go through the recording, q quits.", 3600)

    def _redraw(self) -> None:
        if self.latest is None or not self.query("#header"):
            return
        self.latest = replace(self.latest, view=self._view)
        self._give_room(self.latest)
        for panel in self.query(Panel):
            panel.show(self.latest)

    def _give_room(self, frame: Frame) -> None:
        """Give the panels whose length is known no more lines than they need."""
        short = self.screen_stack[0].has_class("-short")
        report = frame.report
        counts = {"gpus": len(report.devices), "lines": len(frame.hot_lines), "findings": len(report.findings)}
        room = {
            "gpus": min(max(1 if short else 2, counts["gpus"]), 3 if short else 8),
            "lines": min(max(2, counts["lines"]), 2 if short else 8),
        }
        room["findings"] = min(max(2, counts["findings"]), 2) if short else 2 * max(2, counts["findings"])
        for name, lines in room.items():
            self.query_one(f"#{name}").styles.height = lines + 1
        workers = len(frame.lanes(WORKER))
        for name, title, count in (
            ("gpus", "GPUs", counts["gpus"]),
            ("findings", "Findings", counts["findings"]),
            ("workers", "Workers", workers),
        ):
            self.query_one(f"#{name}").border_title = f"{title} · {count}" if count > 1 else title

    def _header(self, frame: Frame, width: int, height: int) -> RenderableType:
        return panels.header(frame, max(20, width))

    def _findings(self, frame: Frame, width: int, height: int) -> RenderableType:
        return panels.findings(frame, width, height, self._selected("findings", len(frame.report.findings)))

    def _lines(self, frame: Frame, width: int, height: int) -> RenderableType:
        return panels.lines(frame, width, height, self._selected("lines", len(frame.hot_lines)))

    def _selected(self, which: str, count: int) -> int | None:
        return min(self._view.selected, count - 1) if which == self._list and count else None

    def _footer(self) -> None:
        shown = self._note if time.monotonic() < self._note_until else self.KEYS
        if shown == self._footed:
            return
        self._footed = shown
        # A last tick may come when the screen is gone already.
        for footer in self.query("#footer").results(Static):
            footer.update(shown)

    def _fit(self, width: int, height: int) -> None:
        narrow = width < 110
        sizes = {
            "narrow": narrow,
            "short": height < (44 if narrow else 30),
            "low": height < 30,
            "tall": height >= 52,
            "log": bool(self.query_one("#log-box").display),
        }
        for name, fits in sizes.items():
            self.screen_stack[0].set_class(fits, f"-{name}")
        self.call_after_refresh(self._redraw)

    # Keys

    def action_help(self) -> None:
        self.push_screen(Help())

    def action_pause(self) -> None:
        self._look(replace(self._view, paused=not self._view.paused))

    def action_window(self, by: int) -> None:
        self._look(choices.zoomed(self._view, by))
        self.note(f"showing {figures(self._view.window_s)} s", 2)

    def action_scrub(self, by: int) -> None:
        if self.latest is not None:
            self._look(choices.scrubbed(self.latest, by))

    def action_scrub_to(self, where: str) -> None:
        if self.latest is not None:
            self._look(choices.at_start(self.latest) if where == "start" else replace(self._view, at_s=None))

    def action_next_rank(self) -> None:
        if self.latest is not None:
            self._look(choices.next_rank(self.latest))
            self.note(f"rank {self._view.rank}" if self._view.rank is not None else "all ranks", 2)

    def action_next_device(self) -> None:
        if self.latest is not None:
            self._look(choices.next_device(self.latest))
            self.note(f"GPU {self._view.device}" if self._view.device is not None else "all GPUs", 2)

    def action_next_sort(self) -> None:
        self._look(choices.next_sort(self._view))
        self.note(f"workers sorted by {self._view.sort}", 2)

    def _look(self, view: View) -> None:
        self._view = view
        self._redraw()

    def action_next_list(self) -> None:
        self._list = FOCUS[(FOCUS.index(self._list) + 1) % len(FOCUS)]
        self._look(replace(self._view, selected=0))

    def action_select(self, by: int) -> None:
        if self.latest is not None:
            count = len(self.latest.report.findings if self._list == "findings" else self.latest.hot_lines)
            self._look(replace(self._view, selected=max(0, min(count - 1, self._view.selected + by))))

    def action_detail(self) -> None:
        if self.latest is None:
            return
        report, at = self.latest.report, self._view.selected
        if self._list == "findings" and at < len(report.findings):
            self.push_screen(Detail("Finding", details.finding_detail(report.findings[at], report.run.cwd)))
        elif self._list == "lines" and at < len(self.latest.hot_lines):
            self.push_screen(Detail("Line", details.line_detail(self.latest, at)))

    def on_panel_clicked(self, clicked: Panel.Clicked) -> None:
        """Select the row of a list that was clicked, and show its detail."""
        if clicked.panel in FOCUS and self.latest is not None:
            count, height = len(self.latest.report.findings), self.query_one("#findings").content_size.height
            each = panels.lines_each(count, height) if clicked.panel == "findings" else 1
            self._list = clicked.panel
            self._look(replace(self._view, selected=max(0, clicked.row // each)))
            self.action_detail()

    def action_save(self) -> None:
        if self.latest is not None:
            report = self.latest.report
            self.note("saving", 60)
            self.run_worker(lambda: self._saved(report), thread=True, group="saving", exit_on_error=False)

    def _saved(self, report: Report) -> None:
        try:
            said = f"saved {self._save(report)}"
        except Exception as error:
            said = f"not saved: {' '.join(str(error).split())}"
        self._tell(self.note, said)

    def action_log(self) -> None:
        box = self.query_one("#log-box")
        if self._with_log:
            box.display = not box.display
            self._fit(self.size.width, self.size.height)

    def action_next_theme(self) -> None:
        names = ("textual-dark", "textual-light", "nord", "gruvbox", "textual-ansi")
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]

    def action_interrupt(self) -> None:
        if self._interrupt is None:
            self.exit("quit")
        elif time.monotonic() < self._asked_until:
            self._asked_until = 0.0
            self.note(self._interrupt())
        else:
            self._asked_until = time.monotonic() + NOTE_S
            self.note("Ctrl-C again interrupts the training; q leaves it running.")
