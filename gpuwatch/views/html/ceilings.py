"""The ceilings as a picture: throughput of device, loader and both together, against cores when several were tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gpuwatch.model.experiment import Ceiling
from gpuwatch.model.measures import Interval
from gpuwatch.views import text
from gpuwatch.views.html.markup import Markup, content, el, table

WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT, TOP = 640, 240, 48, 34, 130, 14
ARMS: tuple[tuple[str, str, Callable[[Ceiling], Interval]], ...] = (
    ("device alone", "--work", lambda row: row.device),
    ("loader alone", "--wait", lambda row: row.loader),
    ("end to end", "--ink", lambda row: row.end_to_end),
)
INTRO = "The run end to end cannot be faster than the slower of its two halves alone: the device on ready batches, the loader without a model. Batches per second."


def ceilings(rows: Sequence[Ceiling], balance_cores: float | None) -> Markup | None:
    """Return bars for one number of cores, a plot for several, and the figures as a table; None when none was measured."""
    ordered = sorted(rows, key=lambda row: row.cores)
    if not ordered or max(pick(row).high for row in ordered for _, _, pick in ARMS) <= 0:
        return None
    picture = _bars(ordered[0]) if len(ordered) == 1 else _plot(ordered)
    parts = [el("h3", "Ceilings"), el("p", INTRO, class_="soft"), picture, _figures(ordered)]
    if balance_cores:
        said = f"About {text.count(balance_cores, 'core', digits=2)} would let the loader keep up with this device."
        parts.append(el("p", said))
    return content(parts)


def _figures(rows: Sequence[Ceiling]) -> Markup:
    head = ["cores", *(name for name, _, _ in ARMS), "limit"]
    cells = [[str(row.cores), *(_said(pick(row)) for _, _, pick in ARMS), row.limit] for row in rows]
    return table(head, cells, "Ceilings in batches per second", numeric=range(4))


def _said(rate: Interval) -> str:
    return f"{text.figures(rate.median)} ({text.figures(rate.low)} to {text.figures(rate.high)})"


def _bars(row: Ceiling) -> Markup:
    fastest = max(pick(row).median for _, _, pick in ARMS)
    bars = [_bar(name, color, pick(row).median, fastest) for name, color, pick in ARMS]
    return el("div", bars, class_="ceilings")


def _bar(name: str, color: str, rate: float, fastest: float) -> Markup:
    said = f"{text.figures(rate)}/s"
    bar = el("rect", x="0", y="0", width=f"{100 * rate / fastest:.1f}%", height="100%", style=f"fill:var({color})")
    picture = el("svg", bar, height="16", width="100%", role="img", aria_label=f"{name}: {said}")
    return el("div", el("span", name), picture, el("b", said), class_="ceiling")


def _plot(rows: Sequence[Ceiling]) -> Markup:
    most = max(pick(row).high for row in rows for _, _, pick in ARMS)
    x, y = _scales(rows[0].cores, rows[-1].cores, most)
    lines = [_series(rows, name, color, pick, x, y) for name, color, pick in ARMS]
    names = [(y(pick(rows[-1]).median), name, color) for name, color, pick in ARMS]
    drawn = [_axes(rows, most, x, y), lines, _labels(names)]
    label = "Batches per second of device alone, loader alone and both, against cores"
    box = f"0 0 {WIDTH} {HEIGHT}"
    return el("svg", drawn, viewBox=box, width="100%", role="img", aria_label=label, style=f"max-width:{WIDTH}px")


def _scales(least: int, most: int, highest: float) -> tuple[Callable[[float], float], Callable[[float], float]]:
    across = (WIDTH - LEFT - RIGHT) / max(most - least, 1)
    up = (HEIGHT - TOP - BOTTOM) / highest
    return lambda cores: LEFT + (cores - least) * across, lambda rate: HEIGHT - BOTTOM - rate * up


def _axes(
    rows: Sequence[Ceiling], most: float, x: Callable[[float], float], y: Callable[[float], float]
) -> list[Markup]:
    heights = [most * part for part in (0.0, 0.5, 1.0)]
    rules = [_line(LEFT, y(h), WIDTH - RIGHT, y(h), "--rule") for h in heights]
    rates = [_text(LEFT - 6, y(h) + 4, text.figures(h, 2), "end") for h in heights]
    cores = [_text(x(row.cores), HEIGHT - BOTTOM + 16, str(row.cores), "middle") for row in rows]
    return [*rules, *rates, *cores, _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 3, "cores", "middle")]


def _series(
    rows: Sequence[Ceiling],
    name: str,
    color: str,
    pick: Callable[[Ceiling], Interval],
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> list[Markup]:
    points = " ".join(f"{x(row.cores):.1f},{y(pick(row).median):.1f}" for row in rows)
    line = el("polyline", points=points, style=f"fill:none;stroke:var({color});stroke-width:2")
    spans = [_line(x(row.cores), y(pick(row).low), x(row.cores), y(pick(row).high), color, 5) for row in rows]
    return [line, *spans]


def _labels(names: Sequence[tuple[float, str, str]]) -> list[Markup]:
    """Return the lines' names at their ends, far enough from each other to be read."""
    labels, lowest = [], TOP - 14.0
    for height, name, color in sorted(names):
        lowest = max(height, lowest + 14)
        labels.append(_text(WIDTH - RIGHT + 8, lowest + 4, name, "start", color))
    return labels


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: int = 1) -> Markup:
    style = f"stroke:var({color});stroke-width:{width}"
    return el("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", style=style)


def _text(x: float, y: float, said: str, anchor: str, color: str = "--soft") -> Markup:
    style = f"fill:var({color});font-size:12px"
    return el("text", said, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, style=style)
