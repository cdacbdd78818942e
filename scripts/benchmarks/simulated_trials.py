"""Trials of `gpuwatch try` on made-up times: what its verdicts would be if the truth were known.

A window's time is the machine's pace, which drifts and has slow stretches that outlast windows, times noise with heavy
tails (Student's t, three degrees of freedom: one window in twenty is off by more than three times the scale). Windows of
the two variants alternate as in `experiments/trials.py`, and verdicts come from the same functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gpuwatch.experiments import sequential
from gpuwatch.experiments.pairing import is_settled, outcome
from gpuwatch.model.measures import Interval

NOISES = ("independent", "correlated", "windows")
_DEGREES, _BURN_IN = 3, 50


@dataclass(frozen=True, slots=True)
class Simulated:
    """How one simulated trial ended: its verdict, after how many rounds, and with which interval."""

    verdict: str
    rounds: int
    ratio: Interval


def trial(random: np.random.Generator, effect: float, scale: float, noise: str, most: int) -> Simulated:
    """Simulate one remedy with a true speed-up of `effect`, looked at after each of at most `most` rounds."""
    ratios = np.exp(math.log(effect) + _noise(random, noise, most, scale))
    for rounds in range(1, most + 1):
        value = sequential.speedup(list(ratios[:rounds]))
        assert value is not None
        if is_settled(value) or rounds == most:
            break
    return Simulated(outcome(value), rounds, value)


def _noise(random: np.random.Generator, kind: str, rounds: int, scale: float) -> np.ndarray:
    """Return the noise of each round's log-ratio."""
    if kind == "independent":
        return random.standard_t(_DEGREES, rounds) * scale
    if kind == "correlated":
        return _autoregressive(random, rounds, 0.3) * scale
    times = (_autoregressive(random, 2 * rounds, 0.8) + random.standard_t(_DEGREES, 2 * rounds) / 2) * scale
    times += _slow_stretches(random, 2 * rounds)
    # Which of the two is first changes with the round.
    return (times[0::2] - times[1::2]) * np.where(np.arange(rounds) % 2, 1, -1)


def _autoregressive(random: np.random.Generator, count: int, correlation: float) -> np.ndarray:
    pushes, values = random.standard_t(_DEGREES, count + _BURN_IN), np.zeros(count + _BURN_IN)
    for at in range(1, len(values)):
        values[at] = correlation * values[at - 1] + pushes[at]
    return values[_BURN_IN:]


def _slow_stretches(random: np.random.Generator, count: int) -> np.ndarray:
    """Return by how much windows are slower while another program runs: 10 to 120 % for two or three windows."""
    slower, at = np.zeros(count), 0
    while at < count:
        if random.random() < 0.08:
            length = int(random.geometric(0.4))
            slower[at : at + length] = random.uniform(0.1, 0.8)
            at += length
        at += 1
    return slower
