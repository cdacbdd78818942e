"""A batch of a loader: what is noted when it is requested, and written when it is delivered.

Every step of the training runs this, with the caches full of the user's data: few calls, and text is formatted later.
"""

from __future__ import annotations

from ..event_log import spool
from ..fetch_in_progress import here
from ..lines import in_process_sampler
from ..source_code import callers
from ..step_mode import mode
from ..worker_process import collate
from . import batch_event, gpu_wait
from .activity import CPU_EVERY_NS, LOADER_ACTIVE, LOADER_PERHAPS_LEFT, now_ns, threads
from .callbacks import second_batch
from .step_sampling import sampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .activity import Activity
    from .iterators import Record
    from .queues import Before

    # The thread's account, what was queued, and when the batch was requested.
    Request = tuple[Activity, Before | None, int]

_EXHAUSTED, _FAILED = 1, 2


def requested(iterator: Any, record: Record) -> Request:
    """Look at the queue just before a batch is requested."""
    account = threads.activity
    entered_ns = now_ns()
    queued = None
    try:
        if account.gpu is not None:
            account.gpu.requested()
        if record.queue is None:
            here.number = iterator._num_yielded
        else:
            queued = record.queue.before(iterator)
        if in_process_sampler.state.sampler is not None:
            in_process_sampler.waiting(iterator, queued)
    except Exception:
        queued = None
    requested_ns = now_ns()
    account.own_cost_ns += requested_ns - entered_ns
    return account, queued, requested_ns


def delivered(iterator: Any, record: Record, request: Request, delivered_ns: int, ending: BaseException | None) -> None:
    """Write a `batch` event; `ending` is what was raised instead of a batch, or None."""
    try:
        account, queued, requested_ns = request
        end = 0 if ending is None else _end(record, ending)
        ready = available = late = awaited = None
        if queued is not None and record.queue is not None and not end:
            index, ready, available, late, awaited = record.queue.after(iterator, queued)
        else:
            index = _index(iterator, record, end)
        parts = account.columns(requested_ns)
        is_due = delivered_ns - account.cpu_read_ns >= CPU_EVERY_NS
        meters = _read_meters(account, delivered_ns) if is_due else batch_event.NOT_READ
        values = (
            record.number, index, requested_ns, delivered_ns, end, ready, available, late, awaited,
            *parts, *meters, account.own_cost_ns, record.take_index_ns(),
            account.exchange_ns,
        )  # fmt: skip
        spool.later(batch_event.LINE, values, delivered_ns, sampling.write_every_ns)
        account.iterator = record.number
        account.batches += 1
        account.restart(delivered_ns)
        if end:
            _end_loop(account, delivered_ns)
        else:
            _begin_step(account, record, index)
            if index == 1:
                _write_place(record)
                second_batch.make()
        batch_event.count(account, delivered_ns, parts)
        if mode.timestamps_only and not end:
            _start_timing(iterator, record, account, delivered_ns, index + 1)
        account.own_cost_ns = now_ns() - delivered_ns
    except Exception as error:
        spool.error("batch", error)


def timed(iterator: Any, record: Record, requested_ns: int, delivered_ns: int, ending: BaseException | None) -> None:
    """Write the steps that left timestamps only; when they end write the last by itself, and sample the next in full."""
    try:
        account = threads.activity
        if ending is None and record.timestamps is not None and sampling.keep_timing(account, delivered_ns):
            record.timestamps += (requested_ns, delivered_ns)
            spool.flush(delivered_ns)
            return
        if account.gpu is not None:
            account.gpu.skip()
        delivered(iterator, record, (account, None, requested_ns), delivered_ns, ending)
    except Exception as error:
        spool.error("batch", error)


def _end(record: Record, ending: BaseException) -> int:
    end = _EXHAUSTED if isinstance(ending, StopIteration) else _FAILED
    record.open = end != _EXHAUSTED
    return end


def _index(iterator: Any, record: Record, end: int) -> int:
    """Return the number of the batch, or of the one that would have come."""
    if record.queue is not None and not end:
        return record.queue.index(iterator)
    yielded: int = iterator._num_yielded
    return yielded if end else yielded - 1


def _read_meters(account: Activity, at_ns: int) -> tuple[int | None, int | None]:
    """Do what takes system calls, and what seldom changes."""
    if account.gpu is None:
        account.gpu = gpu_wait.meter()
    in_process_sampler.passed(at_ns)
    return account.read_meters(at_ns)


def _begin_step(account: Activity, record: Record, index: int) -> None:
    account.steps_without_loader = LOADER_ACTIVE if account.loop is None else LOADER_PERHAPS_LEFT
    if account.gpu is not None:
        account.gpu.delivered(record.number, index)


def _write_place(record: Record) -> None:
    """Write which line asks for the batches, where another one asked for the iterator: `batches = iter(loader)`."""
    place = callers.calling_place()
    if place != record.place:
        spool.event("asked", record.number, *place)


def _end_loop(account: Activity, at_ns: int) -> None:
    account.steps_without_loader = 0
    sampling.sample_fully(account, at_ns)
    spool.flush()


def _start_timing(iterator: Any, record: Record, account: Activity, at_ns: int, index: int) -> None:
    record.timestamps = sampling.start_timing(account, at_ns, record, index)
    if record.timestamps is not None and hasattr(iterator, "_dataset_fetcher"):
        collate.suspend(iterator._dataset_fetcher)
