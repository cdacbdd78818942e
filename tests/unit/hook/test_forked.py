"""What a process that was forked from one that fetches keeps of it: nothing that its own file does not say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torchvision import transforms

from gpuwatch.hook import attributes
from gpuwatch.hook.event_log import spool
from gpuwatch.hook.operations import timing
from gpuwatch.hook.operations.instruments import Instruments, instruments
from gpuwatch.hook.operations.patches import Attribute, Patches
from gpuwatch.hook.operations.registry import registry
from gpuwatch.hook.worker_process import serialise
from gpuwatch.hook.worker_process.state import worker
from tests.unit.hook.test_process import in_child


@pytest.fixture
def fetching(tmp_path: Any) -> Iterator[Instruments]:
    """Be in a fetch that has resized an image."""
    (tmp_path / "spool").mkdir()
    spool.use_folder(str(tmp_path / "spool"))
    registry.clear()
    instruments.enter()
    instruments.transforms.scan_libraries()
    timing.begin()
    transforms.Resize(4)(torch.zeros(3, 8, 8))
    yield instruments
    timing.end()
    instruments.leave()
    registry.clear()
    instruments.after_fork()
    spool.use_folder(None)


def test_operations_are_those_of_the_process_that_announced_them(fetching: Instruments) -> None:
    assert [operation.name for operation in registry.operations] == ["Resize"]
    assert in_child(lambda: not registry.operations and timing.thread.counters is None)
    assert [operation.name for operation in registry.operations] == ["Resize"]


def test_the_parents_replacements_are_taken_back_in_the_child_alone(fetching: Instruments) -> None:
    assert in_child(lambda: not attributes.is_measured(transforms.Resize.forward))
    assert attributes.is_measured(transforms.Resize.forward)


def test_a_child_that_goes_on_with_the_fetch_ends_it_without_an_error(fetching: Instruments) -> None:
    def goes_on() -> bool:
        rows = timing.end()
        instruments.leave()
        return rows == []

    assert in_child(goes_on)


def test_a_child_measures_its_own_fetches_from_the_start(fetching: Instruments) -> None:
    def measures() -> bool:
        instruments.scan()
        instruments.enter()
        timing.begin()
        transforms.Resize(4)(torch.zeros(3, 8, 8))
        rows = timing.end()
        instruments.leave()
        return [row[:2] for row in rows] == [[0, 1]] and not attributes.is_measured(transforms.Resize.forward)

    assert in_child(measures)


class Thing:
    value = "the user's"


def test_a_lock_that_a_thread_of_the_parent_had_does_not_stop_the_child() -> None:
    patches = Patches()
    patches.add(Attribute(Thing, "value", "ours"))
    patches.enter()
    taken, ended = threading.Event(), threading.Event()

    def hold() -> None:
        patches.lifted(lambda: (taken.set(), ended.wait(30)))

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(30)

    def is_free() -> bool:
        patches.abandon()
        patches.enter()
        return Thing.value == "ours"

    try:
        assert in_child(is_free)
    finally:
        ended.set()
        thread.join()
        patches.leave()
    assert Thing.value == "the user's"


def test_the_child_of_a_worker_is_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "number", 3)
    monkeypatch.setattr(serialise.feeder, "expected", {1: 2})
    assert in_child(lambda: worker.number == -1 and not serialise.feeder.expected)
    assert worker.number == 3
