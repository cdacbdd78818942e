"""What stands between the workers and the trainer when a batch is asked for, read without taking anything out."""

import queue
import select


class Workers:
    """What is ready, and which worker owes the wanted batch.

    Batches that came out of order wait in `_task_info`; those in the pipe or in the pinning thread's queue are
    not told apart, so `ready` counts a non-empty pipe as one: it is a lower bound.
    The iterator is handed in, never kept: it must go when the user lets go of it.
    """

    def __init__(self, iterator):
        self.in_order = getattr(iterator, "_in_order", True)
        self.iterable = iterator._dataset_kind != 0
        self.queue, self.poll = _open_end(iterator)

    def before(self, iterator):
        """Return (held, arrived, had, awaited) just before the batch is asked for."""
        # Every step comes through here with cold caches: no call that is not needed.
        tasks = iterator._task_info
        wanted = tasks.get(iterator._rcvd_idx)
        held = self._held(iterator) if self.iterable else len(tasks) - iterator._tasks_outstanding
        if self.poll is not None:
            arrived = _readable(self.poll.poll(0))
        else:
            arrived = len(self.queue) if self.queue is not None else None
        return (held, arrived, False, None) if wanted is None else (held, arrived, len(wanted) > 1, wanted[0])

    def after(self, iterator, seen):
        """Return (index of the batch just given, ready, available, late, awaited)."""
        held, arrived, had, awaited = seen
        if not self.in_order:
            return iterator._num_yielded - 1, arrived, None if arrived is None else int(arrived > 0), 0, None
        holds = self._held(iterator) if self.iterable else len(iterator._task_info) - iterator._tasks_outstanding
        late = holds - held + had
        if late < 0:
            late = 0
        available = 1 if had else 0 if arrived == 0 else None if late or arrived is None else 1
        return iterator._rcvd_idx - 1, None if arrived is None else held + arrived, available, late, awaited

    def index(self, iterator):
        """Return the number of the batch just given."""
        return iterator._rcvd_idx - 1 if self.in_order else iterator._num_yielded - 1

    def _held(self, iterator):
        # Ended workers of an iterable dataset leave entries behind that are not batches.
        return sum(len(task) > 1 for task in iterator._task_info.values())


def _readable(events):
    return 0 if not events else None if events[0][1] & ~select.POLLIN else 1


def _open_end(iterator):
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


def view(iterator):
    """Return the view of an iterator's queue; None without workers, or without the fields it reads."""
    fields = ("_task_info", "_tasks_outstanding", "_rcvd_idx", "_data_queue")
    return Workers(iterator) if all(hasattr(iterator, field) for field in fields) else None
