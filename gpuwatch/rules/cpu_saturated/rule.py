"""The cores are used up: more workers cannot make batches faster.

What it means
    The loop waits for data, the workers want to run, and the cores that this run may use are busy. Adding workers
    only makes them wait for each other. Either batches must cost less CPU, or this device needs more cores.

How it is measured
    Idle cores while the loop ran, the workers' time runnable without a core (the kernel's run-queue delay), and CPU
    time per batch against the step without waiting. CPU per batch / step = cores needed to keep this device busy.

When it is wrong
    If other programs use the cores, stopping them helps; the evidence shows their share. If library
    threads of the workers compete with each other, thread-oversubscription is the cause.

What to do
    Make the batch cheaper (the findings on decoding, transforms and dataset code say where), pre-compute what is the
    same every epoch, or use a machine with the number of cores named.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, wait_evidence
from gpuwatch.diagnosis.needs import COSTS, CPU_SAMPLES, STARVED_LOADER, WORKERS, StarvedLoader
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, figures


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    busy_share: Threshold = Threshold(
        0.85, "share of the cores", "The scheduler and the sampler themselves keep a machine below 100 %."
    )
    delay_share: Threshold = Threshold(
        0.10,
        "share of the time",
        "Workers that wait for a core this long have too few of them, whatever the idle share says.",
    )
    cpu_term: Threshold = Threshold(
        0.8, "share of the time per batch", "Below this the number of workers, not the cores, limits the input."
    )
    step_share: Threshold = Threshold(
        0.9, "times the step without waiting", "Cores that make batches faster than this are not what is waited for."
    )
    others_share: Threshold = Threshold(0.2, "share of the cores", "Other programs are worth a word from here on.")


def check(
    profile: Profile, t: Thresholds, seen: StarvedLoader, workers: int, usable: float, costs: Costs
) -> Found | None:
    """Report a starved loop on cores that are used up, with the cores this device would need."""
    loader, machine = seen.loader, profile.machine
    if not _saturated(machine, costs, t):
        return None
    needed = throughput.cores_needed(costs) + (costs.device_ms / costs.step_ms) * (loader.compute_cpu_share or 0.0)
    if needed <= costs.cores:
        return None
    after = throughput.with_cores(costs, needed)
    speedup = throughput.predict(
        costs, throughput.with_workers(after, throughput.best_workers(after)), "throughput model: enough cores"
    )
    return Found(
        severity="warning",
        confidence=certainty(seen.state),
        summary=f"all {count(usable, 'core', digits=2)} are used up: more workers cannot help; this device needs about {figures(needed, 2)}",
        evidence=_evidence(profile, loader, costs, needed, t),
        advice=_advice(
            machine.other_cores or 0.0, (machine.other_cores or 0.0) / usable >= t.others_share, needed, workers
        ),
        speedup=speedup,
        verify="try --ceilings",
    )


def _advice(others: float, noticeable: bool, needed: float, workers: int) -> str:
    stop = f"Other programs use {figures(others, 2)} of the cores: stop them first. " if noticeable else ""
    return (
        f"{stop}Make a batch cost less CPU, or use about {count(needed, 'core', digits=2)} with this device."
        f" Leave num_workers at {workers}."
    )


def _saturated(machine: MachineProfile, costs: Costs, t: Thresholds) -> bool:
    """Say whether the CPU term of the model is the limit and the machine agrees."""
    usable, spare = machine.usable_cores or 1.0, machine.spare_cores or 0.0
    full = 1 - spare / usable >= t.busy_share or (machine.worker_delay_share or 0.0) >= t.delay_share
    on_all_cores_ms = costs.work_cpu_ms / costs.cores
    bound_by_cpu = on_all_cores_ms / max(throughput.input_ms(costs), 1e-9) >= t.cpu_term
    return full and bound_by_cpu and on_all_cores_ms / costs.device_ms > t.step_share


def _evidence(
    profile: Profile, loader: LoaderProfile, costs: Costs, needed: float, t: Thresholds
) -> tuple[Evidence, ...]:
    machine = profile.machine
    return (
        wait_evidence(loader),
        Evidence("usable cores", machine.usable_cores, "cores"),
        Evidence(
            "idle cores", machine.spare_cores, "cores", round((1 - t.busy_share) * (machine.usable_cores or 1.0), 2)
        ),
        Evidence("used by other programs", machine.other_cores, "cores"),
        Evidence("workers runnable without a core", machine.worker_delay_share, "share", t.delay_share),
        Evidence("CPU per batch", round(costs.work_cpu_ms, 3), "ms", n=loader.fetch.n if loader.fetch else None),
        Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
        Evidence("cores needed", round(needed, 1), "cores"),
    )


RULE = Rule(
    id="cpu-saturated",
    page=__doc__,
    check=check,
    needs=(
        STARVED_LOADER,
        WORKERS,
        CPU_SAMPLES,
        COSTS,
    ),
    thresholds=Thresholds(),
    hides=("too-few-workers",),
    traits=Traits(
        about_input=True, lanes=("cpu_busy", "cpu_pressure", "io_pressure", "worker", "input_wait"), windows="waiting"
    ),
)
