"""Passes over one loader have different lengths: samples get lost or repeated.

What it means
    A pass over the same data should have the same samples. Where passes differ, a reader goes on from where the last
    epoch left it, a worker ends early, a filter or an error drops samples, or a part of the data is repeated. Loss
    curves over epochs are then not comparable, and schedules counted in epochs are off.

How it is measured
    The samples of each pass that came to its end (batches, where samples are unknown), of one DataLoader with the same
    settings. Passes that were left by break do not count.

When it is wrong
    Some pipelines mean it: a random part per epoch, data that grows, a curriculum. A first pass that is shorter than all
    others, which are equal, is a resumed run: the rule is clear.

What to do
    Count samples per epoch in each worker. Make __iter__ begin at the first sample each time it is called, and let no reader outlive
    its epoch.
"""

from __future__ import annotations

import numpy as np

from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.worker_shares import OVER_A_LOADER
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    spread: Threshold = Threshold(0.02, "share of a pass", "A last batch, or a group of odd size, makes less.")
    min_passes: Threshold = Threshold(2, "passes", "One pass has nothing to differ from.")
    sure_passes: Threshold = Threshold(3, "passes", "Of two passes, either may be the exception.")


def check(profile: Profile, t: Thresholds, loader: LoaderProfile) -> Found | None:
    """Report passes over one loader that differ in length."""
    lengths, unit = loader.whole_passes, loader.whole_passes_unit
    if len(lengths) < t.min_passes or _is_resumed(lengths):
        return None
    shortest, longest = min(lengths), max(lengths)
    spread = (longest - shortest) / max(float(np.median(lengths)), 1.0)
    if spread < t.spread:
        return None
    return Found(
        severity="warning",
        confidence="high" if len(lengths) >= t.sure_passes else "medium",
        summary=f"{len(lengths)} epochs over one loader have {shortest:,} to {longest:,} {unit}: samples get lost or repeated",
        evidence=(
            Evidence("spread of the epochs' lengths", round(spread, 4), "share of a pass", t.spread, len(lengths)),
            Evidence("shortest epoch", shortest, unit),
            Evidence("longest epoch", longest, unit),
            Evidence("first epochs", ", ".join(f"{length:,}" for length in lengths[:6]), unit),
        ),
        advice="Unless it is meant: make __iter__ of the dataset begin at the first sample (no reader, generator or position that the"
        " last epoch left behind), and look for samples that are skipped on an error.",
        where=loader.dataset_where or loader.created_where,
    )


def _is_resumed(lengths: tuple[int, ...]) -> bool:
    """Say whether only the first pass is short, and not for lack of others to compare it with."""
    return len(lengths) > 2 and len(set(lengths[1:])) == 1 and 0 < lengths[0] < lengths[1]


RULE = Rule(
    id="uneven-epochs",
    page=__doc__,
    check=check,
    needs=(OVER_A_LOADER,),
    thresholds=Thresholds(),
    by_events=True,
    traits=Traits(in_vain=True, lanes=("worker", "input_wait")),
)
