"""Segments of a thread are named by what ends them; the clock is handed in."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from gpuwatch.hook.event_log import counters
from gpuwatch.hook.event_log.columns import ACTIVITY
from gpuwatch.hook.trainer import activity


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(activity, "now_ns", clock)
    return clock


def play(clock: Clock, *story: tuple[int, str]) -> dict[str, Any]:
    """Let `(duration, what happens then)` follow one another, then ask for a batch."""
    account = activity.Activity()
    for duration, happens in story:
        clock.ns += duration
        if happens != "ask":
            getattr(account, happens)()
    return dict(zip(ACTIVITY, account.columns(clock.ns)))


BACKWARD = ((5, "backward_begins"), (7, "backward_ends"))


def test_a_plain_step(clock: Clock) -> None:
    took = play(clock, *BACKWARD, (2, "optimizer_begins"), (3, "optimizer_ends"), (1, "ask"))
    assert took == {
        "forward_ns": 5,
        "backward_ns": 7,
        "backward_n": 1,
        "optimizer_ns": 3,
        "optimizer_n": 1,
        "other_ns": 3,
        "gc_ns": 0,
        "gc_n": 0,
    }


def test_accumulated_gradients_have_a_forward_before_each_backward(clock: Clock) -> None:
    took = play(clock, *BACKWARD, *BACKWARD, *BACKWARD, (0, "optimizer_begins"), (3, "optimizer_ends"), (0, "ask"))
    assert (took["forward_ns"], took["backward_ns"], took["backward_n"], took["optimizer_n"]) == (15, 21, 3, 1)


def test_a_closure_inside_the_step_keeps_its_forward_and_backward(clock: Clock) -> None:
    took = play(clock, (4, "optimizer_begins"), *BACKWARD, (3, "optimizer_ends"), (0, "ask"))
    assert (took["other_ns"], took["forward_ns"], took["backward_ns"], took["optimizer_ns"]) == (4, 5, 7, 3)


def test_an_optimizer_within_an_optimizer_is_one_step(clock: Clock) -> None:
    took = play(
        clock,
        (1, "optimizer_begins"),
        (2, "optimizer_begins"),
        (3, "optimizer_ends"),
        (4, "optimizer_ends"),
        (0, "ask"),
    )
    assert (took["other_ns"], took["optimizer_ns"], took["optimizer_n"]) == (1, 9, 1)


def test_a_backward_within_a_backward_is_one_backward(clock: Clock) -> None:
    took = play(
        clock, (5, "backward_begins"), (1, "backward_begins"), (1, "backward_ends"), (1, "backward_ends"), (9, "ask")
    )
    assert (took["forward_ns"], took["backward_ns"], took["backward_n"], took["other_ns"]) == (5, 3, 1, 9)


def test_a_step_without_training_is_other(clock: Clock) -> None:
    took = play(clock, (9, "ask"))
    assert took["other_ns"] == 9 and took["forward_ns"] == 0


def test_an_optimizer_step_that_raised_does_not_stay_open(clock: Clock) -> None:
    account = activity.Activity()
    account.optimizer_begins()
    account.restart(clock.ns)
    clock.ns += 6
    account.optimizer_begins()
    clock.ns += 2
    account.optimizer_ends()
    assert (account.other_ns, account.optimizer_ns, account.optimizer_n) == (6, 2, 1)


def test_segments_add_up_to_the_time_since_the_last_batch(clock: Clock) -> None:
    took = play(clock, (2, "optimizer_begins"), *BACKWARD, (3, "optimizer_ends"), *BACKWARD, (11, "ask"))
    assert sum(took[name] for name in ACTIVITY if name.endswith("_ns") and name != "gc_ns") == clock.ns


def test_a_collection_counts_for_the_thread_that_it_stops() -> None:
    activity.watch_collector()
    try:
        before = activity.current().gc_n
        gc.collect()
        assert activity.current().gc_n == before + 1
        elsewhere: list[int] = []
        thread = threading.Thread(target=lambda: (gc.collect(), elsewhere.append(activity.current().gc_n)))
        thread.start()
        thread.join()
        assert elsewhere == [1]
        assert activity.current().gc_n == before + 1
    finally:
        counters.stop_watching_collector()


def test_meters_are_read_now_and_then_and_cover_the_time_between(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, delay = iter((100, 700, 950)), iter((10, 40))
    monkeypatch.setattr(activity, "_thread_cpu_ns", lambda: next(cpu))
    monkeypatch.setattr(counters, "thread_delay_ns", lambda: next(delay))
    account = activity.Activity()
    ms = 1_000_000
    assert account.read_meters(60 * ms) == (600, None)
    assert account.read_meters(61 * ms) == (None, None)
    assert account.read_meters(120 * ms) == (250, 30)
