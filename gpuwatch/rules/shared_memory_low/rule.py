"""/dev/shm is nearly full, or too small for the batches in flight.

What it means
    Workers hand tensors over through /dev/shm. Containers give it 64 MB unless told otherwise; when it is full, the
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

from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Profile

ID = "shared-memory-low"
PEAK_SHARE = 0.8
NEED_SHARE = 0.8


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a /dev/shm that the loaders' batches in flight nearly fill."""
    total, peak = profile.machine.shm_total_bytes, profile.machine.shm_peak_bytes
    if total is None or total <= 0:
        return NotEvaluated(ID, "the size of /dev/shm")
    need = sum(in_flight_bytes(loader) for loader in profile.loaders)
    used = (peak or 0) / total
    if not any(loader.workers for loader in profile.loaders) or (used < PEAK_SHARE and need / total < NEED_SHARE):
        return Clear(ID)
    return Finding(
        id=ID,
        severity="warning",
        confidence="high" if used >= PEAK_SHARE else "medium",
        summary=f"/dev/shm has {total / 1e6:.0f} MB; batches in flight may need {need / 1e6:.0f} MB",
        evidence=(
            Evidence("/dev/shm", total, "bytes"),
            Evidence("peak use", round(used, 4), "share", PEAK_SHARE),
            Evidence("batches in flight", need, "bytes", NEED_SHARE * total),
        ),
        advice="Enlarge /dev/shm (docker run --shm-size=8g or --ipc=host), or lower prefetch_factor.",
    )


def in_flight_bytes(loader: LoaderProfile) -> float:
    """Return the bytes of the batches that may be in flight at once."""
    if loader.fetch is None or not loader.fetch.bytes_per_batch:
        return 0.0
    return loader.workers * (loader.prefetch or 2) * loader.fetch.bytes_per_batch
