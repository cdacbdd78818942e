"""Workers hand over the same samples: each goes over all of the dataset.

What it means
    Every worker has a copy of an iterable dataset. One that does not ask which worker it is in is gone over by each of
    them from its beginning: an epoch has as many copies of each sample as there are workers, takes as many times as
    long, and the model sees near-identical batches one after the other. Nothing is slow, so that no share of waiting
    shows it.

How it is measured
    Workers note a digest of a few of their batches (the 1st, 2nd, 3rd, 5th, 9th …). Workers whose batches are all equal
    hand over the same samples; batches that never change, such as zeros, are not compared. Where augmentation makes
    them differ, integers and text (labels, names) are compared, and only where no code asked for its worker's number.
    Beside content the count says it: each worker alone delivered as many samples as the dataset said that it has; or,
    where content says nothing, all workers delivered the same number and no code asked which worker it is in.

When it is wrong
    A dataset that draws samples at random in each worker may have equal labels by design. Workers that share a queue
    outside of torch deliver equal counts without repeating anything; content that differs then makes the rule clear.

What to do
    Take a part in each worker: get_worker_info() in __iter__, and every num_workers-th sample from its id on; or give
    each worker files of its own. Until then use one worker.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.worker_shares import OVER_A_LOADER, SHARED_STREAM
from gpuwatch.model.findings import Confidence, Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.model.worker_profile import WorkersProfile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    passes_over: Threshold = Threshold(1.5, "times", "A sample that comes twice in a pass is one too many.")


_SURE: dict[str | None, Confidence] = {"content": "high", "length": "high", "labels": "medium", "count": "medium"}
_SAID_BY = {
    "content": "each hands over the same batches",
    "labels": "each hands over the same labels, with other values",
    "length": "each hands over as many samples as the dataset says it has",
    "count": "each hands over the same number of samples, and none asks which worker it is in",
}


def check(profile: Profile, t: Thresholds, loader: LoaderProfile, workers: WorkersProfile) -> Found | None:
    """Report workers of an iterable dataset that all go over the same samples."""
    passes, basis = workers.passes_over, workers.passes_basis
    if passes is None or basis is None or passes < t.passes_over:
        return None
    return Found(
        severity="critical",
        confidence=_SURE.get(basis, "medium"),
        summary=f"{workers.workers} workers go over the same data: {_SAID_BY[basis]}, so that a pass has every sample"
        f" {count(passes, 'time', digits=2)}",
        evidence=(
            Evidence("how often a pass has each sample", round(passes, 2), "times", t.passes_over, workers.epochs),
            Evidence("batches compared between workers", workers.compared, "batches"),
            Evidence("of them equal", workers.same, "batches"),
            Evidence("batches per worker and epoch", round(max(workers.batches), 1), "batches", n=workers.epochs),
            Evidence("asked which worker it is in", _yes(workers.asks), ""),
        ),
        advice="Take a part of the data in each worker: in __iter__ of the dataset, every get_worker_info().num_workers-th"
        " sample from get_worker_info().id on, or files of its own. Until then set num_workers=1.",
        where=loader.dataset_where or loader.created_where,
        speedup=_speedup(profile.costs, passes) if workers.ended else None,
        edit="itertools.islice(samples, worker.id, None, worker.num_workers)  # worker = get_worker_info()",
    )


def _speedup(costs: Costs | None, passes: float) -> Speedup | None:
    """Predict a pass that has each sample once: its steps cost what they cost now."""
    if costs is None:
        return None
    after = replace(costs, batches=costs.batches / passes)
    return throughput.predict(costs, after, "each sample once per pass, steps as now", 0.1)


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


RULE = Rule(
    id="repeated-data",
    page=__doc__,
    check=check,
    needs=(OVER_A_LOADER, SHARED_STREAM),
    thresholds=Thresholds(),
    by_events=True,
    hides=("too-few-workers",),
    traits=Traits(in_vain=True, lanes=("worker", "input_wait")),
)
