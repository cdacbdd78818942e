"""How closely steps are looked at: all of each where steps are long, and short ones in turns.

What a step is made of (forward, backward, optimizer, the queue, CUDA events) costs some tens of microseconds to tell,
with the caches full of the training's own work. Where that is more than 0.5 % of a step, a few steps in a row are
measured in full, and then for some 400 ms each step is only timed: asked for, and given. How long is drawn by lot,
so that it does not fall in with a rhythm of the training's own.

Only one thread's steps are only timed, and only that thread changes it, unless it asks for no batches any more: where
several train at a time, all of them are measured in full.
"""

import os
import weakref

from ..event_log import spool
from ..step_mode import FIRST_STEPS, pace

# Measured in full: the first steps of each stretch.
_STRETCH = 5
# A step this many times as long as what it costs to measure is always measured in full.
_LONG = 200
# After a stretch steps are only timed this many times as long as one costs: 0.125 % of the time are spent on stretches.
_REST = _STRETCH * 800
_DEAREST_NS = 200_000
_TOGETHER_NS = 40_000_000
_OVERDUE_NS = 1_000_000_000
_STEPS = '["steps",%d,%d,%s]\n'


class Steps:
    """Steps of one iterator that were only timed: when each batch was asked for and given, one after the other."""

    __slots__ = ("iterator", "index", "times", "record")

    def __init__(self, record, index):
        self.iterator, self.index, self.times = record.number, index, []
        self.record = weakref.ref(record)

    def take(self):
        """Return what was not taken yet as (template, values); None when there is nothing."""
        count = len(self.times)
        if not count:
            return None
        times, index = self.times[:count], self.index
        del self.times[:count]
        self.index += count // 2
        return _STEPS, (self.iterator, index, times)


_open = spool.gather
# Called after each change of `pace.light`, by the thread that changed it: what stands aside while steps are only timed.
followers = []


def closely(account, at_ns, steps=FIRST_STEPS):
    """Measure at least `steps` steps of a thread in full from `at_ns` on; tell whether they were only timed before.

    Steps of another thread that are only timed go on in full with that thread's next one.
    """
    was_light = pace.light
    if was_light:
        if pace.owner() not in (None, account) and at_ns - pace.rest_ns < _OVERDUE_NS:
            pace.until_ns = pace.rest_ns = min(pace.rest_ns, at_ns)
            return False
        _close_all()
        pace.light = False
        pace.stretch += 1
        turn()
    _begin(account, at_ns, steps)
    return was_light


def _begin(account, at_ns, steps):
    if pace.owner() is not account:
        pace.owner = weakref.ref(account)
    pace.left, pace.taken, pace.own_ns, pace.began_ns = steps, 0, 0, at_ns


def go_on(account, at_ns):
    """Write what was timed; tell whether it is not yet time for the next stretch in full."""
    if at_ns >= pace.rest_ns:
        closely(account, at_ns, _STRETCH)
        return False
    pace.until_ns = min(pace.rest_ns, at_ns + _TOGETHER_NS)
    return True


def measured(account, at_ns, own_ns):
    """Count a step measured in full, which cost `own_ns` in the loader's seam; at a stretch's end decide how to go on."""
    if pace.owner() is not account:
        return _begin(account, at_ns, FIRST_STEPS)
    pace.taken += 1
    pace.own_ns += own_ns
    pace.left -= 1
    if pace.left > 0 or pace.always:
        return
    # The optimizer's and backward's seams cost about what the loader's does.
    cost_ns = min(2 * pace.own_ns // pace.taken, _DEAREST_NS)
    if at_ns - pace.began_ns >= _LONG * cost_ns * pace.taken:
        pace.together_ns = 0
        return _begin(account, at_ns, _STRETCH)
    pace.together_ns = _TOGETHER_NS
    pace.rest_ns = at_ns + _REST * cost_ns * (768 + pace.jitter.below(512)) // 1024
    pace.until_ns = min(pace.rest_ns, at_ns + _TOGETHER_NS)
    pace.light = True
    turn()
    spool.flush(at_ns)


def turn():
    """Have the seams follow `pace.light`."""
    for follow in followers:
        follow()


def time_only(account, at_ns, record, index):
    """Return the list that takes the times of a record's steps, of which the next batch is number `index`; None where
    another thread's steps are timed."""
    if pace.owner() is not account:
        closely(account, at_ns)
        return None
    pace.loaded = account.loop is None
    steps = Steps(record, index)
    _open.append(steps)
    return steps.times


def _close_all():
    spool.flush()
    for steps in _open:
        _forget(steps)
    del _open[:]


def _forget(steps):
    record = steps.record()
    if record is not None:
        record.steps = None


def _after_fork():
    for steps in _open:
        _forget(steps)
    del _open[:]
    turn()


os.register_at_fork(after_in_child=_after_fork)
