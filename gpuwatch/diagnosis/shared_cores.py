"""Whether the input and the training compete for the same cores, and what each would win without the other.

Only where the training computes on the CPU: with a GPU the trainer's CPU time is launches, and a trainer that gets no core
for them is what preempted-launcher is about.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evaluation import with_evaluation
from gpuwatch.diagnosis.evidence import (
    STARVED_SHARE,
    core_delay,
    finds_batches_ready,
    is_on_the_cpu,
    waited_share,
    waits_for_core,
)
from gpuwatch.diagnosis.thresholds import Threshold
from gpuwatch.model.findings import Speedup
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.model.reasons import SharedCores

COMPUTES = Threshold(
    0.5, "share of the step", "A training thread that runs less of its step waits for a device.", "computing_share"
)
USED_UP = Threshold(
    0.85, "share of the cores", "The scheduler and the sampler themselves keep a machine below 100 %.", "used_share"
)
MOSTLY_OWN = Threshold(
    0.5, "share of the busy cores", "Cores that other programs hold are not won back by this run.", "own_share"
)
# A GPU with work for this share of the time hides that its kernels were launched late.
HIDES_LAUNCHES = 0.85
# What an input that costs nothing would win where the loop waits for the smallest share that counts as starved.
WORTH = 1.0 / (1.0 - float(STARVED_SHARE))


class Contention(NamedTuple):
    """The cores that a loop and its workers share, and what the loop would win without either's work."""

    cores: SharedCores
    input_free: Speedup
    compute_free: Speedup


def find_contention(profile: Profile, loader: LoaderProfile, free: Speedup | None) -> Contention | None:
    """Return how input and training share the cores, where a free input would win something by leaving them its cores."""
    cores, costs = _shared(profile, loader), profile.costs
    if cores is None or costs is None or free is None or free.predicted < WORTH:
        return None
    if _most(cores, loader) < WORTH:
        return None  # the gain is evaluation's: the workers hold too few cores
    others = (profile.machine.other_cores or 0.0) / max(profile.machine.local_ranks, 1)
    return Contention(
        cores, _with_all_threads(cores, free), throughput.free_compute(costs, max(cores.usable - others, 1.0))
    )


def _most(cores: SharedCores, loader: LoaderProfile) -> float:
    """Return the most that a free input can win: the cores that its workers use, and the waits.

    What else holds the cores, such as other threads of the training, goes on to do so."""
    share = None if finds_batches_ready(loader) else waited_share(loader)
    left = 1.0 - min(share.median if share else 0.0, 0.99)
    return (cores.training + cores.workers) / max(cores.training, 1e-3) / left


def _with_all_threads(cores: SharedCores, free: Speedup) -> Speedup:
    """Return a free input's gain for a training that computes with several threads: between what its main thread waits for
    a core and what threads that fill all cores would win.

    The wait for a core is measured for the training thread alone, and torch's other threads, for which it waits, wait as
    well. Measured where both were known: 1.42 and 1.59 for 1.58, 1.24 and 1.46 for 1.38."""
    most = round(cores.usable / cores.training, 3)
    if cores.training <= 1.0 or most <= free.predicted:
        return free
    return replace(free, predicted=round(math.sqrt(free.predicted * most), 3), high=max(free.high, most))


def _shared(profile: Profile, loader: LoaderProfile) -> SharedCores | None:
    machine, costs = profile.machine, profile.costs
    usable, run, busy = machine.usable_cores, machine.run_cores, machine.busy_cores
    if not loader.workers or costs is None or usable is None or run is None or machine.spare_cores is None:
        return None
    if not _computes_on_the_cpu(profile, loader) or 1.0 - machine.spare_cores / usable < USED_UP:
        return None
    if run / max(busy or run, 1e-9) < MOSTLY_OWN:
        return None
    ranks = max(machine.local_ranks, 1)
    return SharedCores(usable / ranks, max(run / ranks - costs.load, 0.0), costs.load)


def _computes_on_the_cpu(profile: Profile, loader: LoaderProfile) -> bool:
    """Say whether no rank has a device, and the training thread runs, or waits for a core, for most of its step."""
    if not is_on_the_cpu(profile):
        return False
    return (loader.compute_cpu_share or 0.0) + core_delay(profile, loader) >= COMPUTES


def free_input(profile: Profile, loader: LoaderProfile) -> Speedup | None:
    """Return what an input that costs nothing would win: not the waits for a core that something else holds."""
    costs = profile.costs
    if costs is None:
        return None
    gain, cores = throughput.free_input(_without_foreign_waits(profile, loader, costs)), _shared(profile, loader)
    if cores is not None and gain.predicted > (most := _most(cores, loader)):
        gain = replace(gain, predicted=round(most, 3), low=min(gain.low, round(most, 3)))
    return with_evaluation(profile, gain, lambda _: 1.0)


def _without_foreign_waits(profile: Profile, loader: LoaderProfile, costs: Costs) -> Costs:
    """Return the costs in which a wait is only what a free input would end.

    Where batches are ready, the wait in the loader is for a core: the workers' part of it ends with their work, the
    other programs' does not. On a GPU that has work all the time, kernels launched late cost nothing."""
    if any(d.ranks and (d.busy or 0.0) >= HIDES_LAUNCHES for d in profile.devices):
        costs = replace(costs, queued_ms=0.0)
    if not waits_for_core(profile, loader):
        return costs
    waited = max(costs.step_ms - costs.device_ms, 0.0)
    holding = costs.load + (profile.machine.other_cores or 0.0)
    own = costs.load / holding if holding > 0 else 0.0
    # Workers that keep up may use the cores that they did use.
    cores = max(costs.cores, costs.load)
    return replace(costs, device_ms=costs.step_ms, queued_ms=costs.queued_ms + waited * own, cores=cores)
