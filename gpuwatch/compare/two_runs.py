"""Two reports held against each other: what differs in the set-up, and what got better, worse or cannot be decided.

A ratio's interval is made from the two runs' own bootstrap intervals. That is the noise within a run; how much the
same training differs from run to run is not in it, so a change below SMALLEST is never called one, and the share of
the cores that other processes took from a run is added to it.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Interval
from gpuwatch.model.metrics import CATALOGUE, Compared, Metric
from gpuwatch.model.readings import Measure, point
from gpuwatch.model.report import Report
from gpuwatch.records import dataclass
from gpuwatch.words.units import DASH, count, factor, figures, percent

# Two runs of the same training on a shared machine differ by this much for no reason that a run could know.
SMALLEST = 0.03
SMALLEST_POINTS = 0.02
FEW_STEPS = 30
CROWDED = 0.1
Outcome = Literal["better", "worse", "no difference", "inconclusive", "not judged"]


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of both runs. `change`: B / A, or B - A for shares; None for what has no interval to judge by."""

    name: str
    unit: str
    a: float | None
    b: float | None
    change: Interval | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """A against B: `setup` lists (what, in A, in B) of what differs before anything was measured."""

    a: str
    b: str
    headline: str
    setup: tuple[tuple[str, str, str], ...]
    rows: tuple[Row, ...]
    phases: tuple[Row, ...]
    operations: tuple[Row, ...]
    findings_gone: tuple[str, ...]
    findings_new: tuple[str, ...]
    findings_both: tuple[str, ...]
    caveats: tuple[str, ...] = ()


def compare(a: Report, b: Report) -> Comparison:
    """Return how run B differs from run A; the primary loaders stand for the runs."""
    left, right = a.primary_loader, b.primary_loader
    rows = _rows(a, b, max(_taken(a), _taken(b)))
    gone, new = [f.id for f in a.findings], [f.id for f in b.findings]
    return Comparison(
        a=a.run.id,
        b=b.run.id,
        headline=_headline(rows),
        setup=tuple(_setup(a, b)),
        rows=rows,
        phases=tuple(_phases(a, b)),
        operations=tuple(_operations(left, right)),
        findings_gone=tuple(id for id in gone if id not in new),
        findings_new=tuple(id for id in new if id not in gone),
        findings_both=tuple(id for id in gone if id in new),
        caveats=tuple(_caveats(a, left, "A") + _caveats(b, right, "B")),
    )


def ratio(a: Interval, b: Interval) -> Interval | None:
    """Return B / A with its interval: the two relative errors, independent, added in logarithms."""
    if min(a.low, a.median, b.low, b.median) <= 0 or not all(math.isfinite(x) for x in (a.high, b.high)):
        return None
    middle = b.median / a.median
    below = math.hypot(math.log(b.median / b.low), math.log(a.high / a.median))
    above = math.hypot(math.log(b.high / b.median), math.log(a.median / a.low))
    return Interval(middle, middle * math.exp(-below), middle * math.exp(above), min(a.n, b.n))


def difference(a: Interval, b: Interval) -> Interval | None:
    """Return B - A with its interval."""
    if not all(math.isfinite(x) for x in (a.low, a.median, a.high, b.low, b.median, b.high)):
        return None
    middle = b.median - a.median
    below = math.hypot(b.median - b.low, a.high - a.median)
    above = math.hypot(b.high - b.median, a.median - a.low)
    return Interval(middle, middle - below, middle + above, min(a.n, b.n))


def judge(change: Interval | None, neutral: float, taken: float = 0.0, lower_is_better: bool = True) -> Outcome:
    """Say what a change is, for a ratio (neutral: 1) or a difference of shares (neutral: 0).

    Better or worse when its whole interval is beyond what equal runs differ by, with `taken` of the cores gone to
    others; no difference when its whole interval is within what two undisturbed equal runs differ by."""
    if change is None:
        return "not judged"
    low, high = _equal(neutral, taken)
    if change.low > high:
        return "worse" if lower_is_better else "better"
    if change.high < low:
        return "better" if lower_is_better else "worse"
    low, high = _equal(neutral, 0.0)
    return "no difference" if change.low >= low and change.high <= high else "inconclusive"


def _equal(neutral: float, taken: float) -> tuple[float, float]:
    if neutral:
        return 1 / (1 + SMALLEST + taken), 1 + SMALLEST + taken
    # A share s moves by s (1 - s), at most a quarter, of what a time moves.
    return -SMALLEST_POINTS - taken / 4, SMALLEST_POINTS + taken / 4


def _taken(report: Report) -> float:
    machine = report.machine
    return min((machine.other_cores or 0.0) / machine.usable_cores, 1.0) if machine.usable_cores else 0.0


