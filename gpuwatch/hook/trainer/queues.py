"""What is queued between the workers and the trainer when a batch is requested, read without taking anything out."""

from __future__ import annotations

import queue
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # Before a batch is delivered: batches received, messages in the pipe, whether the wanted batch was received, and the
    # worker that owes it.
    Before = tuple[int, int | None, bool, int | None]
    # After it: its index, and `ready`, `available`, `late`, `awaited` of a `batch` event.
    After = tuple[int, int | None, int | None, int, int | None]


class QueueView:
    """How many batches are ready, and which worker owes the wanted one.

    Batches that came out of order wait in `_task_info`; those in the pipe or in the pinning thread's queue cannot be kept
    apart, so `ready` counts a non-empty pipe as one: it is a lower bound.
    The iterator is a parameter of each call, never kept: it must go when the user releases it.
    """

    def __init__(self, iterator: Any) -> None:
        self.in_order: bool = getattr(iterator, "_in_order", True)
        self.iterable: bool = iterator._dataset_kind != 0
        self.queue, self.poll = _open_end(iterator)

    def before(self, iterator: Any) -> Before:
        """Return (received, in_pipe, wanted_received, awaited) just before the batch is requested."""
        # Every step comes through here with cold caches: no call that is not needed.
        tasks = iterator._task_info
        wanted = tasks.get(iterator._rcvd_idx)
        received = self._received(iterator) if self.iterable else len(tasks) - iterator._tasks_outstanding
        if self.poll is not None:
            in_pipe = _readable(self.poll.poll(0))
        else:
            in_pipe = len(self.queue) if self.queue is not None else None
        return (received, in_pipe, False, None) if wanted is None else (received, in_pipe, len(wanted) > 1, wanted[0])

    def after(self, iterator: Any, before: Before) -> After:
        """Return (index of the batch just delivered, ready, available, late, awaited)."""
        received, in_pipe, wanted_received, awaited = before
        if not self.in_order:
            return iterator._num_yielded - 1, in_pipe, None if in_pipe is None else int(in_pipe > 0), 0, None
        now = self._received(iterator) if self.iterable else len(iterator._task_info) - iterator._tasks_outstanding
        late = now - received + wanted_received
        if late < 0:
            late = 0
        available = 1 if wanted_received else 0 if in_pipe == 0 else None if late or in_pipe is None else 1
        return iterator._rcvd_idx - 1, None if in_pipe is None else received + in_pipe, available, late, awaited

    def index(self, iterator: Any) -> int:
        """Return the number of the batch just delivered."""
        index: int = iterator._rcvd_idx if self.in_order else iterator._num_yielded
        return index - 1

    def _received(self, iterator: Any) -> int:
        # Ended workers of an iterable dataset leave entries behind that are not batches.
        return sum(len(task) > 1 for task in iterator._task_info.values())


def _readable(events: list[tuple[int, int]]) -> int | None:
    return 0 if not events else None if events[0][1] & ~select.POLLIN else 1


def _open_end(iterator: Any) -> tuple[Any, select.poll | None]:
    """Return (the pinning thread's deque, None) or (None, a poll object on the workers' pipe)."""
    data = iterator._data_queue
    if isinstance(data, queue.Queue):
        return data.queue, None
    reader = getattr(data, "_reader", None)
    if reader is None:
        return None, None
    poll = select.poll()
    poll.register(reader.fileno(), select.POLLIN)
    return None, poll


def view(iterator: Any) -> QueueView | None:
    """Return the view of an iterator's queue; None without workers, or without the fields it reads."""
    fields = ("_task_info", "_tasks_outstanding", "_rcvd_idx", "_data_queue")
    return QueueView(iterator) if all(hasattr(iterator, field) for field in fields) else None
