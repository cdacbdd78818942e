"""Exclusive time per operation of a fetch: a decode, a transform, found and named once, summed per batch.

An operation's own time is its time less that of the operations it calls; so a lazy image that is decoded inside
Resize is booked as decode. `order` is the order in which data passes through: by completion within a sample, a late
random operation inserted where it was first seen.
"""

import functools
import threading
import time

from ..event_log import spool
from ..source_code import origins
from .pixels import pixels

_now = time.monotonic_ns
_OPERATIONS_PER_CLASS = 32
_MOST_OPERATIONS = 256
_LONGEST_DETAIL = 200


class Operation:
    """One named stage of a fetch in this process."""

    __slots__ = ("number", "kind", "name", "place", "detail", "position", "of_class", "ordered")

    def __init__(self, number, kind, name, place, detail, of_class=None):
        self.number, self.kind, self.name = number, kind, name
        self.place, self.detail, self.of_class = place, detail, of_class
        self.position = None
        self.ordered = False

    def announce(self, position):
        """Write the operation's facts; a later line for the same number replaces an earlier one."""
        self.position = position
        spool.event(
            "op", self.number, self.kind, self.name, self.place[0], self.place[1], self.place[2], position, self.detail
        )


class Tally:
    """What the fetch under way in a thread has spent so far. `inner_ns`: by operations inside the one running."""

    __slots__ = ("rows", "inner_ns", "running", "previous")

    def __init__(self):
        self.rows = {}
        self.inner_ns = 0
        self.running = self.previous = None


class Stage(threading.local):
    """The tally of this thread's fetch; None while nothing is measured."""

    tally = None


stage = Stage()


class Book:
    """All operations of this process, in the order in which data passes through them."""

    def __init__(self):
        self.clear()

    def clear(self):
        """Forget everything: a forked worker numbers and announces its own."""
        self.operations = []
        self.order = []
        self.unsettled = False
        self._by_key = {}
        self._per_class = {}

    def find(self, key):
        """Return the operation registered under `key`; None if there is none."""
        return self._by_key.get(key)

    def add(self, key, kind, name, place, detail, of_class=None):
        """Register an operation; when there are too many of a class, return the class's last one instead."""
        family = self._per_class.setdefault(of_class or name, [])
        if family and (len(family) >= _OPERATIONS_PER_CLASS or len(self.operations) >= _MOST_OPERATIONS):
            return family[-1]
        made = Operation(len(self.operations), kind, name, place, detail, of_class)
        self.operations.append(made)
        family.append(made)
        self._by_key[key] = made
        return made

    def place_after(self, made, previous):
        """Note that `made` was first seen completing right after `previous` in a sample."""
        at = self.order.index(previous) + 1 if previous in self.order else 0
        self.order.insert(at, made)
        made.ordered = True
        self.unsettled = True

    def settle(self):
        """Announce operations that are new or whose position has moved."""
        self.unsettled = False
        for position, made in enumerate(self.order):
            if made.position != position:
                made.announce(position)


book = Book()


def begin():
    """Start summing operations in this thread."""
    stage.tally = Tally()


def end():
    """Stop summing; return [[op, calls, own_ns, pixels_in, pixels_out, bytes_in], ...] and announce new operations."""
    tally, stage.tally = stage.tally, None
    if book.unsettled:
        book.settle()
    return list(tally.rows.values())


def run(tally, operation, call, args, kwargs, subject, bytes_in=None, known_pixels_in=None, product=None):
    """Call `call(*args, **kwargs)` and book its own time, with the pixels of `subject` and of `product` or the result."""
    outer_ns, outer = tally.inner_ns, tally.running
    tally.inner_ns, tally.running = 0, operation
    before = pixels(subject) if known_pixels_in is None else known_pixels_in
    t0 = _now()
    try:
        result = call(*args, **kwargs)
    except BaseException:
        tally.inner_ns, tally.running = outer_ns + _now() - t0, outer
        raise
    spent = _now() - t0
    _note(tally, operation, spent - tally.inner_ns, before, pixels(result if product is None else product), bytes_in)
    tally.inner_ns, tally.running = outer_ns + spent, outer
    return result


def _note(tally, operation, own_ns, before, after, bytes_in):
    row = tally.rows.get(operation)
    if row is None:
        tally.rows[operation] = [operation.number, 1, own_ns, before, after, bytes_in]
        if not operation.ordered:
            book.place_after(operation, tally.previous)
    else:
        row[1] += 1
        row[2] += own_ns
        if before is not None:
            row[3] = before + (row[3] or 0)
        if after is not None:
            row[4] = after + (row[4] or 0)
        if bytes_in is not None:
            row[5] = bytes_in + (row[5] or 0)
    tally.previous = operation


def original(fn):
    """Return the function behind one of our measuring wrappers."""
    return getattr(fn, "_gpuwatch_original", fn)


def measured_method(cls, name, recognise):
    """Return a replacement for method `name` of `cls`; `recognise(self)` gives the instance's operation or None."""
    genuine = original(getattr(cls, name))
    known = {}

    @functools.wraps(genuine)
    def measured(self, *args, **kwargs):
        tally = stage.tally
        if tally is None:
            return genuine(self, *args, **kwargs)
        seen = known.get(id(self))
        if seen is None or seen[0] is not type(self):
            seen = _recognised(known, self, recognise)
        operation = seen[1]
        if operation is None or operation is tally.running:  # a container, or super().forward of the same object
            return genuine(self, *args, **kwargs)
        return run(tally, operation, genuine, (self,) + args, kwargs, args[0] if args else kwargs)

    measured._gpuwatch_original = genuine
    measured._gpuwatch_seen = known
    return measured


def _recognised(known, instance, recognise):
    if len(known) > 4096:  # transforms made anew for each sample
        known.clear()
    try:
        operation = recognise(instance)
    except Exception:
        operation = None
    known[id(instance)] = seen = (type(instance), operation)
    return seen


class MeasuredFunction:
    """Stands in for a plain function in a list of transforms; pickles, copies and compares types as that function."""

    __slots__ = ("__wrapped__", "_operation", "__weakref__")

    def __init__(self, function, operation):
        self.__wrapped__ = function
        self._operation = operation

    def __call__(self, *args, **kwargs):
        tally = stage.tally
        if tally is None:
            return self.__wrapped__(*args, **kwargs)
        return run(tally, self._operation, self.__wrapped__, args, kwargs, args[0] if args else kwargs)

    @property
    def __class__(self):
        return type(self.__wrapped__)

    def __getattr__(self, name):
        return getattr(self.__wrapped__, name)

    def __reduce_ex__(self, protocol):
        import operator

        return operator.getitem, ((self.__wrapped__,), 0)

    def __repr__(self):
        return repr(self.__wrapped__)


def describe(value):
    """Return a short one-line repr; None when the object cannot give one."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        return None
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"


def add_function(function):
    """Return the operation of a plain function, lambda or partial used as a transform."""
    key = ("function", id(function))
    found = book.find(key)
    if found is not None:
        return found
    place = origins.callable_place(function)
    name = "lambda" if "<lambda>" in (place[2] or "") else (place[2] or "function").rsplit(".", 1)[-1]
    return book.add(key, "transform", name, place, {"params": describe(function)}, of_class=key)
