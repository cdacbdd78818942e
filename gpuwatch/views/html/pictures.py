"""Pictures that stand without JavaScript: the phase bar, one typical step, the lanes, the ceilings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Phase
from gpuwatch.views import text
from gpuwatch.views.html.decimate import Buckets, bridge, line_buckets, span_shares
from gpuwatch.views.html.lanes import IDLE_LABELS, Family, Lanes, Member
from gpuwatch.views.html.markup import Markup, el

COLUMNS = 300
HEIGHT = 44


def slug(name: str) -> str:
    """Return a phase's name as a CSS class."""
    return "p-" + "".join(c if c.isalnum() else "-" for c in name.lower())


def bar(parts: Sequence[tuple[str, float]], label: str, height: int = 28) -> Markup:
    """Return a bar of named parts (class, value), as wide as its place."""
    total = sum(value for _, value in parts) or 1.0
    rects, at = [], 0.0
    for name, value in parts:
        width = 100 * max(0.0, value) / total
        rects.append(el("rect", x=f"{at:.3f}%", y="0", width=f"{width:.3f}%", height="100%", class_=slug(name)))
        at += width
    return el("svg", rects, class_="bar", height=str(height), width="100%", role="img", aria_label=label)


def phase_bar(phases: Sequence[Phase], whose: str, height: int = 28) -> Markup:
    """Return the phases of a wall time as one bar."""
    parts = [(phase.name, phase.seconds) for phase in phases]
    said = ", ".join(f"{phase.name} {text.percent(phase.share)}" for phase in phases if phase.share >= 0.005)
    return bar(parts, f"Phases of {whose}: {said}", height)


def typical_step(loader: LoaderProfile | None) -> Markup | None:
    """Return one median step split into compute and waiting; None without steps."""
    if loader is None or not loader.compute_ms or not loader.wait_ms:
        return None
    work, wait = loader.compute_ms.median, loader.wait_ms.median
    if work + wait <= 0:
        return None
    parts = [("compute", work), ("input wait", wait)]
    label = f"A typical step: {text.milliseconds(work)} at work, {text.milliseconds(wait)} waiting for data"
    split = 100 * work / (work + wait)
    legend = el(
        "div",
        el("span", el("i", class_="key p-compute"), f"training step {text.milliseconds(work)}"),
        el("span", el("i", class_="key p-input-wait"), f"waiting for data {text.milliseconds(wait)}"),
        class_="step-legend",
        data_split=f"{split:.0f}",
    )
    title = el("p", "One typical step", el("span", f" {text.milliseconds(work + wait)}", class_="soft"), class_="label")
    return el("div", title, bar(parts, label, 18), legend, class_="typical")


def static_lanes(lanes: Lanes, most: int = 8) -> Markup:
    """Return the lanes shown first as plain SVG, the worst member of each family."""
    rows = [_static_lane(family, lanes.seconds) for family in lanes.families if family.shown][:most]
    ends = el("p", el("span", "start"), el("span", f"after {text.duration(lanes.seconds)}"), class_="ends")
    return el("div", rows, ends, class_="static-lanes")


def _static_lane(family: Family, seconds: float) -> Markup:
    worst = family.members[0]
    many = len(family.members) > 1
    name = f"{family.title}{f', worst of {len(family.members)}: {worst.name}' if many else ''}"
    drawn = _strip(family, worst, seconds) if family.kind == "spans" else _band(worst, seconds)
    said = f"{name}. {statistics_text(family, worst)}"
    svg = el("svg", drawn, viewBox=f"0 0 {COLUMNS} {HEIGHT}", preserveAspectRatio="none", role="img", aria_label=said)
    return el("figure", el("figcaption", name, el("span", statistics_text(family, worst), class_="soft")), svg)


def statistics_text(family: Family, member: Member) -> str:
    """Return the numbers beside a lane's name: of every value, not of what is drawn."""
    if member.statistics:
        s = member.statistics
        forms = [
            f"{name} {text.value(value, family.unit)}"
            for name, value in (("median", s.median), ("95 % below", s.p95), ("highest", s.high))
        ]
        return ", ".join(forms)
    return "" if member.at_work is None else f"at work {text.percent(member.at_work)} of the time"


def _band(member: Member, seconds: float) -> list[Markup]:
    assert member.times is not None and member.values is not None
    buckets = bridge(line_buckets(member.times, member.values, seconds, COLUMNS), 6)
    top = float(np.nanmax(buckets.high)) or 1.0
    drawn = []
    for start, end in _runs(np.isfinite(buckets.mid)):
        drawn += [
            el("polygon", points=_outline(buckets, start, end, top), class_="band"),
            el("polyline", points=_points(buckets.mid, start, end, top), class_="median"),
        ]
    return drawn


def _points(values: np.ndarray, start: int, end: int, top: float) -> str:
    return " ".join(f"{at},{HEIGHT - (HEIGHT - 2) * values[at] / top:.0f}" for at in range(start, end))


def _outline(buckets: Buckets, start: int, end: int, top: float) -> str:
    back = " ".join(reversed(_points(buckets.low, start, end, top).split(" ")))
    return f"{_points(buckets.high, start, end, top)} {back}"


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.diff(np.concatenate(([0], flags.astype(int), [0])))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def _strip(family: Family, member: Member, seconds: float) -> list[Markup]:
    busy = [label for label in family.labels if label not in IDLE_LABELS]
    shares = span_shares(member.spans, busy, seconds, COLUMNS).sum(axis=0)
    return [
        el("rect", x=str(at), y="4", width="1.05", height=str(HEIGHT - 8), class_="strip", fill_opacity=f"{share:.2f}")
        for at, share in enumerate(shares)
        if share >= 0.01
    ]
