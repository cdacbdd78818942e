"""Evaluation takes a disproportionate share of the run.

What it means
    Validation runs so often, or on so much data, that training itself gets little of the time.

How it is measured
    Iterators without a backward pass between their batches are evaluation; their time, waiting included, as a share
    of the loop. Without a loader an evaluation is detected by stack samples: a function that calls the model in long steps
    only.

When it is wrong
    A run that is meant to evaluate has no training loop, and then this rule is not evaluated. An evaluation that mostly
    waits for data has a finding on its loader instead: making its batches faster wins the time without evaluating less.

What to do
    Evaluate every n-th epoch or on a fixed subset, with a larger batch and torch.inference_mode(). Where each pass starts
    workers, keep them (persistent_workers=True).
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evaluation import MOSTLY_WAITS
from gpuwatch.diagnosis.evidence import hot_line, loop_seconds, place
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Costs, Profile, RankProfile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, duration

# Evaluating a third as often is the usual cure.
LESS_OFTEN = 3.0
# An evaluation that waits less than this of its time is not long because of its loader.
WAITS = 0.25


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.25, "share of the loop", "Evaluating after each epoch of a usual split takes less.")
    critical_share: Threshold = Threshold(0.5, "share of the loop", "Half of the loop is not training.")


def check(profile: Profile, t: Thresholds, ranks: tuple[RankProfile, ...]) -> Found | None:
    """Report evaluation that takes a quarter of the loop or more."""
    seconds = sum(p.seconds for rank in ranks for p in rank.phases if p.name == "evaluation") / len(ranks)
    loop = loop_seconds(profile)
    share = seconds / loop if loop > 0 else 0.0
    if share < t.share:
        return None
    loader = max((x for x in profile.loaders if x.role == "evaluation"), key=lambda x: x.seconds, default=None)
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence="high",
        summary=f"evaluation takes {share:.0%} of the loop ({duration(seconds)}){_how(loader)}",
        evidence=(
            Evidence("evaluation", round(share, 4), "share of the loop", t.share),
            Evidence("evaluation", round(seconds, 2), "s", n=loader.iterators if loader else None),
            *(
                (Evidence("waiting in it", round(loader.waited_share.median, 4), "share"),)
                if loader and loader.waited_share
                else ()
            ),
        ),
        advice=_advice(loader),
        where=_where(loader) if loader else place(_sampled(profile)),
        speedup=_speedup(profile.costs, seconds) if profile.costs else None,
    )


def _where(loader: LoaderProfile) -> Place | None:
    """Return the loop, or, of one that mostly waits, where its loader is made."""
    waits = loader.waited_share.median if loader.waited_share else 0.0
    return loader.created_where if waits >= MOSTLY_WAITS else loader.iterated_where or loader.created_where


def _advice(loader: LoaderProfile | None) -> str:
    """Return what to do by what was measured: how often it ran, and whether it computes or starts workers."""
    passes = max(loader.passes, loader.iterators) if loader else 2
    waits = loader.waited_share.median if loader and loader.waited_share else None
    if loader is not None and waits is not None and waits >= MOSTLY_WAITS:
        made = f"with {count(loader.workers, 'worker')}" if loader.workers else "without workers"
        return (
            f"Make its batches faster, not fewer: it waits for data {waits:.0%} of its time, {made}.{_starts(loader)}"
        )
    how = "Evaluate less often, or on a subset" if passes > 1 else "Evaluate on a subset: it ran once"
    why = f": it computes, and waits for data {waits:.0%} of its time" if waits is not None and waits < WAITS else ""
    return f"{how}, with a larger batch and torch.inference_mode(){why}.{_starts(loader)}"


def _starts(loader: LoaderProfile | None) -> str:
    """Advise to keep the workers of an evaluation that starts them for each pass, for a good part of its time."""
    if loader is None or not loader.workers or loader.persistent or len(loader.first_batch_s) < 2:
        return ""
    started = sum(loader.first_batch_s)
    if started < WAITS * (loader.seconds + started):
        return ""
    mean = started / len(loader.first_batch_s)
    return f" Keep its workers (persistent_workers=True): each pass waits {duration(mean)} for its first batch."


def _sampled(profile: Profile) -> HotLine | None:
    """Return the costliest line of an evaluation that is not over a DataLoader."""
    return hot_line(profile, "trainer", "evaluation")


def _training(profile: Profile) -> tuple[RankProfile, ...] | Missing:
    trains = profile.primary is not None and profile.primary.role == "training"
    return profile.ranks if trains and profile.ranks else Missing("a training loop")


def _how(loader: LoaderProfile | None) -> str:
    return f", {count(max(loader.passes, loader.iterators), 'pass', 'passes')} over {loader.dataset}" if loader else ""


def _speedup(costs: Costs, seconds: float) -> Speedup:
    """Predict evaluation a third as often, by moving its seconds out of a start-up that is paid once."""
    before = replace(costs, startup_s=costs.startup_s + seconds / costs.iterators)
    after = replace(before, startup_s=costs.startup_s + seconds / LESS_OFTEN / costs.iterators)
    return throughput.predict(before, after, "evaluation a third as often", 0.3)


RULE = Rule(
    id="evaluation-share",
    page=__doc__,
    check=check,
    needs=(Need("a training loop", _training),),
    thresholds=Thresholds(),
    by_events=True,
    traits=Traits(bound="host", lanes=("gpu_busy",), windows="evaluation"),
)
