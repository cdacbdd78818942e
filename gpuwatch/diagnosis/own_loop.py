"""The input of a loop that is not over a DataLoader: what its own thread does for the next batch, and what it waits for others."""

from __future__ import annotations

import math

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.messages import find_messages
from gpuwatch.diagnosis.trainer_code import handed_share
from gpuwatch.model.findings import Speedup
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile

_Z = 1.96
# What a step is left with at least.
_MOST = 0.95


def fed_share(loader: LoaderProfile) -> float | None:
    """Return the share of the step in which the loop's own thread gets the next batch; None where that is not known."""
    return loader.feed.share.median if loader.feed is not None and loader.feed.share is not None else None


def handed(profile: Profile, loader: LoaderProfile) -> float:
    """Return the share of the step in which the loop waits for a batch of others; messages are no batches."""
    return 0.0 if find_messages(profile) else handed_share(profile, loader)


def input_share(profile: Profile, loader: LoaderProfile) -> Interval | None:
    """Return the share of the step that the loop's input takes, in its own thread and in waiting for others; None where
    neither is known."""
    fed, waited, samples = fed_share(loader), handed(profile, loader), profile.stacks.samples
    if loader.feed is None or loader.feed.share is None or fed is None:
        return _interval(waited, samples) if waited else None
    if not waited:
        return loader.feed.share
    share, both = loader.feed.share, _interval(min(fed + waited, 1.0), loader.feed.share.n)
    reach = max(share.high - share.low, both.high - both.low) / 2
    return Interval(both.median, max(both.median - reach, 0.0), min(both.median + reach, 1.0), share.n)


def _interval(share: float, n: int) -> Interval:
    reach = _Z * math.sqrt(share * (1.0 - share) / max(n, 1))
    return Interval(share, max(share - reach, 0.0), min(share + reach, 1.0), n)


def free_input(profile: Profile, loader: LoaderProfile) -> Speedup | None:
    """Return what a loop would win whose batches are always there."""
    costs, share = profile.costs, input_share(profile, loader)
    if costs is None or share is None:
        return None
    waited = min(handed(profile, loader), _MOST) * costs.step_ms
    after = throughput.with_step(throughput.with_work(costs, 1e-6), costs.device_ms - waited)
    return throughput.predict(costs, after, "the batches there in time", 0.05)
