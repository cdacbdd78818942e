"""Which hot lines sleep or wait in a call, where the samples themselves do not say so.

py-spy records where a thread is, not whether it runs there. How much of that time the thread was neither running nor
waiting for a core is measured beside it (CPU time and run-queue delay of fetches and steps), but for all lines
together. Of a line that takes a share s of the samples in which a share B was blocked, between (B - (1 - s)) / s and
B / s was: only where these two are close is anything known of the line. Else it stays None.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpuwatch.model.hot_lines import INPUT, HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import RankProfile

_CLOSE = 0.25
_ENOUGH = 50
_FETCHING = ("fetch", "collate")


def blocked_shares(
    lines: Sequence[HotLine], loaders: Sequence[LoaderProfile], ranks: Sequence[RankProfile]
) -> list[float | None]:
    """Return each line's blocked share: what the samples say, else what follows from its fetches or steps."""
    kinds = [
        ("worker", _FETCHING, _of_fetches([loader for loader in loaders if loader.workers > 0])),
        ("trainer", _FETCHING, _of_fetches([loader for loader in loaders if loader.workers == 0])),
        ("trainer", ("step", "long step", INPUT), _of_steps(loaders, ranks)),
    ]
    found = [line.blocked_share for line in lines]
    for role, activities, blocked in kinds:
        mine = [at for at, line in enumerate(lines) if line.process_role == role and line.activity in activities]
        whole = sum(lines[at].share for at in mine)
        for at in mine:
            if found[at] is None and blocked is not None and lines[at].samples >= _ENOUGH:
                found[at] = share_of_line(lines[at].share / whole, blocked)
    return found


def share_of_line(share: float, blocked: float) -> float | None:
    """Return what is known of a line with this share of the samples, of which `blocked` were; None when that is little."""
    low, high = max((blocked - (1 - share)) / share, 0.0), min(blocked / share, 1.0)
    return (low + high) / 2 if high - low <= _CLOSE else None


def _of_fetches(loaders: Sequence[LoaderProfile]) -> float | None:
    fetches = [loader.fetch for loader in loaders if loader.fetch]
    wall = sum(fetch.n * fetch.mean_wall_ms for fetch in fetches)
    if wall <= 0 or any(fetch.blocked_ms is None for fetch in fetches):
        return None
    return min(sum(fetch.n * (fetch.blocked_ms or 0.0) for fetch in fetches) / wall, 1.0)


def _of_steps(loaders: Sequence[LoaderProfile], ranks: Sequence[RankProfile]) -> float | None:
    """Return the blocked part of the training loops' own code; all of the run-queue delay is taken to fall into it."""
    delay = {rank.rank: rank.run_queue_delay_share for rank in ranks}
    blocked, whole = 0.0, 0.0
    for loader in loaders:
        if loader.role == "evaluation" or not loader.seconds:
            continue
        late = delay.get(loader.rank)
        own = loader.seconds - loader.wait_seconds
        if loader.compute_cpu_share is None or late is None:
            return None
        whole += own
        blocked += max(own * (1 - loader.compute_cpu_share) - late * loader.seconds, 0.0)
    return min(blocked / whole, 1.0) if whole > 0 else None
