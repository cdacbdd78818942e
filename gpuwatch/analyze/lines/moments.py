"""What a trainer was about at a moment: before its first batch, in a loop, in one of its long steps, between loops."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from gpuwatch.analyze.loading.wrapper import giver_of
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.phases import Walk
from gpuwatch.analyze.wall_time.steps import windows
from gpuwatch.analyze.wall_time.wrappers import is_feed
from gpuwatch.model.profile import RankProfile
from gpuwatch.records import dataclass

Moment = Literal["startup", "step", "long step", "evaluation", "between loops", "shutdown"]
Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Moments:
    """The stretches of one trainer's time (ns, the run's clock), each list in order; `first_ns`: its first batch;
    `own_loop`: it has a loop that is not over a DataLoader; `givers`: the functions through which other batches come."""

    begin_ns: float
    first_ns: float
    end_ns: float
    loops: Spans = ()
    evaluation: Spans = ()
    long_steps: Spans = ()
    own_loop: bool = False
    givers: frozenset[tuple[str, str]] = frozenset()

    def at(self, time_ns: float) -> Moment:
        """Return what the trainer was about when it ran code of its own."""
        if time_ns < self.first_ns:
            return "startup"
        if self.loops and not within(self.loops, time_ns):
            return "between loops" if time_ns < self.loops[-1][1] else "shutdown"
        if within(self.evaluation, time_ns):
            return "evaluation"
        return "long step" if within(self.long_steps, time_ns) else "step"

    @property
    def middle_ns(self) -> float:
        """The middle of the time from the first loop's begin to the last one's end."""
        return (self.loops[0][0] + self.loops[-1][1]) / 2 if self.loops else self.end_ns

    @property
    def startup_s(self) -> float:
        """Seconds from the process's start to its first batch, or to its end when it got none."""
        return max(min(self.first_ns, self.end_ns) - self.begin_ns, 0.0) / 1e9


def within(spans: Spans, time_ns: float) -> bool:
    """Say whether a time lies in one of these stretches, which are in order and may overlap with the next only."""
    at = bisect_right(spans, (time_ns, float("inf")))
    return any(start <= time_ns <= end for start, end in spans[max(at - 2, 0) : at])


def moments_of(walks: Iterable[Walk], loaders: Sequence[Loader], ranks: Iterable[RankProfile]) -> Mapping[int, Moments]:
    """Return the moments of each trainer, by its pid."""
    long = {rank.pid: rank.long_steps.spans if rank.long_steps else () for rank in ranks}
    return {
        walk.trainer.log.pid: _moments(
            walk, [one for one in loaders if one.walk is walk], long.get(walk.trainer.log.pid, ())
        )
        for walk in walks
    }


def _moments(walk: Walk, loaders: Sequence[Loader], long_steps: Sequence[tuple[int, int]]) -> Moments:
    loops = sorted(window for loader in loaders for window in windows(loader))
    evaluation = sorted(span for loader in loaders if loader.role == "evaluation" for span in _visits(loader))
    # Without a loader the first backward or optimizer step is told by a tail.
    first = loops[0][0] if loops else float(walk.fields["t0"][0]) if len(walk) else float("inf")
    if loops and not _is_over(walk):
        loops[-1] = (loops[-1][0], max(walk.trainer.end_ns, loops[-1][1]))
    own_loop = any(loader.own_loop or is_feed(loader.first) for loader in loaders)
    givers = frozenset(
        (place.file, place.function) for one in walk.trainer.iterators if (place := giver_of(one)) and place.function
    )
    return Moments(
        walk.trainer.start_ns, first, walk.trainer.end_ns, loops, evaluation, sorted(long_steps), own_loop, givers
    )


def _visits(loader: Loader) -> list[tuple[float, float]]:
    """Return when an evaluation ran: an iterator without an end gives batches of one pass, then others train, then of the
    next pass."""
    walk = loader.walk
    mine = np.flatnonzero(np.isin(walk.iterator, loader.positions) & (walk.fields["end"] == 0))
    if not len(mine):
        return []
    # What follows a pass's last batch is its loop's until something else is asked for.
    after = np.minimum(mine + 1, len(walk) - 1)
    ends = np.where(after > mine, walk.fields["t0"][after], walk.fields["t1"][mine])
    breaks = np.flatnonzero(np.diff(mine) > 1) + 1
    groups = zip(np.split(mine, breaks), np.split(ends, breaks), strict=True)
    return [(float(walk.fields["t0"][events[0]]), float(last[-1])) for events, last in groups]


def _is_over(walk: Walk) -> bool:
    """Say whether the last loop came to its end: exhausted or dropped, not cut off in a step."""
    return len(walk) > 0 and bool(walk.fields["end"][-1] != 0)
