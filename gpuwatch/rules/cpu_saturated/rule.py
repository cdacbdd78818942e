"""The cores are used up: more workers cannot make batches faster.

What it means
    The loop waits for data, the workers want to run, and the cores that this run may use are busy. Adding workers
    only makes them wait for each other. Either a batch must cost less CPU, or this device needs more cores.

How it is measured
    Idle cores while the loop ran, the workers' time runnable without a core (the kernel's run-queue delay), and CPU
    time per batch against the step without waiting. CPU per batch / step = cores needed to keep this device busy.

When it is wrong
    If other programs on the machine use the cores, stopping them helps; the evidence shows their share. If library
    threads of the workers fight each other, thread-oversubscription is the cause.

What to do
    Make the batch cheaper (the findings on decoding, transforms and dataset code say where), pre-compute what is the
    same every epoch, or use a machine with the number of cores named.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, missing_starvation, starved, try_command, wait_evidence
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile

ID = "cpu-saturated"
BUSY_SHARE = 0.85
DELAY_SHARE = 0.10
# Other programs are worth a word from this share of the cores.
OTHERS_SHARE = 0.2


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a starved loop on cores that are used up, with the cores this device would need."""
    loader, costs, machine = profile.primary, profile.costs, profile.machine
    state = starved(profile)
    if loader is None or state is None:
        return NotEvaluated(ID, *missing_starvation(profile))
    if state == "no" or loader.workers == 0:
        return Clear(ID)
    if machine.usable_cores is None or machine.spare_cores is None or costs is None:
        return NotEvaluated(ID, "CPU samples of the machine")
    if not _saturated(profile, loader, costs):
        return Clear(ID)
    needed = throughput.cores_needed(costs) + (costs.device_ms / costs.step_ms) * (loader.compute_cpu_share or 0.0)
    if needed <= costs.cores:
        return Clear(ID)
    after = throughput.with_cores(costs, needed)
    speedup = throughput.predict(
        costs, throughput.with_workers(after, throughput.best_workers(after)), "throughput model: enough cores"
    )
    return Finding(
        id=ID,
        severity="warning",
        confidence=certainty(state),
        summary=f"all {machine.usable_cores:.2g} cores are used up: more workers cannot help; this device needs about {needed:.2g}",
        evidence=_evidence(profile, loader, costs, needed),
        advice=_advice(machine.other_cores or 0.0, machine.usable_cores, needed, loader.workers),
        speedup=speedup,
        verify=try_command(profile, "--ceilings"),
        explains=("too-few-workers",),
    )


def _advice(others: float, usable: float, needed: float, workers: int) -> str:
    stop = f"Other programs use {others:.2g} of the cores: stop them first. " if others >= OTHERS_SHARE * usable else ""
    return (
        f"{stop}Make a batch cost less CPU, or use about {needed:.2g} cores with this device."
        f" Leave num_workers at {workers}."
    )


def _saturated(profile: Profile, loader: LoaderProfile, costs: Costs) -> bool:
    """Say whether the CPU term of the model is the limit and the machine agrees."""
    machine = profile.machine
    usable, spare = machine.usable_cores or 1.0, machine.spare_cores or 0.0
    full = spare <= (1 - BUSY_SHARE) * usable or (machine.worker_delay_share or 0.0) >= DELAY_SHARE
    bound_by_cpu = costs.work_cpu_ms / costs.cores >= 0.8 * throughput.input_ms(costs)
    return full and bound_by_cpu and costs.work_cpu_ms / costs.cores > costs.device_ms * 0.9


def _evidence(profile: Profile, loader: LoaderProfile, costs: Costs, needed: float) -> tuple[Evidence, ...]:
    machine = profile.machine
    return (
        wait_evidence(loader),
        Evidence("usable cores", machine.usable_cores, "cores"),
        Evidence(
            "idle cores", machine.spare_cores, "cores", round((1 - BUSY_SHARE) * (machine.usable_cores or 1.0), 2)
        ),
        Evidence("used by other programs", machine.other_cores, "cores"),
        Evidence("workers runnable without a core", machine.worker_delay_share, "share", DELAY_SHARE),
        Evidence("CPU per batch", round(costs.work_cpu_ms, 3), "ms", n=loader.fetch.n if loader.fetch else None),
        Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
        Evidence("cores needed", round(needed, 1), "cores"),
    )
