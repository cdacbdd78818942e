"""Several nodes of one job → one profile and one timeline, on the first node's clock.

Each node is analysed by itself: process ids, samples and cores are its own. The loop that the verdict is about, its machine
and its lines are those of the lowest rank's node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gpuwatch.analyze.loops import Analysis
from gpuwatch.analyze.nodes.clocks import Clock
from gpuwatch.analyze.nodes.steps import compare_ranks
from gpuwatch.analyze.nodes.waiting import find_rank_work
from gpuwatch.model.profile import Overhead, Profile, RankProfile
from gpuwatch.model.recording import Gap
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One node: what was derived of it, its clock, and its name."""

    analysis: Analysis
    profile: Profile
    clock: Clock
    host: str


def merge_profiles(nodes: Sequence[Node]) -> Profile:
    """Return the profile of all ranks. `nodes`: that of the lowest rank first."""
    first = nodes[0].profile
    return replace(
        first,
        seconds=_seconds(nodes),
        ranks=tuple(sorted((rank for node in nodes for rank in _ranks(nodes[0], node)), key=lambda rank: rank.rank)),
        loaders=tuple(loader for node in nodes for loader in node.profile.loaders),
        devices=tuple(replace(device, host=node.host) for node in nodes for device in node.profile.devices),
        unentered=tuple(one for node in nodes for one in node.profile.unentered),
        overhead=_overhead([node.profile.overhead for node in nodes]),
        gaps=tuple(sorted((gap for node in nodes for gap in _gaps(node)), key=lambda gap: gap.start_ns)),
        problems=tuple(dict.fromkeys(f"{node.host}: {problem}" for node in nodes for problem in node.profile.problems)),
        seen_pythons=sum(node.profile.seen_pythons for node in nodes),
        torch_seen=any(node.profile.torch_seen for node in nodes),
        rank_steps=compare_ranks([node.analysis for node in nodes]),
        rank_work=find_rank_work([node.analysis for node in nodes], [node.clock.shift_ns for node in nodes]),
    )


def merge_timelines(nodes: Sequence[Node], drawn: Sequence[Timeline]) -> Timeline:
    """Return the lanes of all nodes in the seconds of the first one's run."""
    lanes = [
        _shifted(lane, _later_s(nodes[0], node), node.host)
        for node, timeline in zip(nodes, drawn, strict=True)
        for lane in timeline.lanes
    ]
    return Timeline(_seconds(nodes), tuple(lanes))


def _later_s(first: Node, node: Node) -> float:
    """Return how much later than the first node's a node's run began (s)."""
    return (node.analysis.processes.start_ns + node.clock.shift_ns - first.analysis.processes.start_ns) / 1e9


def _seconds(nodes: Sequence[Node]) -> float:
    return max(_later_s(nodes[0], node) + node.profile.seconds for node in nodes)


def _ranks(first: Node, node: Node) -> list[RankProfile]:
    later = _later_s(first, node)
    return [
        rank if rank.start_s is None else replace(rank, start_s=rank.start_s + later) for rank in node.profile.ranks
    ]


def _gaps(node: Node) -> list[Gap]:
    shift = int(node.clock.shift_ns)
    return [
        replace(gap, start_ns=gap.start_ns + shift, end_ns=gap.end_ns + shift, reason=f"{gap.reason} ({node.host})")
        for gap in node.profile.gaps
    ]


def _overhead(all_of: Sequence[Overhead]) -> Overhead:
    return Overhead(
        hook_us_per_step=_mean([one.hook_us_per_step for one in all_of]),
        sampler_cpu_share=_most([one.sampler_cpu_share for one in all_of]),
        spool_bytes=sum(one.spool_bytes for one in all_of),
        stacks_cpu_share=_most([one.stacks_cpu_share for one in all_of]),
        dropped_events=sum(one.dropped_events for one in all_of),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _most(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _shifted(lane: Lane, later_s: float, host: str) -> Lane:
    moved = tuple((begin + later_s, end + later_s, label) for begin, end, label in lane.spans)
    times = np.asarray(lane.t_s, dtype=np.float64) + later_s
    return replace(
        lane,
        t_s=tuple(times.tolist()),
        spans=moved,
        host=host if lane.rank is None else None,
    )
