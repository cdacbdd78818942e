"""What rules need of a profile: each need reads one thing, says that it is missing, or that it is not the case."""

from __future__ import annotations

from typing import NamedTuple

from gpuwatch.diagnosis.evidence import (
    blocked_share,
    cores_evidence,
    has_steps,
    missing_starvation,
    starved,
    wait_evidence,
)
from gpuwatch.diagnosis.rule import NOT_SO, Missing, Need, NotSo
from gpuwatch.diagnosis.shared_cores import find_contention, free_input
from gpuwatch.diagnosis.thresholds import State, Threshold
from gpuwatch.model.findings import Evidence
from gpuwatch.model.hot_lines import StackQuality
from gpuwatch.model.loader_profile import FetchProfile, LoaderProfile, OperationProfile, QueueProfile
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.measures import Interval
from gpuwatch.model.process_state import Compilations, ProcessState
from gpuwatch.model.profile import Costs, Profile, RankProfile
from gpuwatch.model.rank_comparison import RankSteps, RankWork
from gpuwatch.model.reasons import SharedCores
from gpuwatch.model.trend import Trend

WORKING_SHARE = Threshold(
    0.6,
    "share of the time",
    "Workers that rest more while the loop waits are limited by something else.",
    "working_share",
)
BLOCKED_SHARE = Threshold(
    0.5,
    "share of the fetch",
    "Workers that are blocked for half of a fetch find a core when they run.",
    "blocked_share",
)


class StarvedLoader(NamedTuple):
    """The loader of a starved training loop, and how sure that is."""

    loader: LoaderProfile
    state: State


class Starved(NamedTuple):
    """A starved training loop and what its loader's rules need. `cores`: where it is not data that the loop waits for, but
    the cores that making batches takes from a training on the CPU."""

    loader: LoaderProfile
    fetch: FetchProfile
    costs: Costs
    state: State
    cores: SharedCores | None = None

    def loss(self) -> Evidence:
        """Return as evidence what making batches costs the loop: its waits, or the cores that it shares."""
        return wait_evidence(self.loader) if self.cores is None else cores_evidence(self.cores, self.loader.observed)


class MeasuredLoop(NamedTuple):
    """A loop with enough steps, and the parameters of the throughput model."""

    loader: LoaderProfile
    costs: Costs


def _starved_loader(profile: Profile) -> StarvedLoader | Missing | NotSo:
    loader, state = profile.primary, starved(profile)
    if loader is None or state is None or loader.own_loop:
        return Missing(*missing_starvation(profile))
    # What no loader of torch's makes has a rule of its own.
    return NOT_SO if state == "no" or loader.pipeline else StarvedLoader(loader, state)


def _starved_loop(profile: Profile) -> Starved | Missing | NotSo:
    seen = _starved_loader(profile)
    if not isinstance(seen, StarvedLoader):
        return seen
    if seen.loader.fetch is None or profile.costs is None:
        return Missing("events of the fetches (the hook did not reach the loader's workers)")
    return Starved(seen.loader, seen.loader.fetch, profile.costs, seen.state)


def _working_loop(profile: Profile) -> Starved | Missing | NotSo:
    seen = _starved_loop(profile)
    rests = isinstance(seen, Starved) and seen.loader.workers and (seen.fetch.busy_share or 1.0) < WORKING_SHARE
    return _sharing_loop(profile) if seen is NOT_SO or rests else seen


def _sharing_loop(profile: Profile) -> Starved | NotSo:
    loader, costs = profile.primary, profile.costs
    if loader is None or loader.fetch is None or costs is None:
        return NOT_SO
    shared = find_contention(profile, loader, free_input(profile, loader))
    return NOT_SO if shared is None else Starved(loader, loader.fetch, costs, "yes", shared.cores)


def _loader(profile: Profile) -> LoaderProfile | Missing:
    return profile.primary or Missing(*missing_starvation(profile))


def _has_workers(profile: Profile) -> int | NotSo:
    return (profile.primary.workers if profile.primary else 0) or NOT_SO


def _has_several_workers(profile: Profile) -> int | NotSo:
    workers = profile.primary.workers if profile.primary else 0
    return workers if workers > 1 else NOT_SO


def _costs(profile: Profile) -> Costs | Missing:
    return profile.costs or Missing("the cost of making a batch")


def _busy_workers(profile: Profile) -> float | Missing:
    fetch = profile.primary.fetch if profile.primary else None
    if fetch is None or fetch.busy_share is None or profile.costs is None:
        return Missing("what the workers did")
    return fetch.busy_share


def _idle_cores(profile: Profile) -> float | Missing:
    """Return the idle cores; workers that are blocked need none."""
    spare = profile.machine.spare_cores
    blocked = (profile.primary and blocked_share(profile.primary)) or 0.0
    return Missing("the machine's idle cores") if spare is None and blocked < BLOCKED_SHARE else (spare or 0.0)


