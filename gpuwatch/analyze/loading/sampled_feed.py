"""The wait of a loop without a DataLoader: what stack samples say of getting its next batch, no event tells."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.model.loader_profile import Feed, LoaderProfile
from gpuwatch.model.measures import Interval

# Fewer samples of a loop carry no share.
FEWEST = 50


def with_feed(loader: LoaderProfile, feed: Feed | None) -> LoaderProfile:
    """Return a loader with its waits as the samples of its loop have them; one of torch's as it is."""
    if not loader.own_loop:
        return loader
    feed = feed or Feed(None, "no samples")
    share = feed.share
    if share is None:
        return replace(loader, feed=feed)
    if share.n < FEWEST:
        return replace(loader, feed=Feed(None, "no samples"))
    if loader.step_ms is None:
        return replace(loader, feed=feed, wait_share=share, wait_seconds=share.median * loader.seconds)
    step_ms = loader.step_ms.median
    return replace(
        loader,
        feed=feed,
        wait_share=share,
        wait_ms=_times(share, step_ms),
        compute_ms=Interval(
            step_ms * (1 - share.median), step_ms * (1 - share.high), step_ms * (1 - share.low), share.n
        ),
        wait_seconds=share.median * loader.seconds,
        compute_cpu_share=_cpu_share(loader.compute_cpu_share, share.median),
    )


def _times(share: Interval, step_ms: float) -> Interval:
    return Interval(share.median * step_ms, share.low * step_ms, share.high * step_ms, share.n)


def _cpu_share(of_step: float | None, waits: float) -> float | None:
    """Return the CPU time of the training thread per time of the rest of its step: getting the batch is taken to run first."""
    return None if of_step is None else min(max(of_step - waits, 0.0) / max(1.0 - waits, 0.02), 1.0)
