"""The dataset -> the summary: hours by user, project, script, commit, node and cause, and what was lost to what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gpuwatch.fleet.collect import Collected
from gpuwatch.fleet.commits import find_regressions
from gpuwatch.fleet.dataset import Dataset
from gpuwatch.fleet.filters import Condition
from gpuwatch.fleet.nodes import find_slow_nodes
from gpuwatch.fleet.tables import Tables, moment_of, with_tables
from gpuwatch.model.fleet import CostlyLine, Fleet, FleetGroup, FleetRun, Lost, UnreadableRun
from gpuwatch.records import dataclass

# Rounded, for sums depend in their last digits on the order that rows come in: the answer must not.
_HOURS = "round(sum({0}) / 3600, 9)"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a summary is of, as it was asked for. `most`: rows of each list; `most_runs`: of the list of runs."""

    places: tuple[str, ...]
    filters: tuple[str, ...] = ()
    since: str | None = None
    engine: str = "pool"
    price: float | None = None
    most: int = 10
    most_runs: int = 10


def summarise(dataset: Dataset, wanted: Sequence[Condition], asked: Asked, collected: Collected) -> Fleet:
    """Return the summary of the runs that are meant. Raises GpuwatchError where the dataset cannot be read."""
    return with_tables(dataset, wanted, lambda tables: _summary(tables, dataset, asked, collected))


def _summary(tables: Tables, dataset: Dataset, asked: Asked, collected: Collected) -> Fleet:
    price = asked.price
    total = _groups(tables, "'all'", asked)
    counts = tables.ask(
        "SELECT count(DISTINCT run) FILTER (NOT experiment) AS runs,"
        " count(DISTINCT run) FILTER (NOT experiment AND state = 'running') AS running,"
        " count(DISTINCT run) FILTER (NOT experiment AND ranks = 0) AS without_training,"
        " count(DISTINCT run) FILTER (experiment) AS experiments FROM chosen"
    )[0]
    return Fleet(
        places=asked.places,
        dataset=str(dataset.folder),
        filters=asked.filters,
        since=asked.since,
        engine=asked.engine,
        price_per_gpu_hour=price,
        read=collected.read,
        unchanged=collected.unchanged,
        unreadable=tuple(UnreadableRun(one.path, one.problem) for one in collected.unreadable),
        closed=collected.closed,
        **counts,
        totals=total[0] if total else _nothing(price),
        users=_groups(tables, '"user"', asked),
        projects=_groups(tables, "project", asked),
        scripts=_groups(tables, "script", asked),
        commits=_groups(tables, '"commit"', asked),
        nodes=_groups(tables, "host", asked),
        causes=_causes(tables, asked),
        lines=_lines(tables, asked),
        regressions=find_regressions(tables, price, asked.most),
        slow_nodes=find_slow_nodes(tables, price)[: asked.most],
        costliest=_costliest(tables, asked),
    )


def _nothing(price: float | None) -> FleetGroup:
    cost = None if price is None else 0.0
    return FleetGroup("all", 0, 0, 0, 0.0, 0.0, 0.0, 0.0, cost, cost)


def money(hours: float, price: float | None) -> float | None:
    """Return what GPU hours cost; None without a price."""
    return None if price is None else hours * price


def _groups(tables: Tables, column: str, asked: Asked) -> tuple[FleetGroup, ...]:
    """Return the runs by a column, those first that lost most."""
    rows = tables.ask(
        f'SELECT {column} AS key, count(DISTINCT run) AS runs, count(DISTINCT "user") AS users,'
        f" count(DISTINCT host) AS nodes, {_HOURS.format('gpu_s')} AS gpu_hours,"
        f" {_HOURS.format('lost_gpu_s')} AS lost_gpu_hours, {_HOURS.format('rank_s')} AS rank_hours,"
        f" {_HOURS.format('lost_rank_s')} AS lost_rank_hours FROM runs GROUP BY 1"
        " ORDER BY lost_gpu_hours DESC, lost_rank_hours DESC, key LIMIT ?",
        [asked.most],
    )
    lost = _lost_to(tables, column, asked.price)
    price = asked.price
    return tuple(
        FleetGroup(
            **row,
            cost=money(row["gpu_hours"], price),
            lost_cost=money(row["lost_gpu_hours"], price),
            lost_to=tuple(lost[row["key"]][: asked.most]),
        )
        for row in rows
    )


