"""The workers' memory grows while the loop runs.

What it means
    A forked worker shares the dataset's memory with the trainer until it touches it. Python writes a reference count
    into every object it looks at, so lists and dictionaries of samples are copied page by page into each worker, until
    memory is full.

How it is measured
    Memory of all workers (proportional share where the kernel gives it) over the loop's time, as a slope; what grew in
    the first half of the time only was warm-up, and so is what is seen for less than half a minute unless it is more than
    a worker's start takes. Copied pages do not change the resident size, which held them while
    they were shared: growth of that is memory newly taken, and must last half a minute before it counts.

When it is wrong
    A cache that the dataset fills on purpose looks the same until it is full.

What to do
    Where pages are copied: keep samples in numpy arrays or tensors (one object instead of millions), or in a file that
    workers read. Where memory is newly taken: bound the cache, and look for lists that grow.
"""

from __future__ import annotations

from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.machine_profile import WorkerMemory
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, size

_ADVICE = {
    True: "Keep the sample list in a numpy array or tensor instead of Python objects, so that workers share its pages.",
    False: "Look for what the dataset keeps from item to item: a cache without a limit, a list that is appended to, open"
    " files.",
}


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    growth_share: Threshold = Threshold(0.05, "share of the memory", "Less is no danger in a run of this length.")
    hourly_share: Threshold = Threshold(
        0.25, "share of the memory", "What an hour would take, where the run was short."
    )
    min_bytes: Threshold = Threshold(64e6, "bytes", "Smaller growth is the interpreter's own.")
    sure_seconds: Threshold = Threshold(
        30.0, "s", "Growth seen for a shorter time may be warm-up: the interpreter's and torch's own pages."
    )
    warm_up_bytes: Threshold = Threshold(90e6, "bytes per worker", "Warm-up takes some 60 MB of a worker.")
    late_share: Threshold = Threshold(
        0.35,
        "share of the growth",
        "Memory that goes on growing gains half in the second half of the time; less is a cache filled, or warm-up.",
    )
    copied_share: Threshold = Threshold(
        0.5, "share of the growth", "Half of it pages that the worker shared with the trainer before."
    )
    critical_hourly_share: Threshold = Threshold(
        1, "share of the memory", "The machine runs out of memory within an hour."
    )


def check(profile: Profile, t: Thresholds, memory: WorkerMemory, total: int) -> Found | None:
    """Report workers whose memory grows by a noticeable part of the machine's."""
    grown, rate = memory.growth_bytes or 0.0, memory.growth_bytes_per_s or 0.0
    if grown > 0 and (memory.late_growth_bytes or grown) / grown < t.late_share:
        return None
    hourly = rate * 3600 / total
    if grown < t.min_bytes or (grown / total < t.growth_share and hourly < t.hourly_share):
        return None
    seen_s = grown / rate
    copied = 1.0 - min(max(memory.resident_growth_bytes or 0.0, 0.0) / grown, 1.0)
    sure = seen_s >= t.sure_seconds
    if not sure and (copied < t.copied_share or grown / max(memory.workers, 1) < t.warm_up_bytes):
        return None
    return Found(
        severity="critical" if hourly >= t.critical_hourly_share and sure else "warning",
        confidence="medium" if sure else "low",
        summary=f"the memory of {count(memory.workers, 'worker')} grew by {size(grown)}, {size(rate * 60)} per minute",
        evidence=(
            Evidence("growth", memory.growth_bytes, "bytes", t.min_bytes),
            Evidence("of it pages copied from the trainer", round(copied, 3), "share", t.copied_share),
            Evidence("growth in an hour", round(hourly, 4), "share of memory", t.hourly_share),
            Evidence("workers' memory", memory.rss_bytes, "bytes"),
        ),
        advice=_ADVICE[copied >= t.copied_share],
        where=profile.primary.dataset_where if profile.primary else None,
    )


def _memory(profile: Profile) -> WorkerMemory | Missing | NotSo:
    memory = profile.machine.worker_memory
    if profile.primary is not None and profile.primary.workers == 0:
        return NOT_SO
    if memory is None or memory.growth_bytes is None or memory.growth_bytes_per_s is None:
        return Missing("memory samples of the workers")
    return memory


def _total(profile: Profile) -> int | Missing:
    return profile.machine.memory_total_bytes or Missing("the machine's memory")


RULE = Rule(
    id="worker-memory-growth",
    page=__doc__,
    check=check,
    needs=(
        Need("memory samples of the workers", _memory),
        Need("the machine's memory", _total),
    ),
    thresholds=Thresholds(),
    by_events=True,
    traits=Traits(lanes=("gpu_memory", "memory_used", "shared_memory")),
)
