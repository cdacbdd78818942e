"""The interval of a speed-up may be looked at after every round: a change that does nothing is not said to help."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpuwatch.experiments import sequential
from scripts.benchmarks.simulated_trials import NOISES, trial

TRIALS, ROUNDS = 600, 16


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("scale", [0.02, 0.10])
def test_a_change_that_does_nothing_hardly_ever_helps(noise: str, scale: float) -> None:
    """Heavy tails, drift and autocorrelation; looked at after each of 16 rounds."""
    random = np.random.default_rng(13)
    trials = [trial(random, 1.0, scale, noise, ROUNDS) for _ in range(TRIALS)]
    assert sum(each.verdict == "helps" for each in trials) <= 0.02 * TRIALS
    assert sum(each.ratio.low <= 1.0 <= each.ratio.high for each in trials) >= 0.95 * TRIALS


@pytest.mark.parametrize(("effect", "scale", "most"), [(3.0, 0.05, 3), (3.0, 0.10, 3), (1.5, 0.05, 4), (1.1, 0.02, 9)])
def test_a_large_effect_is_known_soon_and_a_small_one_later(effect: float, scale: float, most: int) -> None:
    random = np.random.default_rng(14)
    trials = [trial(random, effect, scale, "correlated", 24) for _ in range(200)]
    assert np.median([each.rounds for each in trials]) <= most
    assert sum(each.verdict == "helps" for each in trials) >= 0.95 * len(trials)


def test_one_round_has_no_interval_and_two_have_a_wide_one() -> None:
    one, two = sequential.speedup([2.0]), sequential.speedup([2.0, 2.0])
    assert one is not None and (one.low, one.median, one.high, one.n) == (2.0, 2.0, 2.0, 1)
    assert two is not None and 1.0 < two.low < 1.7 and two.median == pytest.approx(2.0)
    assert sequential.speedup([]) is None and sequential.speedup([float("nan"), 0.0]) is None


def test_one_disturbed_round_does_not_hide_what_the_others_show() -> None:
    value = sequential.speedup([3.0, 3.1, 0.6, 2.9, 3.05])
    assert value is not None and value.low > 1.5 and value.median == pytest.approx(3.0, rel=0.05)


def test_more_rounds_of_the_same_noise_make_it_narrower() -> None:
    widths = [sequential.radius(n, n * 0.05**2) for n in range(2, 30)]
    assert widths == sorted(widths, reverse=True)


def test_the_variance_is_read_back_from_an_interval() -> None:
    ratios = [1.9, 2.2, 2.0, 2.4, 1.8]
    value = sequential.speedup(ratios)
    assert value is not None
    again = sequential.rounds_until(math.log(value.high / value.median), value)
    assert again == len(ratios), "as many rounds as it took"
