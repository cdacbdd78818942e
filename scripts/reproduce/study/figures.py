"""Figures with plotly, and a study's page: one HTML file that needs nothing else, plotly.js inside."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

from study.result import Claim, Named, Result, Table

# Told apart in any vision (Okabe and Ito); position and name tell them apart too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
# A number as the tables show it, perhaps with its interval, or that there is none.
NUMBER = re.compile(r"[-+]?\d[\d.]*[%×]?( \[.*\])?|–")
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; margin: .5rem 0 1rem; } th, td { padding: .25rem .7rem; text-align: left;
border-bottom: 1px solid #ddd; vertical-align: top; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
.reproduced { color: #00694d; } .not.reproduced { color: #b03a00; } .note { color: #555; }
"""


def bars(title: str, groups: Sequence[str], series: Mapping[str, Sequence[float | None]], unit: str) -> go.Figure:
    """Return grouped bars: one group per name, one bar per series."""
    figure = go.Figure(
        [go.Bar(name=name, x=list(groups), y=list(values)) for name, values in series.items()], _layout(title)
    )
    return figure.update_yaxes(title=unit)


def lines(title: str, series: Mapping[str, tuple[Sequence[Any], Sequence[float | None]]], x: str, y: str) -> go.Figure:
    """Return lines with markers, each with its own x values."""
    figure = go.Figure(
        [
            go.Scatter(name=name, x=list(xs), y=list(ys), mode="lines+markers" if len(xs) < 60 else "lines")
            for name, (xs, ys) in series.items()
        ],
        _layout(title),
    )
    return figure.update_xaxes(title=x).update_yaxes(title=y, rangemode="tozero")


def trade_off(
    title: str, points: Mapping[tuple[str, str], Mapping[str, tuple[float, float]]], x: str, y: str
) -> go.Figure:
    """Return points with the front of those that no other one beats: a colour per first word of the key, a mark per
    second, the name beside each point."""
    colours = dict(zip(dict.fromkeys(kind for kind, _ in points), COLOURS, strict=False))
    marks = dict(zip(dict.fromkeys(way for _, way in points), ("circle-open", "diamond"), strict=False))
    best = front([point for named in points.values() for point in named.values()])
    line = {"color": "#888", "dash": "dot"}
    traces = [go.Scatter(name="Pareto front", x=[a for a, _ in best], y=[b for _, b in best], mode="lines", line=line)]
    for (kind, way), named in points.items():
        traces.append(
            go.Scatter(
                name=f"{kind}, {way}",
                x=[a for a, _ in named.values()],
                y=[b for _, b in named.values()],
                text=list(named),
                mode="markers+text",
                textposition="top center",
                marker={"color": colours[kind], "symbol": marks[way], "size": 10, "line": {"width": 2}},
            )
        )
    figure = go.Figure(traces, _layout(title)).update_xaxes(title=x, rangemode="tozero").update_yaxes(title=y)
    # Its legend takes three rows.
    return figure.update_layout(margin={"t": 130})


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other one beats in both numbers, the largest first number first."""
    chosen: list[tuple[float, float]] = []
    for point in sorted(set(points), reverse=True):
        if not chosen or point[1] > chosen[-1][1]:
            chosen.append(point)
    return chosen


def _layout(title: str) -> go.Layout:
    # Above the plot, where no axis title is.
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    top = {"text": title, "y": 0.97, "yanchor": "top"}
    space = {"t": 90, "b": 60}
    return go.Layout(
        title=top, template="plotly_white", colorway=COLOURS, height=450, legend=legend, margin=space, showlegend=True
    )


def write_pngs(result: Result, folder: Path) -> None:
    """Write the figures as PNG files, all by one browser, or note why not."""
    try:
        import kaleido  # noqa: F401
    except ImportError:
        result.notes.append("no PNG files: kaleido is not installed")
        return
    files = [folder / f"{result.study}-{number}.png" for number in range(1, len(result.figures) + 1)]
    try:
        plotly.io.write_images(result.figures, files, width=1000, height=450)
    except Exception as error:  # it wants a browser of its own, and says so in many ways
        result.notes.append(f"no PNG files: kaleido does not work here ({' '.join(str(error).split())[:120]})")


def page(result: Result) -> str:
    """Return a study's page."""
    parts = [f"<h1>{_text(result.title)}</h1><p>{_text(result.paper)}</p>", claims(result.claims)]
    parts += [f"<p class=note>{_text(result.conditions)}; {result.seconds:.0f} s</p>"]
    parts += [_named(named) for named in result.named]
    parts += [_drawn(figure) for figure in result.figures]
    parts += [_table(table) for table in result.tables]
    parts += [f"<p class=note>{_text(note)}</p>" for note in result.notes]
    return whole(result.title, "\n".join(parts), with_plotly=bool(result.figures))


def whole(title: str, body: str, *, with_plotly: bool = False) -> str:
    """Return a self-contained page."""
    script = f"<script>{get_plotlyjs()}</script>" if with_plotly else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{_text(title)}</title><style>{STYLE}</style>{script}<body>{body}</body></html>"
    )


def claims(found: Sequence[Claim]) -> str:
    """Return the claims as an HTML table."""
    rows = "".join(
        f"<tr><td>{_text(c.text)}<td>{_text(c.published)}<td>{_text(c.here)}<td class='{c.verdict}'>{c.verdict}"
        for c in found
    )
    return f"<table><tr><th>claim<th>published<th>here<th>outcome{rows}</table>"


def _drawn(figure: go.Figure) -> str:
    config = {"displaylogo": False, "responsive": True, "showSendToCloud": False}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=config))


def _named(named: Named) -> str:
    said = [*(f"{i}: {s}" for i, s in zip(named.findings, named.summaries, strict=True)), *named.hot_lines]
    items = "".join(f"<li>{_text(line)}" for line in [*said, *named.trials])
    return f"<h3>gpuwatch on {_text(named.script)}</h3><p>{_text(named.headline)}</p><ul>{items}</ul>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{_text(name)}" for name in table.columns)
    rows = "".join("<tr>" + "".join(_cell(cell) for cell in row) for row in table.rows)
    note = f"<p class=note>{_text(table.note)}</p>" if table.note else ""
    return f"<h3>{_text(table.title)}</h3><table><tr>{head}{rows}</table>{note}"


def _cell(text: str) -> str:
    return f"<td{' class=number' if NUMBER.fullmatch(text) else ''}>{_text(text)}"


def _text(text: str) -> str:
    return html.escape(text)
