"""What all rows share: epochs, evaluations, long steps, checkpoints, as a row of their own and as lines and bands below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from gpuwatch.records import dataclass
from gpuwatch.views import text
from gpuwatch.views.html.lanes import Lanes, Mark
from gpuwatch.views.plotly_figure.labels import SOFT, WAIT, literal, transparent
from gpuwatch.words.lanes import CHECKPOINTS, EPOCHS, EVALUATION, LONG_STEPS, MISSING_DATA, XID, LaneKind

EACH = 15
# Nearer than this share of the run, two are one: the ranks' epochs, say.
NEAR = 1 / 600
# More lines than these would be a pattern of their own; the row at the top has them all.
MOST_LINES = 60
COLOURS = {
    EVALUATION: "#7b62b8",
    LONG_STEPS: WAIT,
    CHECKPOINTS: "#23734d",
    MISSING_DATA: "#8d96a1",
    XID: "#b3261e",
}
CHARACTER, MARK = 6.5 / 900, 14 / 900


@dataclass(frozen=True)
class Kind:
    """The marks of one kind, near ones put together."""

    of: LaneKind
    marks: tuple[Mark, ...]

    @property
    def name(self) -> str:
        return text.clean(self.of.title)

    @property
    def colour(self) -> str:
        return COLOURS.get(self.of, SOFT)


def kinds(lanes: Lanes) -> tuple[Kind, ...]:
    """Return the marks by kind, epochs first."""
    found = sorted({mark.of for mark in lanes.marks}, key=lambda of: (of != EPOCHS, of.title))
    return tuple(
        Kind(of, tuple(_merged([mark for mark in lanes.marks if mark.of == of], lanes.seconds * NEAR))) for of in found
    )


def _merged(marks: Sequence[Mark], near_s: float) -> list[Mark]:
    """Return the marks, sorted by their starts, with those that a reader could not tell apart as one."""
    found: list[Mark] = []
    for mark in marks:
        last = found[-1] if found else None
        if last is not None and mark.start_s - last.end_s < near_s and mark.label == last.label:
            found[-1] = Mark(last.start_s, max(last.end_s, mark.end_s), last.label, last.of)
        else:
            found.append(mark)
    return found


def row(found: Sequence[Kind], seconds: float) -> tuple[list[Any], dict[str, Any]]:
    """Return the row's traces and its axis: a line for each kind."""
    traces = [_trace(kind, len(found) - 1 - at, seconds) for at, kind in enumerate(found)]
    axis = {
        "range": [-0.6, len(found) - 0.4],
        "tickvals": list(range(len(found))),
        "ticktext": [literal(text.shorten(kind.name, 18)) for kind in reversed(found)],
        "showgrid": False,
    }
    return traces, axis


def _trace(kind: Kind, y: int, seconds: float) -> Any:
    x: list[float | None] = []
    said: list[str] = []
    written: list[str] = []
    sizes: list[int] = []
    free_s = 0.0
    for mark in kind.marks:
        x += [mark.start_s, mark.end_s, None]
        length = f", {text.duration(mark.end_s - mark.start_s)}" if mark.end_s > mark.start_s else ""
        said += [literal(f"{text.shorten(mark.label, 60)}{length}")] * 2 + [""]
        word, free_s = _written(mark, free_s, seconds) if kind.of == EPOCHS else ("", free_s)
        written += ["", word, ""]
        sizes += [1 if length else 8] * 3
    return go.Scatter(
        x=x,
        y=[y] * len(x),
        mode="lines+markers+text",
        name=literal(kind.name),
        text=written,
        textposition="middle right",
        textfont={"size": 10, "color": SOFT},
        line={"color": kind.colour, "width": 7},
        marker={"symbol": "line-ns", "size": sizes, "line": {"width": 1.5, "color": kind.colour}},
        customdata=said,
        hovertemplate="%{customdata}",
    )


def _written(mark: Mark, free_s: float, seconds: float) -> tuple[str, float]:
    """Return the mark's name where there is room for it, and where the next may begin."""
    word = text.shorten(mark.label, 18)
    end_s = mark.end_s + seconds * (len(word) * CHARACTER + MARK)
    return (literal(word), end_s) if mark.start_s >= free_s and end_s <= seconds else ("", free_s)


def shapes(found: Sequence[Kind], seconds: float) -> list[dict[str, Any]]:
    """Return a line or a band over all rows for each mark of those kinds that are not too many."""
    return [_shape(kind, mark, seconds) for kind in found if len(kind.marks) <= MOST_LINES for mark in kind.marks]


def _shape(kind: Kind, mark: Mark, seconds: float) -> dict[str, Any]:
    place = {"x0": mark.start_s, "x1": mark.end_s, "y0": 0, "y1": 1, "xref": "x", "yref": "paper", "layer": "below"}
    if mark.end_s - mark.start_s < seconds * NEAR:
        return {
            **place,
            "type": "line",
            "x1": mark.start_s,
            "line": {"color": transparent(kind.colour, 0.6), "width": 1, "dash": "dot"},
        }
    return {**place, "type": "rect", "fillcolor": transparent(kind.colour, 0.13), "line": {"width": 0}}
