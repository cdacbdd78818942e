"""What the dashboard shows at one moment: a report, the moment, and what the user has selected."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import field
from itertools import pairwise
from statistics import median

import numpy as np

from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.report import Report
from gpuwatch.model.timeline import Lane
from gpuwatch.records import dataclass
from gpuwatch.views import text
from gpuwatch.views.line_tables import sections
from gpuwatch.words.lanes import LaneKind

WINDOWS_S = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
# A median over more values than this looks the same and costs more.
ENOUGH = 48
SHOWN_LINE_SHARE = 0.01
# A report on less than this share of the run is one on its last part.
MOST_OF_THE_RUN = 0.8


@dataclass(frozen=True, slots=True)
class View:
    """What the user has selected. `at_s` is the moment looked at; None follows the run."""

    window_s: float = 60.0
    at_s: float | None = None
    rank: int | None = None
    device: int | None = None
    sort: str = "busiest"
    paused: bool = False
    selected: int = 0


@dataclass(frozen=True)
class Frame:
    """A report as the panels read it. `live` is False for a run that has ended."""

    report: Report
    view: View = field(default_factory=View)
    live: bool = True

    @property
    def now_s(self) -> float:
        """Return the moment looked at, in seconds since the run began."""
        return self.report.seconds if self.view.at_s is None else self.view.at_s

    @property
    def window(self) -> tuple[float, float]:
        """Return the stretch of time shown."""
        start = max(0.0, self.now_s - self.view.window_s)
        return start, max(self.now_s, start + 1e-6)

    @property
    def scope(self) -> str:
        """Return what the report is about: all of the run, or its last stretch where the rest was left out."""
        reported = max((rank.seconds for rank in self.report.ranks), default=self.report.seconds)
        if reported < MOST_OF_THE_RUN * self.report.seconds:
            return f"last {text.duration(reported)}"
        return "so far" if self.live else "whole run"

    @property
    def hot_lines(self) -> list[HotLine]:
        """Return the lines worth showing: those whose shares are of the same whole together, hottest first."""
        found = [line for section in sections(self.report.hot_lines) for line in section.lines]
        return [line for line in found if line.share >= SHOWN_LINE_SHARE]

    def lanes(self, of: LaneKind, device: int | None = None) -> list[Lane]:
        """Return the lanes of a kind: of one GPU, or of all ranks and GPUs that are selected."""
        found = [lane for lane in self.report.timeline.lanes if lane.of == of] if self.report.timeline else []
        if device is not None:
            return [lane for lane in found if lane.device == device]
        return [lane for lane in found if self._selected(lane)]

    def _selected(self, lane: Lane) -> bool:
        if lane.rank is not None:
            return self.view.rank in (None, lane.rank)
        return lane.device is None or self.view.device in (None, lane.device)


def values_in(lane: Lane, start: float, end: float) -> Sequence[float | None]:
    """Return a line's values between two moments."""
    first, last = bisect.bisect_left(lane.t_s, start), bisect.bisect_right(lane.t_s, end)
    return lane.values[first:last]


def typical(values: Sequence[float | None]) -> float | None:
    """Return the median of what was measured; of every nth value when there are many."""
    known = [value for value in values[:: max(1, len(values) // ENOUGH)] if value is not None and value == value]
    return median(known) if known else None


def columns(lane: Lane, start: float, end: float, count: int) -> list[float | None]:
    """Return `count` medians over equal stretches of time; a stretch without a value repeats the one before it."""
    width = (end - start) / count
    edges: list[int] = np.searchsorted(lane.t_s, start + width * np.arange(count + 1)).tolist()
    last = lane.values[edges[0] - 1] if edges[0] > 0 and start - lane.t_s[edges[0] - 1] < max(5 * width, 2.0) else None
    drawn, held = [], 0
    for begin, after in pairwise(edges):
        value = typical(lane.values[begin:after])
        held = 0 if value is not None else held + 1
        last = value if value is not None else (last if held * width < max(5 * width, 2.0) else None)
        drawn.append(last)
    return drawn


def step_columns(
    step: Lane, wait: Lane, start: float, end: float, count: int
) -> list[tuple[float | None, float | None]]:
    """Return step and wait per column; a column in which no step ended shows the step that was under way."""
    width, drawn = (end - start) / count, []
    edges: list[int] = np.searchsorted(step.t_s, start + width * np.arange(count + 1)).tolist()
    for at, (begin, after) in enumerate(pairwise(edges)):
        b = start + width * (at + 1)
        if begin == after:
            after += 1 if begin < len(step.t_s) and step.t_s[begin] - (step.values[begin] or 0.0) / 1e3 <= b else 0
        drawn.append((typical(step.values[begin:after]), typical(wait.values[begin:after])))
    return drawn


def spans_in(lane: Lane, start: float, end: float) -> list[tuple[float, float, str]]:
    """Return the spans that touch a stretch of time, cut to it. Spans are sorted by their start."""
    first = max(0, bisect.bisect_left(lane.spans, (start,)) - 3)
    after = bisect.bisect_left(lane.spans, (end,))
    return [(max(a, start), min(b, end), label) for a, b, label in lane.spans[first:after] if b > start]


def first(lanes: list[Lane]) -> Lane | None:
    """Return the first lane, None without one."""
    return lanes[0] if lanes else None


def last(values: Sequence[float | None]) -> float | None:
    """Return the last value that was measured."""
    return next((value for value in reversed(values) if value is not None), None)
