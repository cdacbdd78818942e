"""The training process loads its own data, one batch at a time, without overlap with compute.

What it means
    With num_workers=0 the device idles while a batch is made, and the loader idles while the device computes. The two
    could overlap.

How it is measured
    The loader has no worker processes, and the loop waits a good share of each step inside the loader's next. The
    gain comes from the throughput model: step = max(G, P / n) instead of G + P, with the measured work per batch,
    the cores that are free, and the start-up of the workers for each epoch. A training that computes on the CPU shares
    the cores with its workers: its CPU time in a step counts, and where it computes with several threads the interval
    reaches from cores shared without loss to threads and workers that hold each other up. Where a batch is made with
    several library threads, a worker, which has one, takes longer for it: the CPU time stays, not the duration.

When it is wrong
    Where threads of the training process make the batches, the loader only waits for them: then the rule is clear. So it
    is where a loop on the threshold waits in its beginning only: a cache was filled, and each worker would fill its own.
    For data that is already in memory, fetching item by item in workers costs more than it saves (see
    per-item-access). Of an iterable dataset that does not ask which worker it is in, one worker is advised: each of
    several would deliver all of it. For very short epochs the start-up of workers outweighs the gain; the prediction includes it.

What to do
    Pass num_workers=N (the finding names N) and persistent_workers=True to the DataLoader.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.waiting import waits_for_threads
from gpuwatch.diagnosis.evidence import (
    blocked_share,
    certainty,
    hot_line,
    is_on_the_cpu,
    splits_its_data,
    wait_evidence,
)
from gpuwatch.diagnosis.frameworks import keeps_workers, loader_edit, refuses_workers, who_set
from gpuwatch.diagnosis.gpu_trace import by_trace, share_evidence, speedup
from gpuwatch.diagnosis.needs import BLOCKED_SHARE, COSTS, STARVED_LOADER, StarvedLoader
from gpuwatch.diagnosis.rule import NOT_SO, Found, Group, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Confidence, Evidence, Severity, Speedup, Traits
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, milliseconds

# Libraries whose threads torch keeps to one in a worker: they share its OpenMP.
_WITH_THREADS = frozenset(("numpy", "scipy", "sklearn", "skimage"))
# Share of making batches in which they are called, for their threads to be at work.
THREADED = 0.3
# Of the time on a core that a batch takes: a thread that runs for less of it waits for others.
WAITS_FOR_THREADS = 0.5


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    min_gain: Threshold = Threshold(1.05, "times", "A smaller gain is within what two runs differ by.")
    critical_gain: Threshold = Threshold(1.15, "times", "More than what runs differ by, with certainty.")
    idle: Threshold = Threshold(
        0.1, "share of the GPU's time", "Where a trace shows each gap: a shorter wait is hardly worth workers."
    )
    no_loss: Threshold = Threshold(1.0, "times", "Workers that may make the training slower are no advice.")


def check(profile: Profile, t: Thresholds, seen: StarvedLoader, costs: Costs) -> Found | None:
    """Report a starved loop whose loader has no workers and would gain from some."""
    if waits_for_threads(hot_line(profile, "trainer", "fetch")):
        return None
    library = refuses_workers(seen.loader) if is_on_the_cpu(profile) else None
    if library:
        return _refused(profile, seen.loader, costs, library)
    crowded, costs = False, _of_threads_at_work(profile, costs)
    workers, speedup = _plan(seen.loader, costs)
    if costs.trainer_threads > 1 and speedup.low < t.no_loss:
        return _sharing(profile, seen.loader, costs, speedup)
    if speedup.predicted < t.min_gain:
        costs, crowded = throughput.on_cores(costs, _own_cores(profile)), True
        workers, speedup = _plan(seen.loader, costs)
    if speedup.predicted < t.min_gain:
        return None
    severity: Severity = "critical" if speedup.predicted >= t.critical_gain and not crowded else "warning"
    confidence = "low" if crowded else certainty(seen.state)
    return _finding(profile, seen.loader, costs, workers, speedup, severity, confidence)


# What a batch may take longer in a worker than in the trainer's own process, where it had the machine's caches to itself.
_SLOWER_IN_WORKERS = 1.5


def _in_trace(profile: Profile, t: Thresholds, time: GpuTime) -> Found | None:
    """Report a traced device that waits while its batches are made in the training process."""
    loader, gain, share = time.loader, speedup(time, "input"), time.share("input")
    if loader is None or loader.kind != "in process" or share < t.idle:
        return None
    if gain is not None and gain.predicted < t.min_gain:
        return None
    apart = time.step_ms.median * time.steps / loader.requests if time.step_ms else loader.mean_ms
    workers = _enough(loader.mean_ms, apart / (gain.predicted if gain else 1.0))
    place = time.place("input")
    return Found(
        severity="critical" if gain is not None and gain.predicted >= t.critical_gain else "warning",
        confidence="high" if loader.requests >= 5 else "medium",
        summary=f"batches are made in the training process ({milliseconds(loader.mean_ms)} each): the GPU idles {share:.0%} of its time meanwhile",
        evidence=(
            share_evidence(time, "input", "idle while the host was inside its loader", t.idle),
            Evidence("worker processes", 0, "processes"),
            Evidence("time in the loader, per batch", round(loader.mean_ms, 3), "ms", n=loader.requests),
        ),
        advice=f"Load in {count(workers, 'worker process', 'worker processes')}: num_workers={workers}, persistent_workers=True."
        " Whether the cores suffice is not in a trace.",
        where=place.place if place else None,
        speedup=gain,
        verify="try --loader",
        edit=f"DataLoader(..., num_workers={workers}, persistent_workers=True)",
    )


def _enough(batch_ms: float, step_ms: float) -> int:
    """Return how many workers make a batch in each step."""
    return max(math.ceil(_SLOWER_IN_WORKERS * batch_ms / max(step_ms, 1e-6)), 2)


def _alone(profile: Profile) -> StarvedLoader | Missing | NotSo:
    seen: StarvedLoader | Missing | NotSo = STARVED_LOADER.read(profile)
    return NOT_SO if isinstance(seen, StarvedLoader) and seen.loader.workers > 0 else seen


def _own_cores(profile: Profile) -> float:
    """Return the cores that workers would have if no other program used any."""
    return max((profile.machine.usable_cores or 1.0) / max(profile.machine.local_ranks, 1), 1.0)


def _finding(
    profile: Profile,
    loader: LoaderProfile,
    costs: Costs,
    workers: int,
    speedup: Speedup,
    severity: Severity,
    confidence: Confidence,
) -> Found:
    crowd = "; other programs use the cores now" if confidence == "low" else ""
    return Found(
        severity=severity,
        confidence=confidence,
        summary=f"batches are made in the training process{_each(costs)} while the device waits{crowd}",
        evidence=_evidence(profile, loader, costs),
        advice=f"Load in {workers} worker process{'es' if workers > 1 else ''}: {_edit(loader, workers)}."
        f"{_beyond(profile, loader, workers)}{_slower(costs)}"
        f"{_no_more(loader)}{who_set(loader)}",
        where=loader.created_where,
        speedup=speedup,
        verify="try --loader",
        edit=_edit(loader, workers),
        hides=("cpu-saturated", *((Group.BATCH_COST,) if throughput.hides_input(costs, workers) else ())),
    )


def _each(costs: Costs) -> str:
    """Return what a batch takes, where that is known."""
    return "" if costs.relative else f" ({milliseconds(costs.work_ms)} each)"


def _beyond(profile: Profile, loader: LoaderProfile, workers: int) -> str:
    """Say why workers may be more than the cores."""
    blocked = blocked_share(loader) or 0.0
    if blocked < BLOCKED_SHARE or workers <= (profile.machine.usable_cores or workers):
        return ""
    return f" They may be more than the cores: making a batch is waiting for {blocked:.0%} of its time, which needs no core."


def _slower(costs: Costs) -> str:
    """Say what a worker needs for a batch that the trainer makes with several threads."""
    if costs.threads_ms <= 0:
        return ""
    alone = milliseconds(costs.work_ms + costs.threads_ms)
    return f" torch gives a worker one library thread, with which it needs {alone} for a batch."


def _of_threads_at_work(profile: Profile, costs: Costs) -> Costs:
    """Return the costs without the CPU time of threads that only spin: those of OpenMP do, for up to 200 ms after a step.

    Threads that work on a batch are at work where the training thread waits for them (a tokenizer's), or where the batch's
    lines call a library that computes with several."""
    if _waits_for_its_threads(profile):
        return costs
    lines = [h for h in profile.hot_lines if h.process_role == "trainer" and h.activity in ("fetch", "collate")]
    threaded = sum(h.share for h in lines if _computes_with_threads(h))
    return costs if threaded >= THREADED else replace(costs, threads_ms=0.0)


def _waits_for_its_threads(profile: Profile) -> bool:
    fetch = profile.primary.fetch if profile.primary else None
    if fetch is None or fetch.cpu_ms is None:
        return False
    return fetch.cpu_ms < WAITS_FOR_THREADS * (fetch.mean_wall_ms - (fetch.delay_ms or 0.0))


def _computes_with_threads(line: HotLine) -> bool:
    libraries = {called.library.partition(".")[0] for called in (line.callee, line.below_callee) if called}
    return any(library.startswith("torch") or library in _WITH_THREADS for library in libraries)


def _no_more(loader: LoaderProfile) -> str:
    """Say what more than one worker of an iterable dataset would do."""
    if splits_its_data(loader):
        return ""
    return (
        " No more than one while the dataset does not split its data (torch.utils.data.get_worker_info): each worker"
        " hands over all of it."
    )


def _sharing(profile: Profile, loader: LoaderProfile, costs: Costs, speedup: Speedup) -> Found:
    """Say that workers would take their cores from the threads that the training computes with."""
    cores = f"{count(round(costs.shared_cores), 'core')}"
    return Found(
        severity="info",
        confidence="low",
        summary=f"batches are made in the training process{_each(costs)}, which computes with"
        f" {count(costs.trainer_threads, 'thread')} on the same {cores}: workers may win nothing",
        evidence=_evidence(profile, loader, costs),
        advice="Make a sample cost less CPU. Worker processes take their cores from the training's threads: measure them,"
        " also with fewer threads for the training (torch.set_num_threads).",
        where=loader.created_where,
        speedup=speedup,
        verify="try --loader",
        hides=(),
        decides=False,
    )


def _refused(profile: Profile, loader: LoaderProfile, costs: Costs, library: str) -> Found:
    """Say that the library which makes the loader takes no workers on the CPU: more of them is no advice."""
    return Found(
        severity="info",
        confidence="high",
        summary=f"batches are made in the training process{_each(costs)}: {library} uses no workers on the CPU",
        evidence=_evidence(profile, loader, costs),
        advice=f"Make a sample cost less. On a GPU {library} uses the workers that you pass.{who_set(loader)}",
        where=loader.created_where,
        hides=(),
        decides=False,
    )


def _evidence(profile: Profile, loader: LoaderProfile, costs: Costs) -> tuple[Evidence, ...]:
    return (
        wait_evidence(loader),
        Evidence("worker processes", 0, "processes"),
        Evidence("work per batch", round(costs.work_ms, 3), "ms", n=loader.steps),
        Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
        Evidence("cores for workers", round(costs.cores, 2), "cores"),
        Evidence("used by other programs", profile.machine.other_cores, "cores"),
        *((Evidence("library threads beside it", round(costs.threads_ms, 3), "ms"),) if costs.threads_ms else ()),
        Evidence("the training's own use of cores", round(costs.trainer_cores, 2), "cores"),
    )


def _plan(loader: LoaderProfile, costs: Costs) -> tuple[int, Speedup]:
    """Return the number of workers to advise, and what they would win with start-up paid once (persistent).

    One worker hands over the same samples as none, also of a dataset that does not split its data."""
    workers = throughput.best_workers(costs) if splits_its_data(loader) else 1
    after = throughput.with_workers(costs, workers)
    if _persist(loader):
        after = replace(after, startup_s=costs.startup_s + (after.startup_s - costs.startup_s) / costs.iterators)
    return workers, throughput.predict(
        costs, after, "throughput model: G + P becomes max(G, P / n) plus worker start-up"
    )


def _persist(loader: LoaderProfile) -> bool:
    """Say whether the workers that are advised live on from pass to pass: the start-up is paid once then."""
    return loader.iterators > 1 and keeps_workers(loader)


def _edit(loader: LoaderProfile, workers: int) -> str:
    return loader_edit(loader, {"num_workers": workers} | ({"persistent_workers": True} if _persist(loader) else {}))


RULE = Rule(
    id="no-worker-processes",
    page=__doc__,
    check=check,
    needs=(
        Need("a loop that waits for data, made in its own process", _alone),
        COSTS,
    ),
    thresholds=Thresholds(),
    hides=("cpu-saturated", Group.BATCH_COST),
    traits=Traits(about_input=True, workers="more", windows="waiting", remedies=("workers",)),
    by_trace=by_trace(_in_trace, in_runs=False),
)
