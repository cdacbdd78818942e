"""Workers, or the whole training, may use fewer cores than there are.

What it means
    Each thread has a mask of the cores that it may run on, and its children inherit it. A library that binds its
    threads, a line in worker_init_fn, taskset, a launcher's binding or a container's cpuset can leave all workers on one
    core while others idle. The workers then wait for a core, and no code of theirs is slow.

How it is measured
    The masks (sched_getaffinity) of the trainer as it starts and at its loop, of each worker as it starts, after its first
    batches and at its end, of gpuwatch itself, and the widest that the cgroup lets a process have. Cores in use come from
    the machine's per-core counters. Who took cores away is the step at which they go: inside the worker, in the trainer's
    own process, in the command (taskset, numactl), in the launcher around gpuwatch, or in the cpuset of the container or job.

When it is wrong
    A mask that is narrow and not full costs nothing, and neither do workers with a core of their own each: then the rule
    is clear. Cores outside that other programs use count half, and only for workers that crowd fewer cores than they are:
    the finding is then less certain. On a shared machine the idle cores may be meant for others.

What to do
    Widen the mask where it is narrowed. In a worker: os.sched_setaffinity(0, range(os.cpu_count())) at the end of
    worker_init_fn, or unset OMP_PROC_BIND, GOMP_CPU_AFFINITY and KMP_AFFINITY. For the command: taskset or the launcher's
    binding. For a container or job: ask for more cores.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import has_steps
from gpuwatch.diagnosis.rule import NOT_SO, Found, Group, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Confidence, Evidence, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.model.worker_profile import CpuMasks
from gpuwatch.records import dataclass
from gpuwatch.words.units import count

# Of a core that another program uses as well.
FAIR = 0.5


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    used_inside: Threshold = Threshold(
        0.7, "share of the cores left", "Cores that are not full keep no worker waiting."
    )
    idle_outside: Threshold = Threshold(0.4, "cores", "Less than this is what a few daemons leave.")
    min_gain: Threshold = Threshold(1.05, "times", "A smaller gain is within what two runs differ by.")
    critical_gain: Threshold = Threshold(1.15, "times", "More than what runs differ by, with certainty.")


def check(profile: Profile, t: Thresholds, loader: LoaderProfile, costs: Costs, masks: CpuMasks) -> Found | None:
    """Report cores that are taken away, full while those that are left out idle."""
    left = cores_left(masks)
    if left is None or masks.used_inside is None or masks.idle_outside is None:
        return None
    free = _obtainable(masks, left, costs.workers)
    if masks.used_inside / left < t.used_inside or free < t.idle_outside:
        return None
    after = throughput.with_cores(costs, costs.cores + free)
    speedup = throughput.predict(costs, after, "throughput model: the idle cores usable as well")
    if speedup.predicted < t.min_gain:
        return None
    return Found(
        severity="critical" if speedup.predicted >= t.critical_gain else "warning",
        confidence=_sureness(masks, masks.idle_outside >= t.idle_outside),
        summary=_summary(masks, left),
        evidence=(
            Evidence("cores left", left, "cores"),
            Evidence(
                "share of them in use", round(masks.used_inside / left, 3), "share of the cores left", t.used_inside
            ),
            Evidence("idle cores outside", round(masks.idle_outside, 2), "cores", t.idle_outside),
            Evidence("cores of the machine", masks.online, "cores"),
            Evidence("allowed by the cpuset", masks.allowed, "cores"),
            Evidence("of the trainer", masks.trainer, "cores"),
            Evidence("of its workers", masks.workers, "cores"),
            Evidence("workers runnable without a core", profile.machine.worker_delay_share, "share"),
        ),
        advice=_ADVICE[masks.narrowed_by or "command"] + _line_of(masks),
        where=masks.set_where or (loader.created_where if masks.narrowed_by in _IN_WORKERS else None),
        speedup=speedup,
        edit=_EDIT.get(masks.narrowed_by or ""),
        hides=("cpu-saturated", "too-few-workers", "too-many-workers", Group.BATCH_COST)
        if throughput.hides_input(after, costs.workers) or masks.narrowed_by in _IN_WORKERS
        else ("cpu-saturated", "too-few-workers"),
    )


_IN_WORKERS = ("worker", "inherited")
_WHO = {
    "worker": "inside the workers",
    "inherited": "before the workers began",
    "trainer": "in the training's own process",
    "command": "by the command (taskset, numactl or a launcher in it)",
    "launcher": "by what started gpuwatch (a shell's taskset, a job's binding)",
    "cpuset": "by the container or job (cpuset)",
}
_WIDEN = "os.sched_setaffinity(0, range(os.cpu_count()))"
_ADVICE = {
    "worker": "Take away what narrows the mask in the workers, or widen it again at the end of worker_init_fn.",
    "inherited": "Take away what narrows the mask in the thread that starts the workers, or widen it in worker_init_fn.",
    "trainer": "Take away what narrows the mask in the training's process, before its workers start.",
    "command": "Give the command all cores: drop taskset or numactl, or name more cores.",
    "launcher": "Start gpuwatch and the command without the binding of the shell or launcher around them.",
    "cpuset": "Ask the scheduler for more cores for this job, or give the container a wider cpuset.",
}
_EDIT = dict.fromkeys(("worker", "inherited"), f"{_WIDEN}  # at the end of worker_init_fn") | {"trainer": _WIDEN}


def cores_left(masks: CpuMasks) -> int | None:
    """Return the cores that were left by who took the others away last."""
    by = masks.narrowed_by
    if by in _IN_WORKERS:
        return masks.workers
    return {"trainer": masks.trainer, "command": masks.started, "launcher": masks.given, "cpuset": masks.allowed}.get(
        by or ""
    )


def _obtainable(masks: CpuMasks, left: int, workers: int) -> float:
    """Return the cores that a wider mask would win: the idle ones, or half of those outside that other programs use, which
    the kernel shares out, where several workers were put on fewer cores than there are workers."""
    idle = masks.idle_outside or 0.0
    crowded = masks.narrowed_by in _IN_WORKERS and workers > left
    return max(idle, FAIR * ((masks.trainer or left) - left)) if crowded else idle


def _summary(masks: CpuMasks, left: int) -> str:
    by = masks.narrowed_by or ""
    if by in _IN_WORKERS:
        return f"all workers share {count(left, 'core')} of the training's {masks.trainer}: the mask was narrowed {_WHO[by]}"
    most = masks.online if by == "cpuset" else masks.allowed or masks.online
    return f"the training may use {count(left, 'core')} of {most}: the mask was narrowed {_WHO.get(by, '')}"


def _line_of(masks: CpuMasks) -> str:
    if masks.set_where is not None or masks.narrowed_by not in (*_IN_WORKERS, "trainer"):
        return ""
    return (
        " No call of os.sched_setaffinity was observed: look for one before torch is imported, or for a library that binds"
        " threads (OMP_PROC_BIND, GOMP_CPU_AFFINITY, KMP_AFFINITY)."
    )


def _sureness(masks: CpuMasks, idle: bool) -> Confidence:
    # A machine's idle cores may be meant for others' jobs.
    return "medium" if masks.narrowed_by in ("launcher", "cpuset") or not idle else "high"


def _measured(profile: Profile) -> LoaderProfile | Missing | NotSo:
    loader = profile.primary
    if loader is None or not has_steps(loader) or loader.own_loop:
        return Missing("a measured loop over a DataLoader")
    return loader


def _narrow(profile: Profile) -> CpuMasks | Missing | NotSo:
    masks = profile.machine.masks
    if masks is None:
        return Missing("the masks of the trainer and its workers")
    return masks if masks.narrowed_by else NOT_SO


def _costs(profile: Profile) -> Costs | Missing:
    return profile.costs or Missing("the cost of making a batch")


RULE = Rule(
    id="narrow-affinity",
    page=__doc__,
    check=check,
    needs=(
        Need("a measured loop over a DataLoader", _measured),
        Need("the cost of making a batch", _costs),
        Need("a mask that leaves cores out", _narrow),
    ),
    thresholds=Thresholds(),
    hides=("cpu-saturated", "too-few-workers", "too-many-workers", "preempted-launcher", Group.BATCH_COST),
    traits=Traits(
        about_input=True, lanes=("cpu_busy", "worker", "input_wait"), windows="waiting", remedies=("worker-affinity",)
    ),
)
