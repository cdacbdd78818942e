"""Exclusive time per operation, summed over one fetch in the counters of the thread that makes the batch.

An operation's own time is its time less that of the operations it calls; so a lazy image that is decoded inside
Resize counts as decode.
"""

from __future__ import annotations

import threading
import time

from ..process import TYPE_CHECKING, process
from .pixels import pixels
from .registry import Operation, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import CodeType
    from typing import Any, Optional

    # Module, code and line that opened an image file.
    Opener = tuple[Optional[str], CodeType, int]
    # Number, calls, own_ns, pixels_in, pixels_out, bytes_in: an entry of the `operations` of a `fetch` event.
    Row = list[int | None]

_now = time.monotonic_ns


class Counters:
    """What a fetch has spent so far, by operation. `inner_ns`: what operations took inside the one `running`;
    `previous`: the one that completed last in this sample; `opener`: who opened an image file last."""

    __slots__ = ("inner_ns", "opener", "previous", "rows", "running")

    def __init__(self) -> None:
        self.rows: dict[Operation, Any] = {}
        self.inner_ns = 0
        self.running: Operation | None = None
        self.previous: Operation | None = None
        self.opener: Opener | None = None


class Thread(threading.local):
    """The counters of the fetch that this thread makes; None while no operation is measured."""

    counters: Counters | None = None

    def after_fork(self) -> None:
        """Measure nothing: the fetch that forked goes on in the parent."""
        self.counters = None


thread = process.own(Thread())


def begin() -> None:
    """Start summing operations in this thread."""
    thread.counters = Counters()


def end() -> list[Row]:
    """Stop summing; return a row for each operation and announce new operations."""
    counters, thread.counters = thread.counters, None
    if registry.unsettled:
        registry.settle()
    return list(counters.rows.values()) if counters is not None else []


def run(
    counters: Counters,
    operation: Operation,
    call: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    subject: object,
    bytes_in: int | None = None,
    known_pixels_in: int | None = None,
    product: object = None,
) -> Any:
    """Call `call(*args, **kwargs)` and count its own time, with the pixels of `subject` and of `product` or the result."""
    outer_ns, outer = counters.inner_ns, counters.running
    counters.inner_ns, counters.running = 0, operation
    before = pixels(subject) if known_pixels_in is None else known_pixels_in
    t0 = _now()
    try:
        result = call(*args, **kwargs)
    except BaseException:
        counters.inner_ns, counters.running = outer_ns + _now() - t0, outer
        raise
    spent = _now() - t0
    after = pixels(result if product is None else product)
    _count(counters, operation, spent - counters.inner_ns, before, after, bytes_in)
    counters.inner_ns, counters.running = outer_ns + spent, outer
    return result


def _count(
    counters: Counters, operation: Operation, own_ns: int, before: int | None, after: int | None, bytes_in: int | None
) -> None:
    row = counters.rows.get(operation)
    if row is None:
        counters.rows[operation] = [operation.number, 1, own_ns, before, after, bytes_in]
        if not operation.ordered:
            registry.place_after(operation, counters.previous)
    else:
        row[1] += 1
        row[2] += own_ns
        if before is not None:
            row[3] = before + (row[3] or 0)
        if after is not None:
            row[4] = after + (row[4] or 0)
        if bytes_in is not None:
            row[5] = bytes_in + (row[5] or 0)
    counters.previous = operation
