"""What stood in a loader's queue when the trainer asked: was the batch there, and what held it back."""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.loading.fetches import Maker
from gpuwatch.analyze.numbers.statistics import Array, mean
from gpuwatch.analyze.wall_time.delays import delay_share
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.phases import Indices
from gpuwatch.analyze.wall_time.steps import Steps
from gpuwatch.model.loader_profile import QueueProfile

# A wait shorter than this is the hand-over itself.
_HAND_OVER_NS = 500_000
_MOST_BATCHES = 1 << 26


def queue_profile(loader: Loader, steps: Steps, makers: list[Maker]) -> QueueProfile | None:
    """Describe the queue over the steady steps; None without workers."""
    if loader.first.worker_count == 0 or not steps.count:
        return None
    event, wait = steps.event[steps.steady], steps.wait[steps.steady]
    fields = loader.walk.fields
    return QueueProfile(
        ready_share=_ready_share(loader, event, makers),
        mean_ready=mean(fields["ready"][event]),
        late_share=_late_share(loader, event, wait, makers),
        awaited_skew=_awaited_skew(fields["awaited"][event], wait),
        unmade_share=_unmade_share(loader, event, makers),
        receive_ms=_receive_ms(loader, steps, event, makers),
    )


def _ready_share(loader: Loader, event: Indices, makers: list[Maker]) -> float | None:
    """Return the share of asks whose own batch had been sent before; what the hook saw where that is unknown.

    The hook sees that something is in the queue, but in-order delivery may hold it back."""
    recorded = [_deliveries(loader, position, event, makers) for position in loader.positions]
    ready = np.concatenate([np.zeros(0), *(own <= t0 for t0, _, own, _ in recorded)])
    sent = any(len(maker.sent.get("t1", ())) for maker in makers)
    if not sent or not len(ready) or loader.first.attributes.get("in_order") is False:
        return mean(loader.walk.fields["available"][event])
    return float(ready.mean())


def _unmade_share(loader: Loader, event: Indices, makers: list[Maker]) -> float | None:
    """Return the share of the waited time before the wanted batch had been sent; None where sending was not recorded."""
    recorded = [_deliveries(loader, position, event, makers) for position in loader.positions]
    waited = sum(float((t1 - t0).sum()) for t0, t1, _, _ in recorded)
    unmade = sum(float(np.maximum(np.minimum(t1, own) - t0, 0.0).sum()) for t0, t1, own, _ in recorded)
    sent = any(len(maker.sent.get("t1", ())) for maker in makers)
    return unmade / waited if sent and waited > 0 and loader.first.attributes.get("in_order") is not False else None


def _receive_ms(loader: Loader, steps: Steps, event: Indices, makers: list[Maker]) -> float | None:
    """Return the mean time of a request after its batch had been sent (ms), without what the thread waits for a core of a
    step; None where sending was not recorded."""
    recorded = [_deliveries(loader, position, event, makers) for position in loader.positions]
    after = np.concatenate([np.zeros(0), *(t1 - np.maximum(t0, own) for t0, t1, own, _ in recorded)])
    known = after[np.isfinite(after)]
    if not len(known) or loader.first.attributes.get("in_order") is False:
        return None
    no_core_ns = (delay_share(loader.walk) or 0.0) * float((steps.wait + steps.compute)[steps.steady].mean())
    # What a wrapper does to the batch is not taking it over.
    around_ns = float(np.nan_to_num(loader.walk.fields["around_ns"][event]).mean())
    return max(float(np.maximum(known, 0.0).mean()) - no_core_ns - around_ns, 0.0) / 1e6


def _awaited_skew(awaited: Array, wait: Array) -> float | None:
    """Return the share of the waited time owed to the most-awaited worker."""
    known = np.isfinite(awaited) & (awaited >= 0)
    waited = float(wait[known].sum())
    if waited <= 0:
        return None
    worker = np.unique(awaited[known], return_inverse=True)[1]
    return float(np.bincount(worker, weights=wait[known]).max() / waited)


def _late_share(loader: Loader, event: Indices, wait: Array, makers: list[Maker]) -> float | None:
    """Return the share of the waited time during which a later batch was ready and had to stay in line."""
    waited = float(wait[wait > _HAND_OVER_NS].sum())
    if waited <= 0:
        return 0.0 if len(wait) else None
    held = sum(_held_ns(loader, position, event, makers) for position in loader.positions)
    if held is None or not any(len(maker.sent.get("t1", ())) for maker in makers):
        return None
    return min(float(held) / waited, 1.0)


def _held_ns(loader: Loader, position: int, event: Indices, makers: list[Maker]) -> float:
    t0, t1, _, later = _deliveries(loader, position, event, makers)
    long = t1 - t0 > _HAND_OVER_NS
    return float(np.maximum(t1 - np.maximum(t0, later), 0.0)[long].sum())


def _deliveries(
    loader: Loader, position: int, event: Indices, makers: list[Maker]
) -> tuple[Array, Array, Array, Array]:
    """Return per ask of one iterator when it asked, when it got, when its batch had been sent and when a later one."""
    mine = event[loader.walk.iterator[event] == position]
    fields = loader.walk.fields
    # A batch's number; one that cannot be (a damaged line) is not looked up.
    mine = mine[(fields["index"][mine] >= 0) & (fields["index"][mine] < _MOST_BATCHES)]
    if not len(mine):
        return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0)
    t0, t1, index = fields["t0"][mine], fields["t1"][mine], fields["index"][mine].astype(np.intp)
    iterator = loader.trainer.iterators[position]
    ready = _ready_times(
        makers, iterator.start_ns, float(fields["t1"][loader.walk.events_of(position)[-1]]), int(index.max()) + 2
    )
    earliest_later = np.minimum.accumulate(ready[::-1])[::-1]
    return t0, t1, ready[index], earliest_later[index + 1]


def _ready_times(makers: list[Maker], start: float, end: float, count: int) -> Array:
    """Return when each batch of an iterator was sent (ns), infinity for those never seen."""
    ready = np.full(count, np.inf)
    for maker in makers:
        t1, index = maker.sent.get("t1", np.zeros(0)), maker.sent.get("index", np.zeros(0))
        chosen = (t1 >= start) & (t1 <= end) & np.isfinite(index) & (index < count) & (index >= 0)
        ready[index[chosen].astype(np.intp)] = t1[chosen]
    return ready
