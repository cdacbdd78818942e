"""What each Python thread of a trainer used, and who held the interpreter lock."""

from __future__ import annotations

import os
import threading

from gpuwatch.sources.threads import Meter, Times, held_samples, read_times, rows, used

MS = 1_000_000


def test_the_threads_of_a_process_are_read() -> None:
    times = read_times(os.getpid())
    assert threading.get_native_id() in times
    assert read_times(2**22 + 1) == {}


def test_what_was_used_is_the_difference_also_of_a_new_thread() -> None:
    before = {1: Times(100, 10)}
    after = {1: Times(160, 15), 2: Times(40, 0)}
    assert used(before, after) == {1: Times(60, 5), 2: Times(40, 0)}


class Process:
    """Threads whose times are set by the test."""

    def __init__(self) -> None:
        self.now, self.times = 0, {1: Times(0, 0), 2: Times(0, 0)}

    def meter(self) -> Meter:
        return Meter(1, lambda: self.now, lambda _: dict(self.times))


def test_others_are_asked_for_the_lock_where_they_used_the_cpu() -> None:
    process = Process()
    meter = process.meter()
    process.now, process.times = 1000 * MS, {1: Times(900 * MS, 0), 2: Times(2 * MS, 0)}
    assert not meter.is_contended()
    process.times[2] = Times(300 * MS, 0)
    assert meter.is_contended()


def test_a_thread_that_ended_is_taken_to_have_gone_on_as_before() -> None:
    process = Process()
    meter = process.meter()
    process.now, process.times = 1000 * MS, {1: Times(100 * MS, 0), 2: Times(800 * MS, 100 * MS)}
    meter.begin()
    process.now, process.times = 3000 * MS, {1: Times(600 * MS, 0)}
    assert meter.end() == {1: Times(500 * MS, 0), 2: Times(1600 * MS, 200 * MS)}


def test_each_thread_has_a_row_with_its_share_of_the_lock() -> None:
    profile = {
        "profiles": [
            {"name": 'Process 10 Thread 10 "MainThread"', "samples": [[0]] * 5},
            {"name": 'Process 10 Thread 12 "plan"', "samples": [[0]] * 80},
            {"name": 'Process 11 Thread 11 "MainThread"', "samples": [[0]] * 9},
        ]
    }
    counted = held_samples(profile, 10)
    assert counted["plan"] == 80 and counted["MainThread"] == 5
    labels, times = {10: "MainThread", 12: "plan"}, {10: Times(5, 1), 12: Times(90, 2)}
    found = rows(100, 200, 10, labels, times, {"plan": 0.8})
    assert found == [
        ["thread", 100, 200, 10, "MainThread", 5, 1, 0.0],
        ["thread", 100, 200, 10, "plan", 90, 2, 0.8],
    ]
    assert rows(100, 200, 10, labels, times, None)[1][-1] is None
