"""What the trainer's queue says, on iterators laid out as torch's are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gpuwatch.hook.trainer import queues


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


def iterator(reader: int, tasks: dict[int, tuple[Any, ...]], outstanding: int, received: int = 4, **more: Any) -> Any:
    data_queue = SimpleNamespace(_reader=SimpleNamespace(fileno=lambda: reader))
    fields = {"_in_order": True, "_dataset_kind": 0, "_num_yielded": received, "_data_queue": data_queue, **more}
    return SimpleNamespace(_task_info=tasks, _tasks_outstanding=outstanding, _rcvd_idx=received, **fields)


def deliver(it: Any) -> None:
    """Do to the fields what torch does when it hands the wanted batch over and sends one more index."""
    arrived_out = len(it._task_info.pop(it._rcvd_idx)) == 1
    it._tasks_outstanding -= arrived_out
    it._rcvd_idx += 1


def test_an_empty_pipe_means_the_wanted_batch_was_not_there(pipe: tuple[int, int]) -> None:
    it = iterator(pipe[0], {4: (1,), 5: (0,)}, outstanding=2)
    view = queues.view(it)
    seen = view.before(it)
    deliver(it)
    assert view.after(it, seen) == (4, 0, 0, 0, 1)


def test_a_message_in_the_pipe_that_was_the_wanted_one(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"batch")
    it = iterator(pipe[0], {4: (1,), 5: (0,)}, outstanding=2)
    view = queues.view(it)
    seen = view.before(it)
    deliver(it)
    assert view.after(it, seen) == (4, 1, 1, 0, 1)


def test_a_message_in_the_pipe_that_came_out_of_order(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"batch")
    it = iterator(pipe[0], {4: (1,), 5: (0,)}, outstanding=2)
    view = queues.view(it)
    seen = view.before(it)
    it._task_info[5] += ("data",)
    it._tasks_outstanding -= 1
    deliver(it)
    assert view.after(it, seen) == (4, 1, None, 1, 1)


def test_a_held_batch_was_there(pipe: tuple[int, int]) -> None:
    it = iterator(pipe[0], {4: (1, "data"), 5: (0, "data"), 6: (1,)}, outstanding=1)
    view = queues.view(it)
    seen = view.before(it)
    deliver(it)
    assert view.after(it, seen) == (4, 2, 1, 0, 1)


def test_ended_workers_of_an_iterable_are_not_batches(pipe: tuple[int, int]) -> None:
    it = iterator(pipe[0], {4: (1,), 5: (0,)}, outstanding=1, _dataset_kind=1)
    view = queues.view(it)
    assert view.before(it)[0] == 0


def test_a_closed_pipe_is_unknown_not_full(pipe: tuple[int, int]) -> None:
    it = iterator(os.dup(pipe[0]), {4: (1,)}, outstanding=1)
    view = queues.view(it)
    os.close(it._data_queue._reader.fileno())
    seen = view.before(it)
    deliver(it)
    assert view.after(it, seen)[1:3] == (None, None)


def test_without_workers_there_is_no_view() -> None:
    assert queues.view(SimpleNamespace(_num_yielded=3)) is None
