"""The clock of a window: what it counts, what it leaves out; times are handed in."""

from __future__ import annotations

import pytest

from gpuwatch.hook.experiment import batches, windows


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns

    def pass_s(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(windows, "now_ns", clock)
    return clock


def steps_until_over(window: windows.Window, clock: Clock, step_s: float, most: int = 1000) -> int:
    """Ask for batches every `step_s`; return how many were given."""
    for given in range(most):
        if window.is_over():
            return given
        clock.pass_s(step_s)
    raise AssertionError("the window never ended")


def order(**more: object) -> dict[str, object]:
    return {"arm": "a", "kind": "real", "seconds": 1.0, "steps": 4, **more}


def test_the_warm_up_is_no_part_of_the_time(clock: Clock) -> None:
    window = windows.Window(order(), warmup=5)
    for _ in range(5):
        assert not window.is_over()
        clock.pass_s(3.0)
    given = steps_until_over(window, clock, 0.1)
    assert (window.steps, window.ns / 1e9) == (given, pytest.approx(0.1 * given))
    assert window.ns / 1e9 == pytest.approx(1.0, abs=0.11)


def test_slow_steps_get_their_least_number_but_not_for_ever(clock: Clock) -> None:
    window = windows.Window(order(), warmup=0)
    steps_until_over(window, clock, 0.5)
    assert window.steps == 4
    slower = windows.Window(order(), warmup=0)
    steps_until_over(slower, clock, 3.0)
    assert slower.steps == 2, "four times the time wanted is the end"


def test_the_start_of_an_epoch_stops_the_clock_until_it_has_warmed_up(clock: Clock) -> None:
    window = windows.Window(order(), warmup=2)
    for _ in range(4):
        assert not window.is_over()
        clock.pass_s(0.1)
    before = window.steps
    assert not window.is_over()
    window.restarted(epoch_batches=1000)
    clock.pass_s(50.0)
    for _ in range(2):
        assert not window.is_over()
        clock.pass_s(0.1)
    steps_until_over(window, clock, 0.1)
    assert window.ns / 1e9 == pytest.approx(0.1 * window.steps) and window.steps > before


def test_epochs_too_short_for_a_steady_state_keep_their_starts(clock: Clock) -> None:
    window = windows.Window(order(), warmup=2)
    for _ in range(3):
        window.is_over()
        clock.pass_s(0.1)
    window.restarted(epoch_batches=5)
    assert window.since_ns is not None


@pytest.mark.parametrize(("epoch", "step_s", "expected"), [(7, 0.1, 14), (100, 0.1, 16), (16, 0.25, 16), (3, 0.4, 3)])
def test_a_window_of_epochs_holds_whole_ones_or_a_steady_part(
    clock: Clock, epoch: int, step_s: float, expected: int
) -> None:
    """A warm-up of 4 asks for 16 steps at least where the epoch has them."""
    window = windows.Window(order(epochs=True), warmup=4, epoch=epoch)
    clock.pass_s(0.05 + step_s)
    steps_until_over(window, clock, step_s)
    assert window.steps == expected
    assert window.ns / 1e9 == pytest.approx(0.05 + step_s * window.steps), "the start of the epoch is in it"


class Namespace(dict):  # type: ignore[type-arg]
    pass


def test_a_cached_batch_survives_a_loop_that_takes_it_apart() -> None:
    batch = {"x": [1, 2], "meta": {"y": 3}}
    given = batches.fresh(batch)
    given.pop("x")
    given["meta"].clear()
    assert batch == {"x": [1, 2], "meta": {"y": 3}}


def test_the_samples_of_a_batch() -> None:
    import torch

    assert batches.size_of(torch.zeros(5, 3)) == 5
    assert batches.size_of([torch.zeros(4), torch.zeros(4, 2)]) == 4
    assert batches.size_of({"x": torch.zeros(3, 2)}) == 3
    assert batches.size_of((["a", "b"], torch.zeros(2))) == 2
    assert batches.size_of(None) == 0
