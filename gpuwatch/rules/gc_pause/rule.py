"""Python's garbage collector stops the loop.

What it means
    The collector walks every container object it tracks. With a dataset of millions of Python objects a full
    collection takes a second, at arbitrary steps, and at different steps on different ranks.

How it is measured
    gc callbacks in the training process and in the workers: time inside collections as a share of the loop and of the
    fetches. Collections that the training's code asked for (gc.collect()) are explicit-gc's and do not count.

When it is wrong
    The collector of a program with many objects runs now and then; under 4 % of the loop it is not reported.

What to do
    gc.freeze() after set-up (the objects made so far are not walked again), fewer and larger objects (arrays), or
    gc.disable() with a gc.collect() between epochs.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import loop_seconds
from gpuwatch.diagnosis.needs import RANKS, STARVED_LOOP, Starved
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.profile import Profile, RankProfile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.04, "share of the loop", "Less is what any program with many objects pays.")
    fetch_share: Threshold = Threshold(0.15, "share of the fetch", "Less is hidden by what else a fetch does.")
    critical_share: Threshold = Threshold(0.2, "share of the loop or fetch", "A fifth of the time.")
    explaining_share: Threshold = Threshold(
        0.4, "share of the fetch", "From here on collections are what the dataset's code seems to cost."
    )


def check(profile: Profile, t: Thresholds, ranks: tuple[RankProfile, ...]) -> Found | None:
    """Report collections that take a noticeable part of the loop or of a starved loop's fetches."""
    seconds = max(max(rank.gc_seconds for rank in ranks) - asked_seconds(profile, in_workers=False), 0.0)
    share = seconds / max(loop_seconds(profile), 1e-9)
    in_fetch = fetch_share(profile)
    if share < t.share and in_fetch < t.fetch_share:
        return None
    of_workers = in_fetch >= t.fetch_share
    worst = "the workers' fetches" if of_workers else "the training loop"
    return Found(
        severity="critical" if max(share, in_fetch) >= t.critical_share else "warning",
        confidence="high",
        summary=f"Python's garbage collector takes {max(share, in_fetch):.0%} of {worst}",
        evidence=(
            Evidence(
                "collections in the trainer",
                round(share, 4),
                "share of the loop",
                t.share,
                max(r.gc_collections for r in ranks),
            ),
            Evidence("collections in fetches", round(in_fetch, 4), "share of the fetch", t.fetch_share),
        ),
        advice="Call gc.freeze() once after set-up (in worker_init_fn too), or keep the data in arrays instead of objects.",
        where=profile.primary.dataset_where if profile.primary and of_workers else None,
        speedup=_speedup(profile, share, in_fetch),
        edit="gc.collect(); gc.freeze()",
        hides=_hidden(ranks, in_fetch >= t.explaining_share),
    )


def _hidden(ranks: tuple[RankProfile, ...], dataset_code: bool) -> tuple[str, ...]:
    pauses = any(rank.long_steps and rank.long_steps.cause == "gc" for rank in ranks)
    return (*(("periodic-pause",) if pauses else ()), *(("slow-dataset-code",) if dataset_code else ()))


def fetch_share(profile: Profile) -> float:
    """Return the share of a starved loop's fetches spent collecting; 0 when the loop is not starved."""
    seen = STARVED_LOOP.read(profile)
    if not isinstance(seen, Starved) or not seen.fetch.gc_ms:
        return 0.0
    asked_ms = 1e3 * asked_seconds(profile, in_workers=True) / max(seen.loader.batches, 1)
    return max(seen.fetch.gc_ms - asked_ms, 0.0) / max(seen.fetch.mean_wall_ms, 1e-9)


def asked_seconds(profile: Profile, in_workers: bool) -> float:
    """Return the time of collections that the training's own code asked for."""
    collections = profile.state.collections if profile.state else ()
    return sum(one.seconds for one in collections if one.in_workers is in_workers)


def _speedup(profile: Profile, share: float, in_fetch: float) -> Speedup | None:
    if profile.costs is None:
        return None
    costs = throughput.with_step(profile.costs, profile.costs.device_ms * (1.0 - min(share, 0.9)))
    return throughput.predict(
        profile.costs, throughput.with_work(costs, 1.0 - min(in_fetch, 0.9)), "collections made free", 0.3
    )


RULE = Rule(
    id="gc-pause",
    page=__doc__,
    check=check,
    needs=(RANKS,),
    thresholds=Thresholds(),
    by_events=True,
    hides=("periodic-pause", "slow-dataset-code"),
    traits=Traits(bound="host", lanes=("step",), windows="long steps", remedies=("gc-freeze",)),
)
