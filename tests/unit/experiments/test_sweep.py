"""The sweep finds the smallest setting within 3 % of the best without trying them all."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from gpuwatch.experiments.session import Result, Window
from gpuwatch.experiments.sweep import Setting, Sweep, growing


class Training:
    """A training whose rates are known: `work` seconds of a core per batch, `device` seconds per step."""

    def __init__(self, work: float, device: float, cores: int, noise: float = 0.0, blocked: float = 0.0) -> None:
        self.work, self.device, self.cores, self.blocked = work, device, cores, blocked
        self.noise = noise
        self.random = random.Random(4)
        self.seconds = 0.0
        self.windows = 0

    def step_s(self, kind: str, workers: int) -> float:
        if kind == "cached":
            return self.device
        batch = self.work + self.blocked
        loader = batch if workers == 0 else max(batch / workers, self.work / min(max(workers, 1), self.cores))
        if kind == "loader":
            return loader
        return loader + self.device if workers == 0 else max(loader, self.device)

    def run(self, windows: Sequence[Window]) -> list[Result]:
        return [self.result(window) for window in windows]

    def result(self, window: Window) -> Result:
        if window.kind == "close":
            return Result(window.arm, 0, "close", 0, 0, None, 0.0, "closed")
        self.seconds += window.seconds
        self.windows += 1
        step = self.step_s(window.kind, window.loader.get("num_workers", 0))
        step *= 1 + self.noise * self.random.uniform(-1, 1)
        return Result(window.arm, window.round, window.kind, 100, 100, 100 * step, 0.1, None, 50e6)

    def rounds(self, make: Callable[[int], Sequence[Window]], enough: Callable[[], bool], share: float) -> list[Result]:
        return [result for number in range(4) for result in self.run(make(number))]


def sweep(training: Training, now: int = 2) -> Sweep:
    return Sweep(training.run, training.rounds, Setting(now), training.cores)


def best_of_grid(training: Training) -> float:
    return min(training.step_s("real", workers) for workers in range(65))


@pytest.mark.parametrize(
    ("work", "blocked", "device", "cores"),
    [(0.1, 0.0, 0.02, 16), (0.1, 0.0, 0.02, 2), (0.01, 0.0, 0.05, 8), (0.001, 0.2, 0.02, 2), (0.04, 0.0, 0.02, 4)],
)
def test_the_knee_is_near_the_best_of_an_exhaustive_grid(
    work: float, blocked: float, device: float, cores: int
) -> None:
    training = Training(work, device, cores, blocked=blocked)
    search = sweep(training)
    knee = next(row for row in search.search() if row.knee)
    assert training.step_s("real", knee.workers) <= 1.05 * best_of_grid(training) or knee.workers == growing(cores)[-1]
    smaller = [n for n in growing(cores) if n < knee.workers]
    assert all(training.step_s("real", n) > 1.02 * training.step_s("real", knee.workers) for n in smaller)


def test_it_takes_less_than_a_third_of_the_grid() -> None:
    training = Training(0.1, 0.02, 16, noise=0.01)
    sweep(training).search()
    grid = len(growing(16)) * 3 * 2 * 4  # workers x prefetch x threads, four rounds each
    assert training.windows < grid / 3


def test_noise_of_a_percent_does_not_buy_more_workers() -> None:
    training = Training(0.08, 0.02, 8, noise=0.01)
    knee = next(row for row in sweep(training).search() if row.knee)
    assert knee.workers in (4, 6) and knee.prefetch is None and knee.threads is None


def test_memory_and_start_up_stand_beside_each_setting() -> None:
    rows = sweep(Training(0.1, 0.02, 4)).search()
    alone = [row for row in rows if row.loader_rate is not None]
    assert alone and all(row.memory_per_worker_bytes == 50e6 and row.startup_s == 0.1 for row in alone)


def test_what_is_known_is_shown_before_it_has_ended() -> None:
    search = sweep(Training(0.1, 0.02, 4))
    search._grow(50.0)
    assert search.rows() and not any(row.knee for row in search.rows())


def test_without_workers_a_fast_loader_still_gets_one_to_hide_behind() -> None:
    training = Training(0.01, 0.02, 4)
    knee = next(row for row in sweep(training, now=0).search() if row.knee)
    assert knee.workers == 1
