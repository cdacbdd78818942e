"""A row's traces: a lane as a median line in its band from lowest to highest, a strip as an image of shares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gpuwatch.records import dataclass
from gpuwatch.views import text
from gpuwatch.views.html.decimate import Buckets, Floats, bridge, line_buckets, span_shares, usual_hole
from gpuwatch.views.html.lanes import IDLE_LABELS, Family, Member
from gpuwatch.views.html.pack import RAW_POINTS
from gpuwatch.views.plotly_figure.labels import BAND, RULE, SHADE, WAIT, WORK, literal, reading, transparent
from gpuwatch.views.plotly_figure.rows import Row

# Points of all lanes and cells of all strips: what a browser draws as SVG within a second.
POINTS, FEWEST, MOST = 60_000, 300, 2000
CELLS = 120_000
FEW_POINTS = 60
WHOLE = {"share": 1.0, "%": 100.0}


@dataclass(frozen=True)
class Drawn:
    """A row's traces and its axis; `banded` says whether values were put together."""

    traces: list[Any]
    axis: dict[str, Any]
    banded: bool = False


def hue(family: Family) -> str:
    """Return the colour of what is work, or of what keeps it waiting."""
    return WAIT if family.of.waits else WORK


def draw(row: Row, seconds: float, rows: int) -> Drawn:
    """Return what one of `rows` rows shows."""
    return _strip(row, seconds, rows) if row.strip else _lane(row, seconds, rows)


