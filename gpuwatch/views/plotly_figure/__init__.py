"""The timeline as a plotly figure: to style, to embed, to save as a picture. The only part that imports plotly."""

from __future__ import annotations

import os
import shlex
from typing import Any

import plotly.graph_objects as go

from gpuwatch.errors import UsageError
from gpuwatch.model.report import Report
from gpuwatch.views import text
from gpuwatch.views.html.lanes import Lanes, prepare
from gpuwatch.views.json import started
from gpuwatch.views.plotly_figure import marks, traces
from gpuwatch.views.plotly_figure.labels import INK, RULE, SOFT, literal, soft, wrapped
from gpuwatch.views.plotly_figure.rows import HEAD, Row, choose
from gpuwatch.views.verdict_text import headline

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
TITLE_WIDTH, NOTE_WIDTH, COMMAND_WIDTH = 66, 110, 44
AXIS, NOTE_LINE = 36, 16
LOOK = {
    "template": "none",
    "font": {"family": FONT, "size": 12, "color": INK},
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "showlegend": False,
    "dragmode": "zoom",
    "modebar": {"remove": ["select2d", "lasso2d"]},
    # One box for all rows: they share their axis of time.
    "hovermode": "x unified",
    "hoversubplots": "axis",
    # Samples may be a second apart.
    "hoverdistance": 50,
    "hoverlabel": {"namelength": 40, "font": {"size": 11, "color": INK}, "bgcolor": "rgba(255,255,255,.94)"},
}
TITLE = {
    "font": {"size": 17},
    "x": 0,
    "xref": "paper",
    "xanchor": "left",
    "y": 1,
    "yref": "container",
    "yanchor": "top",
}
TIME = {
    "gridcolor": RULE,
    "zeroline": False,
    "ticksuffix": " s",
    "tickformat": ",~f",
    "hoverformat": ",.4~f",
    "tickfont": {"size": 11, "color": SOFT},
    "showspikes": True,
    "spikemode": "across",
    "spikesnap": "cursor",
    "spikethickness": 1,
    "spikecolor": SOFT,
    "spikedash": "solid",
}


def figure(report: Report) -> go.Figure:
    """Return the timeline as aligned rows over one axis of time, in seconds since the run began.

    Raises UsageError for a report that was built without its timeline."""
    if report.timeline is None:
        raise UsageError("this report has no timeline", "`gpuwatch.load` gives one that has")
    lanes = prepare(report.timeline)
    rows, left_out = choose(lanes)
    return _Drawing(report, lanes, rows, left_out).figure()


class _Drawing:
    """Puts the rows below each other, from the top, in pixels."""

    def __init__(self, report: Report, lanes: Lanes, rows: tuple[Row, ...], left_out: str) -> None:
        self.report, self.lanes, self.rows, self.left_out = report, lanes, rows, left_out
        self.kinds = marks.kinds(lanes) if rows else ()
        self.events = marks.EACH * len(self.kinds)
        self.height = self.events + sum(HEAD + row.height for row in rows) or HEAD
        self.traces: list[Any] = []
        self.axes: dict[str, dict[str, Any]] = {}
        self.heads: list[dict[str, Any]] = []

    def figure(self) -> go.Figure:
        banded, y = False, 0
        if self.kinds:
            self._add(*marks.row(self.kinds, self.lanes.seconds), 0, self.events)
            y = self.events
        for row in self.rows:
            drawn = traces.draw(row, self.lanes.seconds, len(self.rows))
            banded |= drawn.banded
            self._add(drawn.traces, drawn.axis, y + HEAD, row.height)
            self.heads.append(self._head(row, y + HEAD))
            y += HEAD + row.height
        return go.Figure(self.traces, self._layout(banded))

    def _add(self, drawn: list[Any], axis: dict[str, Any], top: int, height: int) -> None:
        number = str(len(self.axes) + 1) if self.axes else ""
        self.traces += [trace.update(yaxis=f"y{number}", xaxis="x") for trace in drawn]
        domain = [max(0.0, 1 - (top + height) / self.height), 1 - top / self.height]
        plain = {
            "anchor": "x",
            "fixedrange": True,
            "ticks": "",
            "zeroline": False,
            "gridcolor": RULE,
            "automargin": True,
        }
        self.axes[f"yaxis{number}"] = {"domain": domain, "tickfont": {"size": 10}, **plain, **axis}

    def _head(self, row: Row, top: int) -> dict[str, Any]:
        about = f"   {soft(literal(row.about))}" if row.about else ""
        place = {"xref": "paper", "yref": "paper", "x": 0, "y": 1 - top / self.height}
        words = f"<b>{literal(text.shorten(row.title, 60))}</b>{about}"
        return {**place, "text": words, "xanchor": "left", "yanchor": "bottom", "align": "left", "showarrow": False}

    def _layout(self, banded: bool) -> dict[str, Any]:
        title, lines = wrapped(text.shorten(headline(self.report.verdict), 4 * TITLE_WIDTH), TITLE_WIDTH)
        note, noted = wrapped(self._note(banded), NOTE_WIDTH)
        above, below = 30 + 24 * lines + 26, AXIS + NOTE_LINE * noted + 8
        heading: dict[str, Any] = {
            "text": f"<b>{title}</b>",
            "subtitle": {"text": self._run(), "font": {"size": 12, "color": SOFT}},
        }
        # plotly anchors a title of several lines by its last one.
        heading["pad"] = {"t": 16 + 22 * (lines - 1)}
        return LOOK | {
            "title": TITLE | heading,
            "height": self.height + above + below,
            "margin": {"l": 70, "r": 16, "t": above, "b": below},
            "xaxis": self._time(),
            **self.axes,
            "shapes": marks.shapes(self.kinds, self.lanes.seconds),
            "annotations": [*self.heads, self._footnote(note)],
        }

    def _time(self) -> dict[str, Any]:
        last = str(len(self.axes)) if len(self.axes) > 1 else ""
        return TIME | {"anchor": f"y{last}", "range": [0, self.lanes.seconds or 1], "visible": bool(self.rows)}

    def _note(self, banded: bool) -> str:
        if not self.rows:
            return "Nothing was recorded over time."
        said = ["Seconds since the run began."]
        if banded:
            said.append("Line: the median; band: from lowest to highest.")
        if self.left_out:
            said.append(f"Not drawn here: {self.left_out}; `gpuwatch report --html` has them all.")
        return " ".join(said)

    def _footnote(self, note: str) -> dict[str, Any]:
        place = {"xref": "paper", "yref": "paper", "x": 0, "y": 0, "yshift": -AXIS + 4 if self.rows else 0}
        return {**place, "text": soft(note), "xanchor": "left", "yanchor": "top", "align": "left", "showarrow": False}

    def _run(self) -> str:
        run = self.report.run
        program, *arguments = (text.clean(word) for word in run.command or ("",))
        words = shlex.join([os.path.basename(program), *(text.relative(word, run.cwd) for word in arguments)])
        when = started(run).strftime("%Y-%m-%d %H:%M UTC")
        said = (text.shorten(run.name or run.id, 40), text.shorten(words, COMMAND_WIDTH), when)
        return literal(" · ".join((*said, text.duration(self.report.seconds))))