def _lost_to(tables: Tables, column: str, price: float | None) -> dict[Any, list[Lost]]:
    """Return what each group's time was lost to, most first."""
    rows = tables.ask(
        f'SELECT {column} AS key, lost_to AS "to", finding, predicted, count(DISTINCT runs.run) AS runs,'
        f" {_HOURS.format('losses.gpu_s')} AS gpu_hours, {_HOURS.format('losses.rank_s')} AS rank_hours"
        " FROM losses JOIN runs USING (run, training, part) GROUP BY ALL"
        " ORDER BY gpu_hours DESC, rank_hours DESC, lost_to, finding"
    )
    found: dict[Any, list[Lost]] = defaultdict(list)
    for row in rows:
        found[row.pop("key")].append(Lost(**row, cost=money(row["gpu_hours"], price)))
    return found


def _causes(tables: Tables, asked: Asked) -> tuple[FleetGroup, ...]:
    """Return the hours lost by cause: the finding that explains them, else what the device waited for. The hours of a cause are
    those of the runs that have it."""
    rows = tables.ask(
        "WITH caused AS (SELECT run, training, part, coalesce(finding, lost_to) AS key, sum(gpu_s) AS lost_gpu,"
        " sum(rank_s) AS lost_rank FROM losses GROUP BY ALL)"
        ' SELECT key, count(DISTINCT runs.run) AS runs, count(DISTINCT "user") AS users, count(DISTINCT host) AS nodes,'
        f" {_HOURS.format('gpu_s')} AS gpu_hours, {_HOURS.format('lost_gpu')} AS lost_gpu_hours,"
        f" {_HOURS.format('rank_s')} AS rank_hours, {_HOURS.format('lost_rank')} AS lost_rank_hours"
        " FROM caused JOIN runs USING (run, training, part) GROUP BY 1"
        " ORDER BY lost_gpu_hours DESC, lost_rank_hours DESC, key LIMIT ?",
        [asked.most],
    )
    lost = _lost_to(tables, "coalesce(finding, lost_to)", asked.price)
    price = asked.price
    return tuple(
        FleetGroup(
            **row,
            cost=money(row["gpu_hours"], price),
            lost_cost=money(row["lost_gpu_hours"], price),
            lost_to=tuple(lost[row["key"]]),
        )
        for row in rows
    )


def _lines(tables: Tables, asked: Asked) -> tuple[CostlyLine, ...]:
    """Return the lines that cost most. A line is the same in all runs by its text: its number changes with what is above it."""
    rows = tables.ask(
        'SELECT project, path, max_by(line, (started, line)) AS line, "function", max(source) AS source,'
        ' count(DISTINCT runs.run) AS runs, count(DISTINCT "user") AS users,'
        f" {_HOURS.format('lines.lost_gpu_s')} AS gpu_hours, {_HOURS.format('lines.lost_rank_s')} AS rank_hours,"
        " max_by(runs.run, (lines.lost_rank_s, runs.run)) AS run"
        " FROM lines JOIN runs USING (run, training, part) WHERE lines.lost_rank_s > 0"
        ' GROUP BY project, path, "function", coalesce(trim(source), line::VARCHAR)'
        " ORDER BY gpu_hours DESC, rank_hours DESC, path, line, project, 4 LIMIT ?",
        [asked.most],
    )
    return tuple(CostlyLine(**row, cost=money(row["gpu_hours"], asked.price)) for row in rows)


def _costliest(tables: Tables, asked: Asked) -> tuple[FleetRun, ...]:
    """Return the runs that lost most."""
    rows = tables.ask(
        'SELECT run, training, name, "user", project, script, "commit", host AS node, started, state, bound, headline, cause,'
        " gpu_s / 3600 AS gpu_hours, lost_gpu_s / 3600 AS lost_gpu_hours, rank_s / 3600 AS rank_hours,"
        " lost_rank_s / 3600 AS lost_rank_hours, report FROM runs"
        " ORDER BY lost_gpu_s DESC, lost_rank_s DESC, run, training LIMIT ?",
        [asked.most_runs],
    )
    found = [FleetRun(**(row | {"started": moment_of(row["started"]).isoformat()})) for row in rows]
    return tuple(replace(run, lost_cost=money(run.lost_gpu_hours, asked.price)) for run in found)