def _lane(row: Row, seconds: float, rows: int) -> Drawn:
    family, member = row.family, row.members[0]
    assert member.times is not None and member.values is not None
    times, values = member.times, member.values
    if len(times) <= RAW_POINTS:
        traces, highest = [_exact(family, member, times, values)], _top(values, values, family.unit)
        return Drawn(traces, _axis(highest, family.unit))
    count = min(max(POINTS // (3 * rows), FEWEST), MOST)
    buckets = bridge(line_buckets(times, values, seconds, count), usual_hole(times, seconds, count))
    at = (np.arange(count, dtype=np.float64) + 0.5) * np.float64(seconds / count)
    traces = [_band(family, at, buckets), _median(family, member, at, buckets)]
    return Drawn(traces, _axis(_top(buckets.mid, buckets.high, family.unit), family.unit), banded=True)


def _named(family: Family, member: Member) -> str:
    several = len(family.members) > 1 and member.name
    return literal(f"{family.title} · {member.name}" if several else family.title)


def _exact(family: Family, member: Member, times: Floats, values: Floats) -> Any:
    return go.Scatter(
        x=times,
        y=values,
        name=_named(family, member),
        mode="lines+markers" if len(times) <= FEW_POINTS else "lines",
        # A step's time is told at its end.
        line={"color": hue(family), "width": 1.3, "shape": "vh" if family.unit == "ms" else "linear"},
        marker={"size": 4},
        hovertemplate=f"%{{y{reading(family.unit)}",
    )


def _median(family: Family, member: Member, at: Floats, buckets: Buckets) -> Any:
    as_read = reading(family.unit)
    ends = f"%{{customdata[0]{as_read} to %{{customdata[1]{as_read}"
    return go.Scatter(
        x=at,
        y=buckets.mid,
        customdata=np.column_stack((buckets.low, buckets.high)),
        name=_named(family, member),
        mode="lines",
        line={"color": hue(family), "width": 1.3},
        hovertemplate=f"%{{y{as_read} ({ends})",
    )


def _band(family: Family, at: Floats, buckets: Buckets) -> Any:
    """Return the outline from lowest to highest, a closed one for each stretch without a hole."""
    xs: list[Floats] = [np.full(1, np.nan)]
    ys: list[Floats] = [np.full(1, np.nan)]
    for start, end in stretches(np.isfinite(buckets.mid)):
        there = slice(start, end)
        xs += [at[there], at[there][::-1], np.full(1, np.nan)]
        ys += [buckets.high[there], buckets.low[there][::-1], np.full(1, np.nan)]
    return go.Scatter(
        x=np.concatenate(xs),
        y=np.concatenate(ys),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=transparent(hue(family), BAND),
        hoverinfo="skip",
        name=f"{literal(family.title)}, lowest to highest",
    )


def stretches(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return the runs of true flags as (start, end)."""
    edges = np.diff(np.concatenate(([0], flags.astype(int), [0])))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def _top(middle: Floats, high: Floats, unit: str) -> float:
    """Return where the axis ends: a single value far above the others may leave the picture, as on the page."""
    known, usual = high[np.isfinite(high)], middle[np.isfinite(middle)]
    if not len(known):
        return 1.0
    highest, whole = float(known.max()), WHOLE.get(unit)
    if whole and whole / 10 < highest <= whole:
        return whole
    limit = 4 * float(np.percentile(usual, 95))
    return (min(highest, limit) if limit > 0 else highest) * 1.05 or 1.0


def _axis(top: float, unit: str) -> dict[str, Any]:
    """Return an axis with zero and one round number."""
    power = 10.0 ** math.floor(math.log10(top * 0.999)) if top > 0 else 1.0
    tick = next((n * power for n in (10, 8, 6, 5, 4, 3, 2, 1) if n * power <= top), power)
    said = literal(text.shorten(text.value(tick, unit), 16))
    # A little room, so that the line is whole at both ends.
    ends = [-0.02 * top, 1.03 * top]
    return {"range": ends, "tickvals": [0, tick], "ticktext": ["0", said], "zeroline": True, "zerolinecolor": RULE}


def _strip(row: Row, seconds: float, rows: int) -> Drawn:
    family, n = row.family, len(row.members)
    columns = min(max(CELLS // (n * rows), 200), 1500)
    spans = family.kind == "spans"
    cells = np.array([(_at_work if spans else _typical)(family, member, seconds, columns) for member in row.members])
    typical = [member.statistics.p95 for member in row.members if member.statistics]
    scale = 1.0 if spans else WHOLE.get(family.unit) or max(typical, default=1.0) or 1.0
    names = _unlike([member.name or family.title for member in row.members])
    width = seconds / columns
    trace = go.Heatmap(
        z=cells.astype(np.float32),
        x0=width / 2,
        dx=width,
        y=names,
        zmin=0,
        zmax=scale,
        colorscale=[[0, SHADE], [1, hue(family)]],
        showscale=False,
        ygap=1 if row.height / n > 6 else 0,
        name=literal(family.title),
        hovertemplate="%{y}: %{z:.0%} at work" if spans else f"%{{y}}: %{{z{reading(family.unit)}",
        hoverongaps=False,
    )
    each = max(1, math.ceil(12 * n / row.height))
    shown = names[::each] if n > 1 else []
    axis = {"type": "category", "range": [n - 0.5, -0.5], "tickvals": shown, "showgrid": False}
    return Drawn([trace], axis)


def _unlike(names: list[str]) -> list[str]:
    """Return names as categories of an axis, which may not be the same."""
    made: dict[str, None] = {}
    for name in names:
        base = literal(text.shorten_start(name, 18))
        made[base if base not in made else f"{base} ({len(made) + 1})"] = None
    return list(made)


def _at_work(family: Family, member: Member, seconds: float, columns: int) -> Floats:
    """Return the share of each column's time at work; NaN where the member was not there."""
    shares = span_shares(member.spans, family.labels, seconds, columns)
    busy = shares[[label not in IDLE_LABELS for label in family.labels]].sum(axis=0)
    return np.where(shares.sum(axis=0) > 0.01, np.minimum(busy, 1.0), np.nan)


def _typical(family: Family, member: Member, seconds: float, columns: int) -> Floats:
    assert member.times is not None and member.values is not None
    buckets = line_buckets(member.times, member.values, seconds, columns)
    return bridge(buckets, usual_hole(member.times, seconds, columns)).mid
