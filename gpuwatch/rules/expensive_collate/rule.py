"""Collating the samples to a batch dominates the fetch.

What it means
    The collate function (yours, or the default one on awkward samples) takes more time than reading and transforming:
    padding in Python, tensors built from lists, many small fields.

How it is measured
    The collate function's time inside each fetch.

When it is wrong
    A collate function that tokenises or decodes the whole batch at once does the fetch's real work; then make that
    work cheaper, not the collating.

What to do
    Build tensors once from numpy arrays, pad with one preallocated tensor, return few and large fields, or move the
    work into __getitem__ of pre-computed data.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, hot_line, operations, place, saturation, share_of
from gpuwatch.diagnosis.needs import OPERATIONS, WORKING_LOOP, Starved
from gpuwatch.diagnosis.rule import Found, Group, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import OperationProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import milliseconds


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.4, "share of the fetch", "Below this something else costs a batch more.")
    critical_share: Threshold = Threshold(0.6, "share of the fetch", "Most of the workers' time.")


def check(profile: Profile, t: Thresholds, seen: Starved, made: tuple[OperationProfile, ...]) -> Found | None:
    """Report collating that takes the largest part of the fetch of a starved loop."""
    share = share_of(seen.loader, "collate")
    if share < t.share:
        return None
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence=certainty(seen.state),
        summary=f"collating takes {share:.0%} of making a batch ({milliseconds(seen.fetch.collate_ms)})",
        evidence=(
            seen.loss(),
            Evidence("collate", round(share, 4), "share of the fetch", t.share, seen.fetch.n),
            Evidence("collate", round(seen.fetch.collate_ms, 3), "ms per batch", n=seen.fetch.n),
            Evidence("tensors per batch", seen.fetch.tensors_per_batch, "tensors"),
        ),
        advice="Collate with one preallocated tensor per field, from arrays instead of lists, and into few large fields.",
        where=_where(profile, seen),
        speedup=_speedup(seen, share),
        verify="lines --exact",
        hides=("slow-dataset-code", "gc-pause", *saturation(share)),
    )


def _where(profile: Profile, seen: Starved) -> Place | None:
    named = operations(seen.loader, "collate")
    line = hot_line(profile, "worker" if seen.loader.workers else "trainer", "collate")
    return place(line, (named[0].where if named else None) or seen.loader.created_where)


def _speedup(seen: Starved, share: float) -> Speedup:
    basis = "collating made free; the low end is half as expensive"
    return throughput.made_free(seen.costs, min(share, 0.98), share, basis)


RULE = Rule(
    id="expensive-collate",
    page=__doc__,
    check=check,
    needs=(
        WORKING_LOOP,
        OPERATIONS,
    ),
    thresholds=Thresholds(),
    hides=("slow-dataset-code", "gc-pause", "cpu-saturated"),
    group=Group.BATCH_COST,
    traits=Traits(about_input=True, windows="waiting"),
)
