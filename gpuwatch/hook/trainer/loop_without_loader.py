"""A training loop over something else than a DataLoader: its steps are told by the optimizer.

It begins with a thread's third optimizer step in a row since the process began, or since its last loader was at its
end: two may belong to a wrapper that looks ahead. Once there, it also goes on after a loader that was left before its
end, when enough steps went by without a batch of that. It is written as an iterator without workers, marked `own_loop`,
whose batches come when an optimizer step has ended. What it waits for and where its forward begins nobody tells: up to
the backward all of it is "other".
"""

from ..event_log import spool
from ..lines import in_process_sampler
from ..source_code import callers
from . import activity, loader, step_sampling

_SURE = 3
# A thread that another one fed may go on for so long with what that one left.
_FED = 100
_PACE = step_sampling.pace
now_ns = activity.now_ns


class OwnLoop:
    """One thread's loop. `steps`: where the times of its steps go while they are only timed."""

    __slots__ = ("number", "index", "steps", "__weakref__")

    def __init__(self, at_ns):
        self.number, numbered = loader.next_numbers()
        self.index, self.steps = -1, None
        loader.say_facts()
        attributes = {"own_loop": True, "workers": 0, "loader_class": None}
        place = callers.calling_place()
        spool.event("iterator", self.number, numbered, at_ns, at_ns, 0, attributes, [], *place, None, None, None)


def step_ended(account):
    """Tell that an optimizer step of a thread without a loader has ended."""
    if _PACE.owner() not in (None, account):
        account.loose = -_FED  # another thread has a loader, and feeds this one
    if account.loose < _SURE:
        return
    at_ns = now_ns()
    try:
        loop = account.loop
        if loop is not None and account.iterator != loop.number and _PACE.light:
            # Batches of a loader do not show while they are only timed.
            step_sampling.closely(account, at_ns)
            account.loose = activity.LEFT
            return
        if loop is None:
            loop = account.loop = OwnLoop(at_ns)
            step_sampling.closely(account, at_ns)
        loop.index += 1
        if loop.steps is None or not _PACE.light:
            _tell(account, loop, at_ns)
        elif at_ns < _PACE.until_ns:
            loop.steps += (at_ns, at_ns)
        elif step_sampling.go_on(account, at_ns):
            loop.steps += (at_ns, at_ns)
            spool.flush(at_ns)
        else:
            _tell(account, loop, at_ns)
    except Exception as trouble:
        spool.meta("hook_error", "own loop: %s: %s" % (type(trouble).__name__, trouble))


def _tell(account, loop, at_ns):
    """Write a `batch` event of no length."""
    backward = backward_n = optimizer = optimizer_n = other = cpu_ns = delay_ns = None
    if account.is_whole() and account.iterator == loop.number:
        backward, backward_n = account.backward, account.backward_n
        optimizer, optimizer_n = account.optimizer, account.optimizer_n
        other = account.forward + account.other + at_ns - account.mark
    if at_ns - account.cpu_at >= loader.METERS.cpu_every_ns:
        in_process_sampler.passed(at_ns)
        cpu_ns, delay_ns = loader.METERS.read(account, at_ns)
    own_ns = account.own
    values = (
        loop.number, loop.index, at_ns, at_ns, 0, None, None, None, None,
        None, backward, backward_n, optimizer, optimizer_n, other,
        account.gc, account.gc_n, cpu_ns, delay_ns, own_ns,
    )  # fmt: skip
    spool.later(loader.BATCH, values, at_ns, _PACE.together_ns)
    account.iterator = loop.number
    account.restart(at_ns)
    if in_process_sampler.state.sampler is not None:
        in_process_sampler.given(at_ns)
    elif other is not None:
        step_sampling.measured(account, at_ns, own_ns)
    if _PACE.light:
        loop.steps = step_sampling.time_only(account, at_ns, loop, loop.index + 1)
    account.own = now_ns() - at_ns
