"""Workloads that take longer from one commit to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from gpuwatch.fleet.tables import Tables
from gpuwatch.model.fleet import Regression
from gpuwatch.records import dataclass

# A commit takes longer when it takes this much longer, and more than its runs and their steps differ anyway.
SLOWER = 1.1
# Runs from which the middle half of them says how much they differ; of fewer, all of them and their own intervals do.
ENOUGH = 4
# A share of the time is lost to something new when it grew by this.
GREW = 0.02

_WORKLOAD = ("project", "script", "command", "gpu", "ranks")


@dataclass(frozen=True, slots=True)
class _Commit:
    """The runs of a workload at one commit. Times in ms, `low` and `high` where most of them are."""

    commit: str
    changed: bool
    first: int
    runs: int
    median: float
    low: float
    high: float
    gpu_hours: float
    rank_hours: float


def find_regressions(tables: Tables, price: float | None, most: int) -> tuple[Regression, ...]:
    """Return the workloads that got slower from one commit to the next one that ran: the ones that cost most, in this order."""
    rows = tables.ask(
        f'SELECT {", ".join(_WORKLOAD)}, "commit", changed, run, started, step_ms, step_low_ms, step_high_ms, batch_size,'
        ' gpu_s, rank_s FROM runs WHERE "commit" IS NOT NULL AND step_ms > 0 AND shown'
        f' ORDER BY {", ".join(f"{name} NULLS FIRST" for name in _WORKLOAD)}, "commit", run'
    )
    found = [
        (regression, own)
        for _, of_workload in groupby(rows, lambda row: [row[name] for name in _WORKLOAD])
        for own in [list(of_workload)]
        for regression in _of_workload(own, price)
    ]
    found.sort(key=lambda pair: (-pair[0].extra_gpu_hours, -pair[0].extra_rank_hours))
    return tuple(replace(one, lost_to=_grown(tables, own, one.before, one.after)) for one, own in found[:most])


def _of_workload(rows: Sequence[dict[str, Any]], price: float | None) -> Iterator[Regression]:
    by_sample = all(row["batch_size"] for row in rows)
    commits = [_commit(list(own), by_sample) for _, own in groupby(rows, lambda row: row["commit"])]
    for before, after in pairwise(sorted(commits, key=lambda one: one.first)):
        ratio = after.median / before.median
        if ratio >= SLOWER and after.low > before.high:
            yield _regression(rows[0], before, after, "sample" if by_sample else "step", price)


def _regression(
    workload: Mapping[str, Any], before: _Commit, after: _Commit, per: str, price: float | None
) -> Regression:
    ratio = after.median / before.median
    extra = 1.0 - 1.0 / ratio
    return Regression(
        project=workload["project"],
        script=workload["script"],
        command=workload["command"],
        before=before.commit,
        after=after.commit,
        changed=after.changed or before.changed,
        per=per,
        before_ms=before.median,
        after_ms=after.median,
        ratio=ratio,
        runs_before=before.runs,
        runs_after=after.runs,
        extra_gpu_hours=after.gpu_hours * extra,
        extra_rank_hours=after.rank_hours * extra,
        lost_to=None,
        cost=None if price is None else after.gpu_hours * extra * price,
    )


def _commit(rows: Sequence[dict[str, Any]], by_sample: bool) -> _Commit:
    of = np.array([row["batch_size"] if by_sample else 1 for row in rows], float)
    steps = np.array([row["step_ms"] for row in rows], float) / of
    if len(rows) >= ENOUGH:
        low, high = np.percentile(steps, (25, 75))
    else:
        low = min(steps.min(), *(_known(row["step_low_ms"], row) / n for row, n in zip(rows, of, strict=True)))
        high = max(steps.max(), *(_known(row["step_high_ms"], row) / n for row, n in zip(rows, of, strict=True)))
    return _Commit(
        commit=rows[0]["commit"],
        changed=any(row["changed"] == "yes" for row in rows),
        first=min(row["started"] for row in rows),
        runs=len(rows),
        median=float(np.median(steps)),
        low=float(low),
        high=float(high),
        gpu_hours=sum(row["gpu_s"] or 0.0 for row in rows) / 3600,
        rank_hours=sum(row["rank_s"] or 0.0 for row in rows) / 3600,
    )


def _known(value: float | None, row: dict[str, Any]) -> float:
    return float(row["step_ms"] if value is None else value)


def _grown(tables: Tables, rows: Sequence[dict[str, Any]], before: str, after: str) -> str | None:
    """Return what the time that is lost per hour grew by most, where it grew."""
    shares = {
        commit: lost_shares(tables, [row["run"] for row in rows if row["commit"] == commit])
        for commit in (before, after)
    }
    growth = {to: share - shares[before].get(to, 0.0) for to, share in shares[after].items()}
    most = max(growth, key=lambda to: growth[to], default=None)
    return most if most is not None and growth[most] >= GREW else None


def lost_shares(tables: Tables, runs: Sequence[str]) -> dict[str, float]:
    """Return the share of the time of some runs that was lost to each thing."""
    rows = tables.ask(
        "SELECT lost_to, sum(losses.rank_s) / (SELECT sum(rank_s) FROM runs WHERE list_contains(?, run)) AS share FROM losses"
        " WHERE list_contains(?, run) GROUP BY 1",
        [list(runs), list(runs)],
    )
    return {row["lost_to"]: row["share"] or 0.0 for row in rows}
