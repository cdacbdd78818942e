from __future__ import annotations

import random

import pytest

from gpuwatch.hook.jitter import Jitter


@pytest.mark.parametrize("limit", [2, 5, 512, 10_000_000])
def test_numbers_fill_the_range_below_the_limit_evenly(limit: int) -> None:
    jitter = Jitter(4321)
    drawn = [jitter.below(limit) for _ in range(20_000)]
    assert min(drawn) >= 0 and max(drawn) < limit
    assert sum(drawn) / len(drawn) == pytest.approx((limit - 1) / 2, rel=0.02)
    assert sum(number < limit // 2 for number in drawn) / len(drawn) == pytest.approx(limit // 2 / limit, abs=0.02)


def test_neighbouring_processes_draw_different_numbers() -> None:
    first = [[jitter.below(512) for _ in range(8)] for jitter in map(Jitter, range(1000, 1016))]
    assert len({tuple(numbers) for numbers in first}) == len(first)
    assert len({numbers[0] for numbers in first}) > len(first) // 2


def test_the_users_random_numbers_stay_theirs() -> None:
    random.seed(7)
    state = random.getstate()
    Jitter(1).below(10)
    assert random.getstate() == state
