"""Library threads times workers exceed the cores: they compete for the cores.

What it means
    OpenCV, OpenMP and BLAS open a thread pool in every worker, sized for the whole machine. With several workers
    there are many times more runnable threads than cores; they spin, switch and evict each other's cache lines.

How it is measured
    Threads per worker and the size of the libraries' pools, times the workers, against the usable cores; and proof
    that they really run: CPU time of the worker's other threads beside its own, or its time runnable without a core.
    The queue's feeder thread, which sends the batch before while the next is made, is no library's: its time is left out.

When it is wrong
    Pools that exist but sleep do no harm; then the CPU time of the other threads is near zero and the rule is clear.
    A loop that is not waiting for data gains nothing, however many threads there are.

What to do
    As many library threads per worker as there are cores for each: one where the workers fill the cores
    (cv2.setNumThreads(0) and torch.set_num_threads(1) in worker_init_fn, or OMP_NUM_THREADS=1 for the whole command), more
    where a few workers have many cores: one thread would leave the others idle.
"""

from __future__ import annotations

import math

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, wait_evidence
from gpuwatch.diagnosis.needs import STARVED_LOOP, WORKERS, Starved
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import FetchProfile
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    extra_cpu: Threshold = Threshold(
        0.3, "times the worker's own CPU time", "Library threads that use less hardly work."
    )
    used_cpu: Threshold = Threshold(
        0.25, "share of a batch's time", "... and so do those that use less of the time with a core."
    )
    crowding: Threshold = Threshold(
        1.3, "threads per core", "A few threads more than cores cost nothing that can be seen."
    )
    min_pool: Threshold = Threshold(1.5, "threads per worker", "A pool of one is no pool.")
    critical_crowding: Threshold = Threshold(2, "threads per core", "Two threads for each core.")


def check(profile: Profile, t: Thresholds, seen: Starved, cores: float, workers: int) -> Found | None:
    """Report library threads of the workers that crowd the cores of a starved loop."""
    machine, fetch = profile.machine, seen.fetch
    threads_ms, own_ms = (fetch.process_cpu_ms or 0.0) - _sending_ms(fetch), fetch.cpu_ms or 0.0
    extra = (threads_ms - own_ms) / max(own_ms, 1e-6)
    # Of the time with a core: on crowded cores most of a batch's time is waiting for one.
    used = (threads_ms - own_ms) / max(fetch.mean_wall_ms - (fetch.delay_ms or 0.0), 1e-6)
    pool = pool_size(machine, extra)
    crowding = workers * pool / cores
    if extra < t.extra_cpu or used < t.used_cpu:
        return None
    if pool < t.min_pool or crowding < t.crowding:
        return None
    fitting = max(math.floor(cores / workers), 1)
    return Found(
        severity="critical" if crowding >= t.critical_crowding else "warning",
        confidence=certainty(seen.state, default="medium"),
        summary=f"{count(workers, 'worker')} with about {pool:.0f} library threads each, on {count(cores, 'core', digits=2)}",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("library threads per worker", pool, "threads"),
            Evidence("threads per core", round(crowding, 2), "ratio", t.crowding),
            Evidence("CPU of library threads beside the worker's own", round(extra, 3), "ratio", t.extra_cpu, fetch.n),
            Evidence("CPU per batch, all threads", fetch.process_cpu_ms, "ms", n=fetch.n),
            Evidence("workers runnable without a core", machine.worker_delay_share, "share"),
        ),
        advice=_advice(fitting, workers, cores),
        speedup=_speedup(seen, extra),
        verify="try --remedies single-threaded-workers" if fitting == 1 else None,
        edit=" ".join(f"{name}={fitting}" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")),
    )


def _sending_ms(fetch: FetchProfile) -> float:
    """Return how long the queue's feeder thread may have been at work while a batch was made."""
    return min(fetch.serialise_ms or 0.0, fetch.mean_wall_ms)


def _advice(fitting: int, workers: int, cores: float) -> str:
    """Return how many threads the cores have room for: one for each worker, more where there are fewer workers than cores."""
    many = f"{fitting} library threads" if fitting > 1 else "one library thread"
    opencv = fitting if fitting > 1 else 0
    return (
        f"Give each worker {many}: cv2.setNumThreads({opencv}) and torch.set_num_threads({fitting}) in worker_init_fn, or set"
        f" OMP_NUM_THREADS={fitting}. {count(workers, 'worker')} then {'keep' if workers > 1 else 'keeps'}"
        f" {count(min(workers * fitting, cores), 'core', digits=2)} busy; fewer threads would leave some idle."
    )


def _cores(profile: Profile) -> float | Missing:
    """Return the usable cores, where the CPU time of the workers' threads is known too."""
    fetch, cores = profile.primary.fetch if profile.primary else None, profile.machine.usable_cores
    if fetch is None or fetch.process_cpu_ms is None or fetch.cpu_ms is None or cores is None:
        return Missing("CPU time of the workers' threads")
    return cores


def pool_size(machine: MachineProfile, extra: float) -> float:
    """Return the threads per worker that work: the libraries' pool, else the process's threads, at least as CPU shows."""
    sizes = [float(machine.library_threads or 0), machine.threads_per_worker or 0.0, 1.0 + extra]
    return max(sizes)


def _speedup(seen: Starved, extra: float) -> Speedup:
    """Predict that the extra CPU was spent fighting; how much of it was work is unknown, hence the wide interval."""
    after = throughput.with_work(seen.costs, 1.0 / (1.0 + extra))
    best = throughput.predict(seen.costs, after, "")
    low = 1.0 + (best.predicted - 1.0) * 0.2
    middle = (best.predicted * low) ** 0.5
    basis = "between the CPU time of the library threads being all work and all contention"
    return Speedup(round(middle, 3), round(low, 3), round(best.high * 1.5, 3), basis)


RULE = Rule(
    id="thread-oversubscription",
    page=__doc__,
    check=check,
    needs=(
        STARVED_LOOP,
        Need("CPU time of the workers' threads", _cores),
        WORKERS,
    ),
    thresholds=Thresholds(),
    hides=("cpu-saturated", "too-few-workers", "slow-dataset-code", "slow-sample"),
    traits=Traits(
        about_input=True,
        lanes=("cpu_busy", "cpu_pressure", "io_pressure", "worker", "input_wait"),
        windows="waiting",
        remedies=("single-threaded-workers", "trainer-threads"),
    ),
)
