"""Library threads times workers exceed the cores: they take the cores from each other.

What it means
    OpenCV, OpenMP and BLAS open a thread pool in every worker, sized for the whole machine. With several workers
    there are many times more runnable threads than cores; they spin, switch and throw each other's caches away.

How it is measured
    Threads per worker and the size of the libraries' pools, times the workers, against the usable cores; and proof
    that they really run: CPU time of the worker's other threads beside its own, or its time runnable without a core.

When it is wrong
    Pools that exist but sleep do no harm; then the CPU time of the other threads is near zero and the rule is clear.
    A loop that is not waiting for data gains nothing, however many threads there are.

What to do
    One library thread per worker: cv2.setNumThreads(0) and torch.set_num_threads(1) in worker_init_fn, or
    OMP_NUM_THREADS=1 for the whole command.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import Starved, certainty, starved_loop, try_command, wait_evidence
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.profile import Profile

ID = "thread-oversubscription"
# CPU of a worker's library threads, as a multiple of its own thread's, from which they count as working.
EXTRA_CPU = 0.3
# ... and as a share of the time that a batch takes.
USED_CPU = 0.25
CROWDING = 1.3


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report library threads of the workers that crowd the cores of a starved loop."""
    seen = starved_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    machine, fetch, workers = profile.machine, seen.fetch, max(seen.loader.workers, 1)
    if fetch.process_cpu_ms is None or fetch.cpu_ms is None or machine.usable_cores is None:
        return NotEvaluated(ID, "CPU time of the workers' threads")
    extra = (fetch.process_cpu_ms - fetch.cpu_ms) / max(fetch.cpu_ms, 1e-6)
    # Of the time with a core: on crowded cores most of a batch's time is waiting for one.
    used = (fetch.process_cpu_ms - fetch.cpu_ms) / max(fetch.mean_wall_ms - (fetch.delay_ms or 0.0), 1e-6)
    pool = pool_size(machine, extra)
    crowding = workers * pool / machine.usable_cores
    if seen.loader.workers == 0 or extra < EXTRA_CPU or used < USED_CPU or pool < 1.5 or crowding < CROWDING:
        return Clear(ID)
    return Finding(
        id=ID,
        severity="critical" if crowding >= 2 else "warning",
        confidence=certainty(seen.state, default="medium"),
        summary=f"{workers} workers run about {pool:.0f} library threads each on {machine.usable_cores:.2g} cores",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("library threads per worker", pool, "threads"),
            Evidence("threads per core", round(crowding, 2), "ratio", CROWDING),
            Evidence("CPU of library threads beside the worker's own", round(extra, 3), "ratio", EXTRA_CPU, fetch.n),
            Evidence("CPU per batch, all threads", fetch.process_cpu_ms, "ms", n=fetch.n),
            Evidence("workers runnable without a core", machine.worker_delay_share, "share"),
        ),
        advice="Give each worker one library thread: cv2.setNumThreads(0) and torch.set_num_threads(1) in worker_init_fn,"
        " or set OMP_NUM_THREADS=1.",
        speedup=_speedup(seen, extra),
        verify=try_command(profile, "--remedies single-threaded-workers"),
        edit="OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1",
        explains=("cpu-saturated", "too-few-workers", "slow-dataset-code", "slow-sample"),
    )


def pool_size(machine: MachineProfile, extra: float) -> float:
    """Return the threads per worker that work: the libraries' pool, else the process's threads, at least as CPU shows."""
    sizes = [float(machine.library_threads or 0), machine.threads_per_worker or 0.0, 1.0 + extra]
    return max(sizes)


def _speedup(seen: Starved, extra: float) -> Speedup:
    """Predict that the extra CPU was spent fighting; how much of it was work nobody knows, hence the wide interval."""
    after = throughput.with_work(seen.costs, 1.0 / (1.0 + extra))
    best = throughput.predict(seen.costs, after, "")
    low = 1.0 + (best.predicted - 1.0) * 0.2
    middle = (best.predicted * low) ** 0.5
    basis = "between the CPU time of the library threads being all work and all contention"
    return Speedup(round(middle, 3), round(low, 3), round(best.high * 1.5, 3), basis)
