"""A resumed run walks through batches that it throws away.

What it means
    To go on where an earlier run ended, the script takes batch after batch from its loader and does nothing with them
    until it reaches the one to go on with. Each of them is read, decoded and augmented all the same.

How it is measured
    Batches at the beginning of a pass between which nothing but the next request happens: no backward, no optimizer step,
    no other code that takes time. Their time, waits included, against that of the loop. It is no part of the figures on
    the steps.

When it is wrong
    A pass that looks at nothing of its batches but has to come first (to fill a cache, to warm up files) looks the same.

What to do
    Skip indices, not batches: a sampler that begins at the right place, `accelerator.skip_first_batches`, or
    torchdata's StatefulDataLoader, whose state is saved with the checkpoint. An iterable dataset has to skip by itself:
    by shard, by file position, or with its own `skip(n)` before anything is decoded.
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import loop_seconds
from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import LoaderProfile, SkippedBatches
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, duration

_ADVICE = {
    False: "Skip indices instead of batches: begin the sampler at the batch to go on with (accelerate's"
    " skip_first_batches, or torchdata's StatefulDataLoader with its saved state), so that none of these is made.",
    True: "Have the dataset skip by itself, by shard or file position, before anything is read or decoded (torchdata's"
    " StatefulDataLoader saves and restores that state), so that none of these is made.",
}


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.05, "share of the loop", "Less is over soon.")
    seconds: Threshold = Threshold(1.0, "s", "Less is no loss in any run.")
    critical_share: Threshold = Threshold(0.3, "share of the loop", "A third of the loop.")


def check(profile: Profile, t: Thresholds, seen: tuple[LoaderProfile, SkippedBatches]) -> Found | None:
    """Report batches that were made and thrown away when they take 5 % of the loop or more."""
    loader, skipped = seen
    whole = max(loop_seconds(profile), skipped.seconds, 1e-9)
    share = skipped.seconds / whole
    if share < t.share or skipped.seconds < t.seconds:
        return None
    gain = round(whole / max(whole - skipped.seconds, 0.02 * whole), 3)
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence="high",
        summary=f"{count(skipped.count, 'batch', 'batches')} {'were' if skipped.count > 1 else 'was'} made and thrown away before the first step that trains: {duration(skipped.seconds)}",
        evidence=(
            Evidence("batches thrown away", round(share, 4), "share of the loop", t.share, skipped.count),
            Evidence("batches thrown away", round(skipped.seconds, 2), "s", t.seconds, skipped.count),
        ),
        advice=_ADVICE[loader.dataset_kind == "iterable"],
        where=skipped.where or loader.iterated_where,
        speedup=Speedup(gain, round(1.0 + 0.8 * (gain - 1.0), 3), gain, "the loop without these batches"),
        rank=loader.rank if len(profile.ranks) > 1 else None,
        decides=share >= t.critical_share,
    )


def _skipping(profile: Profile) -> tuple[LoaderProfile, SkippedBatches] | Missing | NotSo:
    if profile.primary is None or profile.primary.own_loop:
        return Missing("a DataLoader in use")
    found = [(loader, loader.skipped) for loader in profile.loaders if loader.skipped is not None]
    return max(found, key=lambda one: one[1].seconds, default=NOT_SO)


RULE = Rule(
    id="skipped-batches",
    page=__doc__,
    check=check,
    needs=(Need("a training loader", _skipping),),
    thresholds=Thresholds(),
    by_events=True,
    traits=Traits(bound="startup", order="first", about_input=True, lanes=("input_wait", "worker"), windows="startup"),
)
