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

from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.profile import Profile

ID = "worker-memory-growth"
GROWTH_SHARE = 0.05
HOURLY_SHARE = 0.25
MIN_BYTES = 64e6
# Growth seen for less than this may be warm-up: the interpreter's and torch's own pages, some 60 MB of a worker.
SURE_SECONDS = 30.0
WARM_UP_BYTES = 90e6
# Memory that goes on growing gains half in the second half of the time; less than this is a cache filled, or warm-up.
LATE_SHARE = 0.35
COPIED_SHARE = 0.5
_ADVICE = {
    True: "Keep the sample list in a numpy array or tensor instead of Python objects, so that workers share its pages.",
    False: "Look for what the dataset keeps from item to item: a cache without a limit, a list that is appended to, open"
    " files.",
}


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report workers whose memory grows by a noticeable part of the machine's."""
    memory, total = profile.machine.worker_memory, profile.machine.memory_total_bytes
    if profile.primary is not None and profile.primary.workers == 0:
        return Clear(ID)
    if memory is None or memory.growth_bytes is None or memory.growth_bytes_per_s is None or not total:
        return NotEvaluated(ID, "memory samples of the workers")
    if (memory.late_growth_bytes or memory.growth_bytes) < LATE_SHARE * memory.growth_bytes:
        return Clear(ID)
    hourly = memory.growth_bytes_per_s * 3600 / total
    grown = memory.growth_bytes / total
    if memory.growth_bytes < MIN_BYTES or (grown < GROWTH_SHARE and hourly < HOURLY_SHARE):
        return Clear(ID)
    seen_s = memory.growth_bytes / memory.growth_bytes_per_s
    copied = 1.0 - min(max(memory.resident_growth_bytes or 0.0, 0.0) / memory.growth_bytes, 1.0)
    if seen_s < SURE_SECONDS and (copied < COPIED_SHARE or memory.growth_bytes < WARM_UP_BYTES * memory.workers):
        return Clear(ID)
    return Finding(
        id=ID,
        severity="critical" if hourly >= 1 and seen_s >= SURE_SECONDS else "warning",
        confidence="medium" if seen_s >= SURE_SECONDS else "low",
        summary=f"{memory.workers} workers grew by {memory.growth_bytes / 1e6:.0f} MB, {memory.growth_bytes_per_s * 60 / 1e6:.0f} MB a minute",
        evidence=(
            Evidence("growth", memory.growth_bytes, "bytes", MIN_BYTES),
            Evidence("of it pages copied from the trainer", round(copied, 3), "share", COPIED_SHARE),
            Evidence("growth in an hour", round(hourly, 4), "share of memory", HOURLY_SHARE),
            Evidence("workers' memory", memory.rss_bytes, "bytes"),
        ),
        advice=_ADVICE[copied >= COPIED_SHARE],
        where=profile.primary.dataset_where if profile.primary else None,
    )
