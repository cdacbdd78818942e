"""/dev/shm is nearly full, or too small for the batches in flight.

What it means
    Workers pass tensors through /dev/shm. Containers give it 64 MB by default; when it is full, the
    worker dies with a bus error.

How it is measured
    Size and peak use of /dev/shm while the loop ran, and the batches that may be in flight: workers × prefetch × bytes
    per batch.

When it is wrong
    Other programs may fill /dev/shm; the peak includes them.

What to do
    docker run --shm-size=8g (or --ipc=host), an emptyDir of medium Memory in Kubernetes, a smaller prefetch_factor, or
    smaller batches.
"""

from __future__ import annotations

from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    peak_share: Threshold = Threshold(0.8, "share of /dev/shm", "One batch more may end the run.")
    need_share: Threshold = Threshold(0.8, "share of /dev/shm", "One batch more may end the run.")


def check(profile: Profile, t: Thresholds, total: int, workers: int) -> Found | None:
    """Report a /dev/shm that the loaders' batches in flight nearly fill."""
    need = sum(in_flight_bytes(loader) for loader in profile.loaders)
    used = (profile.machine.shm_peak_bytes or 0) / total
    if used < t.peak_share and need / total < t.need_share:
        return None
    return Found(
        severity="warning",
        confidence="high" if used >= t.peak_share else "medium",
        summary=f"/dev/shm has {total / 1e6:.0f} MB; batches in flight may need {need / 1e6:.0f} MB",
        evidence=(
            Evidence("/dev/shm", total, "bytes"),
            Evidence("peak use", round(used, 4), "share", t.peak_share),
            Evidence("batches in flight", need, "bytes", t.need_share * total),
        ),
        advice="Enlarge /dev/shm (docker run --shm-size=8g or --ipc=host), or lower prefetch_factor.",
    )


def _size(profile: Profile) -> int | Missing:
    total = profile.machine.shm_total_bytes
    return total if total and total > 0 else Missing("the size of /dev/shm")


def _workers(profile: Profile) -> int | NotSo:
    return sum(loader.workers for loader in profile.loaders) or NOT_SO


def in_flight_bytes(loader: LoaderProfile) -> float:
    """Return the bytes of the batches that may be in flight at once."""
    if loader.fetch is None or not loader.fetch.bytes_per_batch:
        return 0.0
    return loader.workers * (loader.prefetch or 2) * loader.fetch.bytes_per_batch


RULE = Rule(
    id="shared-memory-low",
    page=__doc__,
    check=check,
    needs=(
        Need("the size of /dev/shm", _size),
        Need("worker processes", _workers),
    ),
    thresholds=Thresholds(),
    traits=Traits(lanes=("gpu_memory", "memory_used", "shared_memory")),
)
