"""A training loop over something else than a DataLoader: its steps are recognised by the optimizer.

It begins with a thread's third optimizer step in a row since the process began, or since its last loader was exhausted:
two may belong to a wrapper that looks ahead. Once it exists, it also goes on after a loader that was left before its
end, when enough steps went by without a batch of that. It is written as an iterator without workers, marked `own_loop`,
whose batches come when an optimizer step has ended. What it waits for, and where its forward begins, cannot be seen: up
to the backward all of it is "other".
"""

from __future__ import annotations

from ..event_log import spool
from ..lines import in_process_sampler
from ..source_code import callers
from ..step_mode import mode
from . import activity, batch_event
from .cells import cells
from .iterators import numbers
from .process_facts import facts
from .step_sampling import sampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .activity import Activity

_FIRST_STEP = 3
# Steps for which a thread that was fed by another one may go on with what that one left.
_FED_STEPS = 100
now_ns = activity.now_ns


class LoopWithoutLoader:
    """One thread's loop. `timestamps`: where the times of its steps go while they leave nothing else."""

    __slots__ = ("__weakref__", "index", "number", "timestamps")

    def __init__(self, at_ns: int) -> None:
        self.number, loader = next(numbers.iterators), next(numbers.loaders)
        self.index = -1
        self.timestamps: list[int] | None = None
        facts.write()
        cells.write_new()
        attributes = {"own_loop": True, "workers": 0, "loader_class": None}
        place = callers.calling_place()
        spool.event("iterator", self.number, loader, at_ns, at_ns, 0, attributes, [], *place, None, None, None)


def step_ended(account: Activity) -> None:
    """Record the end of an optimizer step in a thread without a loader."""
    if sampling.owner() not in (None, account):
        account.steps_without_loader = -_FED_STEPS  # another thread has a loader, and feeds this one
    if account.steps_without_loader < _FIRST_STEP:
        return
    at_ns = now_ns()
    try:
        loop = account.loop
        if loop is not None and account.iterator != loop.number and mode.timestamps_only:
            # Batches of a loader are not seen while they leave timestamps only.
            sampling.sample_fully(account, at_ns)
            account.steps_without_loader = activity.LOADER_PERHAPS_LEFT
            return
        if loop is None:
            loop = account.loop = LoopWithoutLoader(at_ns)
            sampling.sample_fully(account, at_ns)
        loop.index += 1
        _record_step(account, loop, at_ns)
    except Exception as error:
        spool.error("own loop", error)


def _record_step(account: Activity, loop: LoopWithoutLoader, at_ns: int) -> None:
    if loop.timestamps is None or not mode.timestamps_only:
        _write(account, loop, at_ns)
    elif at_ns < sampling.check_at_ns:
        loop.timestamps += (at_ns, at_ns)
    elif sampling.keep_timing(account, at_ns):
        loop.timestamps += (at_ns, at_ns)
        spool.flush(at_ns)
    else:
        _write(account, loop, at_ns)


def _write(account: Activity, loop: LoopWithoutLoader, at_ns: int) -> None:
    """Write a `batch` event of no length."""
    parts = _parts(account, loop, at_ns)
    meters = batch_event.NOT_READ
    if at_ns - account.cpu_read_ns >= activity.CPU_EVERY_NS:
        in_process_sampler.passed(at_ns)
        meters = account.read_meters(at_ns)
    values = (
        loop.number, loop.index, at_ns, at_ns, 0, None, None, None, None,
        *parts, *meters, account.own_cost_ns, None, account.exchange_ns,
    )  # fmt: skip
    spool.later(batch_event.LINE, values, at_ns, sampling.write_every_ns)
    account.iterator = loop.number
    account.restart(at_ns)
    batch_event.count(account, at_ns, parts)
    if mode.timestamps_only:
        loop.timestamps = sampling.start_timing(account, at_ns, loop, loop.index + 1)
    account.own_cost_ns = now_ns() - at_ns


def _parts(account: Activity, loop: LoopWithoutLoader, at_ns: int) -> tuple[int | None, ...]:
    """Return the step's parts, making the batch and its forward in `other`; none of a step that began elsewhere."""
    forward, backward, backward_n, optimizer, optimizer_n, other, gc_ns, gc_n = account.columns(at_ns)
    if forward is None or other is None or account.iterator != loop.number:
        return None, None, None, None, None, None, gc_ns, gc_n
    return None, backward, backward_n, optimizer, optimizer_n, forward + other, gc_ns, gc_n
