"""Nodes on which every workload takes longer than elsewhere."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import field
from statistics import median
from typing import Any

from gpuwatch.fleet.commits import GREW, lost_shares
from gpuwatch.fleet.tables import Tables
from gpuwatch.model.fleet import SlowNode
from gpuwatch.records import dataclass

# A node is slow when workloads take this much longer on it than on other nodes, as the median over at least so many workloads,
# and no workload takes less than this much longer.
SLOWER, WORKLOADS, AT_LEAST = 1.15, 2, 1.03
# Findings that are named: those of a third of the node's runs at least, and twice as often as elsewhere.
OFTEN, MORE_OFTEN = 1 / 3, 2.0
_MOST_FINDINGS = 3


@dataclass(slots=True)
class _Node:
    """What is known of a node: its time per sample by that of the other nodes, for each workload, and the runs compared."""

    ratios: list[float] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def find_slow_nodes(tables: Tables, price: float | None) -> tuple[SlowNode, ...]:
    """Return the nodes that are slow for every workload that ran there and elsewhere, the slowest first. Runs on several nodes are
    left out: their ranks keep in step."""
    rows = tables.ask(
        'SELECT project, script, command, gpu, ranks, "commit", host, "user", run, step_ms / coalesce(batch_size, 1) AS ms,'
        " gpu_s, rank_s FROM runs WHERE step_ms > 0 AND shown AND ranks = world_size ORDER BY host, run"
    )
    workloads: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        key = tuple(row[name] for name in ("project", "script", "command", "gpu", "ranks", "commit"))
        workloads[key][row["host"]].append(row)
    nodes: dict[str, _Node] = defaultdict(_Node)
    for by_node in workloads.values():
        _compare(by_node, nodes)
    slow = [_slow(tables, name, node, price) for name, node in nodes.items() if _is_slow(node)]
    return tuple(sorted(slow, key=lambda one: -one.ratio))


def _compare(by_node: dict[str, list[dict[str, Any]]], nodes: dict[str, _Node]) -> None:
    """Add to each node how one workload did on it, where it ran on others too."""
    typical = {node: median(row["ms"] for row in rows) for node, rows in by_node.items()}
    for node, rows in by_node.items():
        others = [ms for other, ms in typical.items() if other != node]
        if others:
            nodes[node].ratios.append(typical[node] / median(others))
            nodes[node].runs += rows
            nodes[node].others += [row["run"] for other, own in by_node.items() if other != node for row in own]


def _is_slow(node: _Node) -> bool:
    return len(node.ratios) >= WORKLOADS and median(node.ratios) >= SLOWER and min(node.ratios) >= AT_LEAST


def _slow(tables: Tables, name: str, node: _Node, price: float | None) -> SlowNode:
    ratio, runs = median(node.ratios), [row["run"] for row in node.runs]
    extra = 1.0 - 1.0 / ratio
    gpu_hours = extra * sum(row["gpu_s"] or 0.0 for row in node.runs) / 3600
    return SlowNode(
        node=name,
        ratio=ratio,
        lowest_ratio=min(node.ratios),
        workloads=len(node.ratios),
        users=len({row["user"] for row in node.runs}),
        runs=len(set(runs)),
        extra_gpu_hours=gpu_hours,
        extra_rank_hours=extra * sum(row["rank_s"] or 0.0 for row in node.runs) / 3600,
        lost_to=_more(lost_shares(tables, runs), lost_shares(tables, node.others)),
        findings=_findings(tables, runs, node.others),
        cost=None if price is None else gpu_hours * price,
    )


def _more(here: dict[str, float], elsewhere: dict[str, float]) -> str | None:
    """Return what is waited for longer here than elsewhere, most of all."""
    growth = {to: share - elsewhere.get(to, 0.0) for to, share in here.items()}
    most = max(growth, key=lambda to: growth[to], default=None)
    return most if most is not None and growth[most] >= GREW else None


def _findings(tables: Tables, here: list[str], elsewhere: list[str]) -> tuple[str, ...]:
    """Return the findings of the runs here that those elsewhere do not have."""
    rows = tables.ask(
        "SELECT finding, count(DISTINCT run) FILTER (list_contains(?, run)) / ? AS here,"
        " count(DISTINCT run) FILTER (list_contains(?, run)) / ? AS elsewhere FROM findings GROUP BY 1 ORDER BY 2 DESC, 1",
        [list(here), float(len(set(here))), list(elsewhere), float(len(set(elsewhere)))],
    )
    often = [row["finding"] for row in rows if row["here"] >= max(OFTEN, MORE_OFTEN * row["elsewhere"])]
    return tuple(often[:_MOST_FINDINGS])
