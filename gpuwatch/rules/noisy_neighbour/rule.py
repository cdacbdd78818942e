"""Other programs hold cores that this run waits for.

What it means
    Somebody else's processes, or other virtual machines of the same host, compute on the cores that this run may use,
    and its training thread or its workers stand in the run queue meanwhile. Nothing in the training explains the time
    that goes by, and no change to it wins that time back.

How it is measured
    Busy cores less those that the run's own processes use, idle cores, and the time in which the training thread and
    the workers could run but had no core (the kernel's run-queue delay). All four have to agree: others that leave
    cores idle take nothing from this run. The gain is that of the throughput model with the others' cores added.

When it is wrong
    Busy time of others counts time that the host of a virtual machine took away (steal), which no program here can be
    stopped for. Processes that left the run's process tree before they were seen count as others.

What to do
    Find out who it is (`top`, or `ps -eo pid,user,pcpu,comm --sort=-pcpu`), then end it, move it, or have it give way
    (`renice 19 PID`). On a cluster, ask for cores of your own: `--exclusive` or `--cpus-per-task` with cgroups under
    Slurm, guaranteed QoS with the static CPU policy under Kubernetes.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import core_delay, starved
from gpuwatch.diagnosis.needs import COSTS, CPU_SAMPLES, MEASURED_LOOP, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, figures, percent


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    others_share: Threshold = Threshold(
        0.25, "share of the cores", "Daemons, monitoring and another user's shell stay below this."
    )
    busy_share: Threshold = Threshold(
        0.85, "share of the cores", "Where cores are idle, others take none from this run."
    )
    delay_share: Threshold = Threshold(
        0.1, "share of the time", "The scheduler's own time slices delay a thread on a busy machine by some percent."
    )
    device_busy: Threshold = Threshold(
        0.85, "share of the time", "A GPU with work nearly all the time hides what the host waits for."
    )
    min_gain: Threshold = Threshold(1.05, "times as fast", "Less is within what one run differs from the next.")


def check(
    profile: Profile, t: Thresholds, seen: MeasuredLoop, usable: float, costs: Costs, others: float
) -> Found | None:
    """Report cores that others hold while the training thread or the workers stand in the run queue."""
    machine, trainer = profile.machine, core_delay(profile, seen.loader)
    if others / usable < t.others_share or 1.0 - (machine.spare_cores or 0.0) / usable < t.busy_share:
        return None
    waits = starved(profile) != "no"
    delays = [trainer, (machine.worker_delay_share or 0.0) if waits else 0.0]
    if max(delays) < t.delay_share or (not waits and _device_busy(profile) >= t.device_busy):
        return None
    gain = throughput.predict(costs, _alone(costs, machine, others, trainer), "the cores of other programs added", 0.4)
    if gain.predicted < t.min_gain:
        return None
    who = "the training thread" if delays[0] >= delays[1] else "workers"
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"other programs use {figures(others, 2)} of {count(usable, 'core', digits=2)}, while {who} of this run"
        f" {'waits' if delays[0] >= delays[1] else 'wait'} for a core {percent(max(delays))} of the time",
        evidence=(
            Evidence("used by other programs", round(others, 3), "cores", round(t.others_share * usable, 2)),
            Evidence("usable cores", usable, "cores"),
            Evidence("idle cores", machine.spare_cores, "cores", round((1 - t.busy_share) * usable, 2)),
            Evidence("training thread runnable without a core", round(trainer, 4), "share", t.delay_share),
            Evidence("workers runnable without a core", machine.worker_delay_share, "share", t.delay_share),
        ),
        advice="`ps -eo pid,user,pcpu,comm --sort=-pcpu` names them: end or move them, have them give way"
        " (`renice 19 PID`), or ask the scheduler for cores of your own. Measure again before you change the training.",
        speedup=gain,
        hides=("cpu-saturated",) if throughput.cores_needed(costs) <= costs.cores + others else (),
    )


def _alone(costs: Costs, machine: MachineProfile, others: float, delay: float) -> Costs:
    """Return the costs with the others' cores for this run, and without their part of the wait for a core."""
    mine = others / max(machine.local_ranks, 1)
    theirs = mine / max(costs.load + mine, 1e-9)
    device_ms = costs.device_ms * (1.0 - min(delay, throughput.MOST_QUEUED) * theirs)
    with_theirs = throughput.on_cores(costs, costs.shared_cores + mine)
    return replace(with_theirs, device_ms=device_ms, queued_ms=min(costs.queued_ms, throughput.MOST_QUEUED * device_ms))


def _device_busy(profile: Profile) -> float:
    return max((device.busy or 0.0 for device in profile.devices if device.ranks), default=0.0)


def _others(profile: Profile) -> float | Missing:
    others = profile.machine.other_cores
    return Missing("the cores that other programs use") if others is None else others


RULE = Rule(
    id="noisy-neighbour",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, CPU_SAMPLES, COSTS, Need("the cores that other programs use", _others)),
    thresholds=Thresholds(),
    hides=("cpu-saturated",),
    # What the training's own code costs comes first: it can be changed here, and stays when the others have gone.
    traits=Traits(order="last", lanes=("cpu_busy", "cpu_pressure", "worker", "input_wait")),
)
