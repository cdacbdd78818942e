"""Whether a loop's steps changed so much while it ran that this is what has to be said of it: one place decides."""

from __future__ import annotations

from gpuwatch.diagnosis.thresholds import Threshold
from gpuwatch.model.profile import Profile
from gpuwatch.model.trend import Trend

GREW = Threshold(1.3, "times the first steps", "Steps of one run vary by less for no reason of its own.", "grew")
GREW_MS = Threshold(0.3, "ms", "Less is within what a clock and a scheduler do to a step.", "grew_ms")
BATCHES = Threshold(
    1.1, "times the first batches", "Batches that grow make steps grow by design, as a curriculum does.", "batches"
)
# An input that is waited for so long from some step on bounds the run from there on.
WAITS = Threshold(0.2, "share of the loop", "From there on a fifth of the time is waiting.", "waits")


def changed(profile: Profile) -> Trend | None:
    """Return the trend of the primary loop where its steps got longer by themselves; None where they did not."""
    trend = profile.trend
    if trend is None or trend.shape == "steady" or trend.contended:
        return None
    whole = trend.whole
    if whole.growth_ms < GREW_MS or whole.last_ms / max(whole.first_ms, 1e-6) < GREW:
        return None
    if trend.batches_ratio is not None and trend.batches_ratio >= BATCHES:
        return None
    return trend


def waits_in_the_end(trend: Trend) -> bool:
    """Say whether it is the input that got slower, so that the loop waits for it in the end."""
    return trend.grown.name == "input wait" and trend.wait_after >= WAITS