def _caveats(report: Report, loader: LoaderProfile | None, which: str) -> list[str]:
    caveats = []
    if _taken(report) > CROWDED:
        caveats.append(
            f"During {which} other processes used {percent(_taken(report))} of the cores: only large changes are judged"
        )
    if loader is not None and loader.step_ms is not None and loader.step_ms.n < FEW_STEPS:
        caveats.append(f"{which} has only {count(loader.step_ms.n, 'step')} after its warm-up")
    return caveats


def _rows(a: Report, b: Report, taken: float) -> tuple[Row, ...]:
    """Return a row for each metric that the catalogue compares; of loaders only where both runs have one."""
    of_loaders = a.primary_loader is not None and b.primary_loader is not None
    rows: dict[str, Row] = {}
    for metric in CATALOGUE:
        if metric.diff is None or (metric.reader.of_loader and not of_loaders):
            continue
        left, right = metric.reader.of_run(a), metric.reader.of_run(b)
        if metric.diff.always or left or right:
            inverse = rows.get(metric.diff.inverse_of or "")
            rows[metric.name] = _row(metric, metric.diff, left, right, inverse, taken)
    return tuple(rows.values())


def _row(metric: Metric, shown: Compared, a: Measure, b: Measure, inverse: Row | None, taken: float) -> Row:
    neutral = 0.0 if metric.unit == "share" else 1.0
    change = None
    if isinstance(a, Interval) and isinstance(b, Interval):
        change = ratio(a, b) if neutral else difference(a, b)
    elif inverse is not None and inverse.change is not None:
        change = _inverse(point(a), point(b), inverse.change)
    unit = "" if metric.unit == "per_s" else metric.unit
    outcome = judge(change, neutral, taken, lower_is_better=metric.better == "lower")
    return Row(shown.title, unit, point(a), point(b), change, outcome)


def _inverse(a: float | None, b: float | None, step: Interval) -> Interval | None:
    """Return B / A of a rate, with the interval of the time that it is the inverse of."""
    if not a or not b:
        return None
    middle = b / a
    return Interval(middle, middle * step.median / step.high, middle * step.median / step.low, step.n)


def _headline(rows: tuple[Row, ...]) -> str:
    step = next((row for row in rows if row.name == "step"), None)
    if step is None or step.change is None:
        return "Inconclusive: the training steps of one of the runs were not measured"
    faster, low, high = (1 / x for x in (step.change.median, step.change.high, step.change.low))
    interval = f"{factor(faster, 2)} ({low:.2f}{DASH}{high:.2f})"
    return {
        "better": f"B's steps are faster: {interval}",
        "worse": f"B's steps are slower: {interval} the speed of A",
        "no difference": f"No difference: B's steps run at {interval} the speed of A",
        "inconclusive": f"Inconclusive: B's steps run at {interval} the speed of A; longer runs would tell",
        "not judged": "Inconclusive",
    }[step.outcome]


def _setup(a: Report, b: Report) -> list[tuple[str, str, str]]:
    left, right = _facts(a), _facts(b)
    return [(name, _shown(left[name]), _shown(right[name])) for name in left if left[name] != right[name]]


def _facts(report: Report) -> dict[str, Any]:
    loader, rank = report.primary_loader, next(iter(report.ranks), None)
    of_loader = (
        "dataset",
        "dataset_length",
        "workers",
        "batch_size",
        "prefetch",
        "persistent",
        "pin_memory",
        "in_order",
        "start_method",
    )
    return {
        "command": " ".join(report.run.command),
        "host": report.run.host,
        "ranks": len(report.ranks),
        "torch": rank.torch if rank else None,
        "python": rank.python if rank else None,
        "devices": ", ".join(device.name for device in report.devices) or None,
        "usable cores": report.machine.usable_cores,
        **{name.replace("_", " "): getattr(loader, name) if loader else None for name in of_loader},
        "clock of the wait": report.verdict.clock,
    }


def _shown(value: Any) -> str:
    return "unknown" if value is None else figures(value, 6, grouped=False) if isinstance(value, float) else str(value)


def _phases(a: Report, b: Report) -> list[Row]:
    left, right = ({phase.name: phase.seconds for phase in report.phases} for report in (a, b))
    names = [name for name in dict.fromkeys([*left, *right]) if max(left.get(name, 0.0), right.get(name, 0.0)) > 1e-6]
    return [Row(name, "s", left.get(name), right.get(name), None, "not judged") for name in names]


def _operations(a: LoaderProfile | None, b: LoaderProfile | None) -> list[Row]:
    left, right = (
        {(op.kind, op.name): op.ms_per_sample for op in loader.operations} if loader and not loader.relative else {}
        for loader in (a, b)
    )
    names = sorted({*left, *right}, key=lambda name: -max(left.get(name, 0.0), right.get(name, 0.0)))
    return [
        Row(f"{name} ({kind})", "ms", left.get((kind, name)), right.get((kind, name)), None, "not judged")
        for kind, name in names
    ]
