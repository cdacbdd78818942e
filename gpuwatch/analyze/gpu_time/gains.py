"""What the traced steps would win without something, by replays, with the interval that each can be trusted to."""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.gpu_time.calls import Calls
from gpuwatch.analyze.gpu_time.host import Host
from gpuwatch.analyze.gpu_time.partition import (
    ALLOCATOR,
    COMMUNICATION,
    COPIES,
    HOST_CODE,
    LAUNCH,
    PAGEABLE,
    DeviceTime,
)
from gpuwatch.analyze.gpu_time.replay import Replay, Without, skipped
from gpuwatch.analyze.gpu_time.steps import Steps, requested
from gpuwatch.model.gpu_time import GpuGain, TracedLoader
from gpuwatch.model.trace import Trace

# A replay of everything that does not take what the recording took does not know what waits for what.
TRUSTED = 0.05
# Loader processes take caches, memory bandwidth and clock from the thread that launches. Fitted on the one training that
# was traced with none and with four (V100): 39 and 50 µs between launches in the median. See docs/accuracy.md.
BESIDE_WORKERS, MOST_BESIDE = 1.25, 1.4
# What takes less of the device's time is not replayed: nobody would change it.
SMALLEST = 0.02
# Handing over a batch that a worker made, of what it takes to make it.
HANDED_OVER = 0.02


def gains_of(
    trace: Trace, calls: Calls, host: Host, time: DeviceTime, steps: Steps, loader: TracedLoader | None
) -> tuple[GpuGain, ...]:
    """Return what the span of the steps would win without its input, its waits, its allocations."""
    shares = time.segments.shares() / max(time.end - time.start, 1e-9)
    begin = min(time.start, float(steps.spans.start[0])) if len(steps) else time.start
    replay = Replay(trace, calls, host, time, begin)
    whole = replay.seconds(Without())
    found = [
        _bounded("launch", float(shares[LAUNCH])),
        _bounded("communication", float(shares[COMMUNICATION])),
        _bounded("host_code", float(shares[HOST_CODE])),
    ]
    if whole <= 0 or abs(whole / replay.recorded - 1) > TRUSTED:
        return tuple(found)

    def gain(what: str, *ways: Without) -> GpuGain:
        ratios = [max(whole / max(replay.seconds(way), 1e-9), 1.0) for way in ways]
        return GpuGain(what, ratios[0], min(ratios), max(ratios))

    if loader is not None:
        found.append(gain("input", *_without_input(trace, calls, loader)))
    waits = frozenset(np.flatnonzero(calls.sync | host.reads_back).tolist())
    copies = frozenset(np.flatnonzero(host.pageable | calls.sync).tolist())
    found.append(gain("sync", Without(free=waits)))
    if host.pageable.any() and shares[COPIES] + shares[PAGEABLE] >= SMALLEST:
        found.append(gain("pageable_copy", Without(free=copies)))
    if calls.allocate.any() and shares[ALLOCATOR] >= SMALLEST:
        found.append(gain("allocator", Without(skipped(trace, calls.allocate))))
    return tuple(found)


def _without_input(trace: Trace, calls: Calls, loader: TracedLoader) -> list[Without]:
    requests = requested(trace, calls)
    if loader.kind == "workers":
        return [Without(requests)]
    return [Without(requests, HANDED_OVER, slower) for slower in (BESIDE_WORKERS, 1.0, MOST_BESIDE)]


def _bounded(what: str, share: float) -> GpuGain:
    """Return the gain of idle or exposed time that may go as a whole: half of it is likely, all of it the most."""
    most = 1.0 / max(1.0 - share, 0.02)
    return GpuGain(what, 1.0 / max(1.0 - share / 2, 0.02), 1.0, most)
