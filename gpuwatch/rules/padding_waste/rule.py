"""Most of each batch is padding, and the model computes on it.

What it means
    Sequences of different lengths are filled up to one length, so that they fit in a tensor. The model computes on all
    positions, the filled ones too.

How it is measured
    In the first batches that each process makes, the positions are counted that are no padding: up to where a row's run
    of one value begins, or by the attention mask. The model must take most of the step.

When it is wrong
    A model that packs its input (pack_padded_sequence, attention over sequences of different lengths) computes on
    nothing else than values. Features that are mostly zeros at the end of each row look like padding. Padding that the
    training adds after the loader is not met.

What to do
    Pad each batch to its own longest sequence. Then put sequences of similar length into a batch: sort them by length
    within chunks of shuffled data. Or pack several sequences into one row.
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import starved
from gpuwatch.diagnosis.needs import MEASURED_LOOP, MeasuredLoop
from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import phase_share
from gpuwatch.model.contents import Padding
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import excerpt

_LONGEST = "Pad each batch to its own longest sequence, not to a fixed length"
_SORTED = "put sequences of similar length into a batch (sort by length within chunks of shuffled data)"
# What is left of the padding where sequences of similar length share a batch.
_LEFT = 0.1
_MODEL = ("forward", "backward")


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    padding: Threshold = Threshold(0.35, "share of the positions", "Sequences of usual lengths are padded by less.")
    fixed: Threshold = Threshold(
        0.15, "share of the positions", "Batches are padded to their longest sequence already."
    )
    model: Threshold = Threshold(
        0.4, "share of the step", "A model that takes less has little to win from less padding."
    )
    batches: Threshold = Threshold(3, "batches", "Fewer may be an exception.")


def check(profile: Profile, t: Thresholds, loop: MeasuredLoop, padding: Padding) -> Found | None:
    """Report batches that are mostly padding."""
    share, model = 1.0 - padding.filled, sum(phase_share(profile, phase) for phase in _MODEL)
    if padding.batches < t.batches or share < t.padding or model < t.model or starved(profile) == "yes":
        return None
    if padding.packed:
        return None
    fixed = 1.0 - padding.longest >= t.fixed
    kept = padding.longest if fixed else min(padding.filled * (1.0 + _LEFT), 1.0)
    more = f", and {_SORTED}." if padding.longest - padding.filled >= t.fixed else "."
    return Found(
        severity="critical" if share >= 2 * t.padding else "warning",
        confidence="medium",
        summary=f"{share:.0%} of the positions in a batch are padding, on which the model computes: rows of"
        f" {padding.positions:.0f} positions{_at(padding)}",
        evidence=(
            Evidence("padding", round(share, 4), "share of the positions", t.padding, padding.batches),
            Evidence(
                "beyond each batch's longest row", round(1.0 - padding.longest, 4), "share of the positions", t.fixed
            ),
            Evidence("model", round(model, 4), "share of the step", t.model, loop.loader.steps),
        ),
        advice=(_LONGEST + more) if fixed else _SORTED[:1].upper() + _SORTED[1:] + ".",
        where=padding.line.place if padding.line else loop.loader.created_where,
        speedup=_shorter(model, kept, padding.filled),
    )


def _shorter(model: float, kept: float, filled: float) -> Speedup:
    """Predict the model on fewer positions: its time is taken to grow with their number, attention's with the square."""
    ends = (
        1.0 - model * (1.0 - kept),
        1.0 - 0.6 * model * (1.0 - kept),
        1.0 - model * (1.0 - min(kept, filled) ** 1.5),
    )
    predicted, low, high = (round(1.0 / max(end, 0.02), 3) for end in ends)
    return Speedup(predicted, low, max(high, predicted), "the model's time in proportion to the positions")


def _at(padding: Padding) -> str:
    line = padding.line
    return f", filled up at line {line.place.line}: {excerpt(line.source)}" if line and line.source else ""


def _padding(profile: Profile) -> Padding | Missing | NotSo:
    if profile.padding is not None:
        return profile.padding
    return NOT_SO if profile.looked else Missing("a look at what is in a few batches")


RULE = Rule(
    id="padding-waste",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, Need("a look at what is in a few batches", _padding)),
    thresholds=Thresholds(),
    traits=Traits(bound="compute", lanes=("step", "gpu_busy"), in_vain=True),
)
