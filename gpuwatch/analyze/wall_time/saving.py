"""Checkpoints that are written between two loops: how long that takes, and whose line calls it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from gpuwatch.analyze.processes.sorting import place_in
from gpuwatch.analyze.wall_time.phases import Walk
from gpuwatch.model.measures import Place


def saved_between(walk: Walk, loops: Sequence[tuple[float, float]]) -> tuple[float, Place | None]:
    """Return the seconds of checkpoints after a loop and before the last one's end, and the line of most of them; `loops`
    (ns) are in order."""
    by_place: dict[Place | None, float] = defaultdict(float)
    for row in walk.trainer.log.table("span").dicts():
        if row.get("t0") and row.get("t1") and loops:
            begin = row["t0"] + walk.trainer.shift_ns
            inside = any(start <= begin < end for start, end in loops)
            if not inside and loops[0][0] < begin < loops[-1][1]:
                by_place[place_in(row)] += (row["t1"] - row["t0"]) / 1e9
    places = [place for place in by_place if place is not None]
    return sum(by_place.values()), max(places, key=lambda place: by_place[place], default=None)
