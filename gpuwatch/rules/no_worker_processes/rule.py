"""The training process loads its own data, one batch after the other with compute.

What it means
    With num_workers=0 the device stands still while a batch is made, and the loader stands still while the device
    computes. The two could overlap.

How it is measured
    The loader has no worker processes, and the loop waits a good share of each step inside the loader's next. The
    gain comes from the throughput model: step = max(G, P / n) instead of G + P, with the measured work per batch,
    the cores that are free, and the start-up of the workers for each epoch.

When it is wrong
    Where threads of the training process make the batches, the loader only waits for them: then the rule keeps still.
    For data that is already in memory, fetching item by item in workers costs more than it saves (see
    per-item-access). For very short epochs the start-up of workers eats the gain; the prediction includes it.

What to do
    Pass num_workers=N (the finding names N) and persistent_workers=True to the DataLoader.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.waiting import waits_for_threads
from gpuwatch.diagnosis.evidence import (
    BATCH_COST,
    certainty,
    hot_line,
    missing_starvation,
    starved,
    try_command,
    wait_evidence,
)
from gpuwatch.model.findings import Clear, Confidence, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile

ID = "no-worker-processes"
MIN_GAIN = 1.05


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a starved loop whose loader has no workers and would gain from some."""
    loader = profile.primary
    state = starved(profile)
    if loader is None or state is None:
        return NotEvaluated(ID, *missing_starvation(profile))
    if loader.workers > 0 or state == "no":
        return Clear(ID)
    if profile.costs is None:
        return NotEvaluated(ID, "the cost of making a batch")
    if waits_for_threads(hot_line(profile, "trainer", "fetch")):
        return Clear(ID)
    costs, crowded = profile.costs, False
    workers, speedup = _plan(costs)
    if speedup.predicted < MIN_GAIN:
        costs, crowded = replace(costs, cores=_own_cores(profile)), True
        workers, speedup = _plan(costs)
    if speedup.predicted < MIN_GAIN:
        return Clear(ID)
    return _finding(profile, loader, costs, workers, speedup, "low" if crowded else certainty(state))


def _own_cores(profile: Profile) -> float:
    """Return the cores that workers would have if no other program used any."""
    return max((profile.machine.usable_cores or 1.0) / max(profile.machine.local_ranks, 1), 1.0)


def _finding(
    profile: Profile, loader: LoaderProfile, costs: Costs, workers: int, speedup: Speedup, confidence: Confidence
) -> Finding:
    crowd = "; other programs use the cores now" if confidence == "low" else ""
    return Finding(
        id=ID,
        severity="critical" if speedup.predicted >= 1.15 and not crowd else "warning",
        confidence=confidence,
        summary=f"batches are made in the training process ({costs.work_ms:.3g} ms each) while the device waits{crowd}",
        evidence=(
            wait_evidence(loader),
            Evidence("worker processes", 0, "processes"),
            Evidence("work per batch", round(costs.work_ms, 3), "ms", n=loader.steps),
            Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
            Evidence("cores for workers", round(costs.cores, 2), "cores"),
            Evidence("used by other programs", profile.machine.other_cores, "cores"),
        ),
        advice=f"Load in {workers} worker process{'es' if workers > 1 else ''}: {_edit(loader, workers)}.",
        where=loader.created_where,
        speedup=speedup,
        verify=try_command(profile, "--loader"),
        edit=_edit(loader, workers),
        explains=("cpu-saturated", *(BATCH_COST if throughput.hides_input(costs, workers) else ())),
    )


def _plan(costs: Costs) -> tuple[int, Speedup]:
    """Return the number of workers to advise, and what they would win with start-up paid once (persistent)."""
    workers = throughput.best_workers(costs)
    after = replace(throughput.with_workers(costs, workers), iterators=costs.iterators)
    return workers, throughput.predict(
        costs, after, "throughput model: G + P becomes max(G, P / n) plus worker start-up"
    )


def _edit(loader: LoaderProfile, workers: int) -> str:
    many = ", persistent_workers=True" if loader.iterators > 1 else ""
    return f"DataLoader(..., num_workers={workers}{many})"
