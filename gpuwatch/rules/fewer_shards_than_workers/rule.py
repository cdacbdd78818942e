"""Workers of an iterable dataset have nothing to read, or much less than the others.

What it means
    An iterable dataset is divided by its own code, mostly by file. With fewer files (shards) than workers some workers
    end at once; with shards that do not divide evenly, the last ones are read by a few workers while the others have
    ended. num_workers then promises more than takes part.

How it is measured
    The batches that each worker delivered per epoch, and when its data came to its end. "At work on average" is what all
    delivered over what the busiest worker delivered: with equal shares it is the number of workers.

When it is wrong
    Shards that differ much and change from epoch to epoch look the same. A loop that does not wait for its data gains
    nothing: then the rule is clear.

What to do
    Write the data in at least as many shards as there are workers, a multiple of them, or divide it by sample within
    the shards. Fewer workers cost nothing then; more would have nothing to read.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.analyze.costs import shared_cores
from gpuwatch.diagnosis.evidence import certainty, wait_evidence
from gpuwatch.diagnosis.needs import STARVED_LOOP, Starved
from gpuwatch.diagnosis.rule import Found, Group, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.worker_shares import SHARED_STREAM
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.model.worker_profile import WorkersProfile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    at_work_share: Threshold = Threshold(0.8, "share of the workers", "Shards rarely divide evenly to the last sample.")
    min_batches: Threshold = Threshold(8, "batches", "The first batches come from whichever worker is ready first.")
    min_gain: Threshold = Threshold(1.05, "times", "A smaller gain is within what two runs differ by.")
    critical_gain: Threshold = Threshold(1.15, "times", "More than what runs differ by, with certainty.")


def check(profile: Profile, t: Thresholds, seen: Starved, workers: WorkersProfile) -> Found | None:
    """Report a starved loop that some of its workers deliver little or nothing to."""
    at_work = workers.at_work
    if at_work is None or sum(workers.batches) * workers.epochs < t.min_batches:
        return None
    if at_work / workers.workers > t.at_work_share:
        return None
    costs, crowded = seen.costs, False
    speedup = _speedup(costs, at_work)
    if speedup.predicted < t.min_gain:
        costs, crowded = throughput.on_cores(costs, shared_cores(profile.machine, beside_others=False)), True
        speedup = _speedup(costs, at_work)
    if speedup.predicted < t.min_gain:
        return None
    return Found(
        severity="critical" if speedup.predicted >= t.critical_gain and not crowded else "warning",
        confidence=certainty(seen.state, default="medium" if crowded else "high"),
        summary=_summary(workers, at_work) + ("; other programs use the cores now" if crowded else ""),
        evidence=(
            wait_evidence(seen.loader),
            Evidence("workers at work on average", round(at_work, 2), "workers", n=workers.epochs),
            Evidence("workers that delivered nothing", _idle(workers), "workers"),
            Evidence("batches per worker and epoch", _listed(workers.batches), "batches", n=workers.epochs),
            Evidence("share of the workers at work", round(at_work / workers.workers, 3), "share", t.at_work_share),
        ),
        advice=f"Give every worker a part: write the data in a multiple of {workers.workers} shards, or take every"
        f" {workers.workers}th sample by get_worker_info().id. More workers would have nothing to read.",
        where=seen.loader.dataset_where,
        speedup=speedup,
        edit="itertools.islice(samples, worker.id, None, worker.num_workers)  # worker = get_worker_info()",
        hides=_explained(costs),
    )


def _speedup(costs: Costs, at_work: float) -> Speedup:
    """Predict equal parts: now a batch takes as long as if only those at work made it."""
    now = replace(costs, work_ms=costs.work_ms * costs.workers / at_work)
    return throughput.predict(now, costs, "throughput model: the busiest worker's part shared among all")


def _explained(costs: Costs) -> tuple[str | Group, ...]:
    hidden = throughput.hides_input(costs, costs.workers)
    return ("too-few-workers", "cpu-saturated", "too-many-workers", *((Group.BATCH_COST,) if hidden else ()))


def _idle(workers: WorkersProfile) -> int:
    return sum(batches == 0 for batches in workers.batches)


def _summary(workers: WorkersProfile, at_work: float) -> str:
    idle = _idle(workers)
    if idle:
        rest = workers.workers - idle
        return (
            f"{idle} of {count(workers.workers, 'worker')} {'have' if idle > 1 else 'has'} nothing to read:"
            f" {count(rest, 'worker')} {'deliver' if rest > 1 else 'delivers'} every batch"
        )
    return f"{workers.workers} workers have unequal parts: on average {at_work:.1f} of them are at work"


def _listed(values: tuple[float, ...]) -> str:
    shown = ", ".join(f"{value:.0f}" for value in values[:8])
    return shown + (", …" if len(values) > 8 else "")


RULE = Rule(
    id="fewer-shards-than-workers",
    page=__doc__,
    check=check,
    needs=(STARVED_LOOP, SHARED_STREAM),
    thresholds=Thresholds(),
    by_events=True,
    hides=("too-few-workers", "cpu-saturated", "too-many-workers", Group.BATCH_COST),
    traits=Traits(about_input=True, lanes=("worker", "input_wait"), windows="waiting"),
)