def _cpu_samples(profile: Profile) -> float | Missing:
    machine = profile.machine
    if machine.usable_cores is None or machine.spare_cores is None or profile.costs is None:
        return Missing("CPU samples of the machine")
    return machine.usable_cores


def _queue(profile: Profile) -> QueueProfile | Missing:
    queue = profile.primary.queue if profile.primary else None
    return Missing("the state of the loader's queue") if queue is None or queue.late_share is None else queue


def _operations(profile: Profile) -> tuple[OperationProfile, ...] | Missing:
    found = profile.primary.operations if profile.primary else ()
    return found or Missing("times of the operations in a fetch")


def _measured_loop(profile: Profile) -> MeasuredLoop | Missing:
    loader, costs = profile.primary, profile.costs
    if loader is None or costs is None or not has_steps(loader):
        return Missing("a measured loop over a DataLoader")
    return MeasuredLoop(loader, costs)


def _ranks(profile: Profile) -> tuple[RankProfile, ...] | Missing:
    if profile.primary is None or not has_steps(profile.primary) or not profile.ranks:
        return Missing("a measured loop over a DataLoader")
    return profile.ranks


def _several_ranks(profile: Profile) -> tuple[RankProfile, ...] | Missing:
    ranks = tuple(rank for rank in profile.ranks if rank.step_ms is not None and rank.world_size > 1)
    return ranks if len(ranks) > 1 else Missing("steps of at least two ranks")


def _rank_steps(profile: Profile) -> RankSteps | Missing:
    return profile.rank_steps or Missing("steps that were measured in full on at least two ranks")


def _rank_work(profile: Profile) -> RankWork | Missing | NotSo:
    if profile.rank_work is None:
        return Missing("when each of at least two ranks waited for the others")
    return profile.rank_work[0] if profile.rank_work else NOT_SO


def _stacks(profile: Profile) -> StackQuality | Missing:
    return Missing("stack samples of the training process") if profile.stacks.trust == "none" else profile.stacks


def _memory_samples(profile: Profile) -> tuple[DeviceProfile, ...] | Missing:
    known = tuple(d for d in profile.devices if d.memory_peak_bytes is not None and d.memory_total_bytes)
    return known or Missing("NVML's memory samples")


def _device_events(profile: Profile) -> Interval | Missing:
    wait = profile.primary.gpu_wait_ms if profile.primary else None
    return Missing("CUDA events of the training process") if not profile.devices or wait is None else wait


def _process_state(profile: Profile) -> ProcessState | Missing:
    return profile.state or Missing("the state of the training process")


def _compilations(profile: Profile) -> Compilations | Missing | NotSo:
    if profile.state is None:
        return Missing("the state of the training process")
    return profile.state.compilations or NOT_SO


def _trend(profile: Profile) -> Trend | Missing:
    return profile.trend or Missing("a loop of at least 48 steps after the warm-up")


STARVED_LOADER = Need("a loop that waits for data", _starved_loader)
STARVED_LOOP = Need("a loop that waits for data, and what its fetches cost", _starved_loop)
WORKING_LOOP = Need(
    "a loop that waits for data while its loader is at work, or for the cores that its loader uses", _working_loop
)
MEASURED_LOOP = Need("a measured loop over a DataLoader", _measured_loop)
LOADER = Need("a DataLoader in use", _loader)
WORKERS = Need("worker processes", _has_workers)
SEVERAL_WORKERS = Need("at least two worker processes", _has_several_workers)
COSTS = Need("the cost of making a batch", _costs)
BUSY_WORKERS = Need("the share of the time that the workers are busy", _busy_workers)
IDLE_CORES = Need("the machine's idle cores", _idle_cores)
CPU_SAMPLES = Need("CPU samples of the machine", _cpu_samples)
QUEUE = Need("the state of the loader's queue", _queue)
OPERATIONS = Need("times of the operations in a fetch", _operations)
RANKS = Need("a measured loop of each training process", _ranks)
SEVERAL_RANKS = Need("steps of at least two ranks", _several_ranks)
RANK_STEPS = Need("steps that were measured in full on at least two ranks", _rank_steps)
RANK_WORK = Need("when ranks waited for each other", _rank_work)
STACKS = Need("stack samples of the training process", _stacks)
MEMORY_SAMPLES = Need("NVML's memory samples", _memory_samples)
PROCESS_STATE = Need("the state of the training process", _process_state)
COMPILATIONS = Need("what torch's compiler did", _compilations)
TREND = Need("how the steps changed over the run", _trend)
DEVICE_EVENTS = Need("CUDA events of the training process", _device_events)
