"""What the throughput model needs, measured: a loader's fetches, the trainer's own time and the cores that both share."""

from __future__ import annotations

import math

from gpuwatch.analyze.throughput import MOST_QUEUED
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.profile import Costs

# A trainer that uses this many cores in its own part of a step computes with several threads.
SEVERAL_THREADS = 1.15
# GCC's OpenMP threads look for more work for about so long, then they sleep: 2 to 7 ms measured after a matrix product.
SPINNING_MS = 6.0
# Other threads that use less than this of a batch's time hardly work on it.
AT_WORK = 0.25
# Where the mean wait is less than this part of the recorded steps' wait, or theirs of it, those are not like the others.
UNEVEN = 0.8
# A share of the step that the sampler's seconds do not tell from nothing.
NOISE = 0.05
# To receive batches is most of the wait from here on; and their objects are what takes long where to send them takes this
# part of it: pickling is two to three times as fast as its reverse.
MOST_OF_WAIT, SENT_OF_RECEIVED = 0.5, 0.2
# Any batch takes a little to hand over; of short steps that is some part, and no more than this.
OF_STEP = 0.3


def measure_costs(
    loader: LoaderProfile,
    machine: MachineProfile,
    rest_s: float,
    queued_share: float = 0.0,
    trainer_cores: float | None = None,
    library_threads: int | None = None,
) -> Costs | None:
    """Fit the model's parameters to what one loader did; None when it never made a batch.

    `rest_s`: seconds of the training loop that were neither this loader's steps nor its start-up. `queued_share`: of the
    loop, in which the trainer could run but had no core. `trainer_cores`: what all threads of the trainer used while the
    loop ran; `library_threads`: how many torch may use in it.
    """
    fetch = loader.fetch
    if loader.steps < 1 or loader.compute_ms is None or loader.seconds <= 0:
        return None
    step_ms = 1e3 * loader.seconds / loader.steps
    wait_ms = 1e3 * loader.wait_seconds / loader.steps
    device_ms = max(step_ms - wait_ms, 1e-3)
    if loader.gpu_wait_ms is not None:
        device_ms = max(step_ms - max(loader.gpu_wait_ms.median, 0.0), 1e-3)
    # Done in the training process, between the workers and the loop: no worker takes it over.
    wrapper_ms = min(loader.wrapper.ms, step_ms - device_ms) if loader.wrapper else 0.0
    device_ms += wrapper_ms
    work_ms, cpu_ms = _work(loader)
    cores, spare = _cores(loader, machine, step_ms)
    load = cpu_ms / step_ms if fetch and loader.workers else 0.0
    threads_ms = _threads_ms(loader, library_threads)
    own_cores = _own_cpu_ms(loader, trainer_cores, step_ms, threads_ms) / device_ms
    # What was seen fits on the cores.
    together = max(shared_cores(machine), load)
    return Costs(
        device_ms=device_ms,
        work_ms=work_ms if fetch else wait_ms,
        work_cpu_ms=cpu_ms if fetch else wait_ms,
        workers=loader.workers,
        cores=cores,
        spare_cores=spare,
        batches=_later_batches(loader),
        iterators=float(max(len(loader.first_batch_s), 1)),
        startup_s=_mean(loader.first_batch_s) + sum(loader.stop_s) / max(len(loader.first_batch_s), 1),
        step_ms=step_ms,
        seconds=loader.seconds + sum(loader.first_batch_s) + sum(loader.stop_s) + max(rest_s, 0.0),
        # The delay is told for whole steps; the part that falls into the wait for a batch is gone with the wait.
        queued_ms=_queued_ms(machine, queued_share * device_ms, device_ms, load),
        load=load,
        shared_cores=together,
        # What threads spin beyond them is in no step's time.
        trainer_cores=min(own_cores, together),
        trainer_threads=_trainer_threads(loader, own_cores, library_threads),
        threads_ms=threads_ms,
        wrapper_ms=wrapper_ms,
        handed_over=_is_handed_over(loader, wait_ms, step_ms),
        index_ms=min(loader.sampler.ms_per_batch, max(step_ms - device_ms, 0.0)) if loader.sampler else 0.0,
    )


def receive_ms_of(loader: LoaderProfile) -> float:
    """Return what a batch takes to be received (ms); 0 where that was not recorded."""
    return (loader.queue.receive_ms or 0.0) if loader.queue is not None else 0.0


def _is_handed_over(loader: LoaderProfile, wait_ms: float, step_ms: float) -> bool:
    """Say whether most of the wait is receiving batches, which take long to send as well: else it is a core or the
    interpreter lock that a batch waits for."""
    received = receive_ms_of(loader)
    sent = (loader.fetch.serialise_ms or 0.0) if loader.fetch is not None else 0.0
    return received >= max(MOST_OF_WAIT * wait_ms, OF_STEP * step_ms, 1e-3) and sent >= SENT_OF_RECEIVED * received


def shared_cores(machine: MachineProfile, beside_others: bool = True) -> float:
    """Return the cores that a trainer and its workers have together, beside other programs or without them."""
    usable = machine.usable_cores or machine.cores or 1.0
    others = (machine.other_cores or 0.0) if beside_others else 0.0
    return max((usable - others) / max(machine.local_ranks, 1), 0.25)


def _threads_ms(loader: LoaderProfile, library_threads: int | None) -> float:
    """Return the CPU time of the trainer's other threads in making a batch (ms): work that a worker does in its one thread.

    Threads that the model's step left spin for a while into the batch: no more than that is no work on it.
    """
    fetch, others = loader.fetch, (library_threads or 1) - 1
    if loader.workers or fetch is None or fetch.process_cpu_ms is None or fetch.cpu_ms is None or others < 1:
        return 0.0
    extra_ms = fetch.process_cpu_ms - fetch.cpu_ms
    on_core_ms = max(fetch.mean_wall_ms - (fetch.delay_ms or 0.0), 1e-3)
    works = extra_ms - SPINNING_MS * others > AT_WORK * on_core_ms
    return min(extra_ms, others * on_core_ms) if works else 0.0


def _own_cpu_ms(loader: LoaderProfile, trainer_cores: float | None, step_ms: float, threads_ms: float) -> float:
    """Return the CPU time of the trainer in a step, of all its threads, without making the batch (ms); 0 beside workers,
    where the cores left to them say it.

    While the trainer makes a batch itself, its other threads are the model's, which spin on for a while.
    """
    if loader.workers:
        return 0.0
    thread_ms = min(loader.compute_cpu_share or 0.0, 1.0) * (loader.compute_ms.median if loader.compute_ms else 0.0)
    if trainer_cores is None or loader.fetch is None:
        return thread_ms
    other_ms = trainer_cores * step_ms - (loader.fetch.cpu_ms or 0.0) - threads_ms
    return other_ms if other_ms > thread_ms + NOISE * step_ms else thread_ms


def _trainer_threads(loader: LoaderProfile, cores: float, library_threads: int | None) -> int:
    """Return the threads that the trainer computes with; 1 where workers ran beside it: then the step has it."""
    if loader.workers or cores < SEVERAL_THREADS:
        return 1
    return max(library_threads or math.ceil(cores), 1)


def _later_batches(loader: LoaderProfile) -> float:
    """Return the batches that a step was waited for: the first of each iterator is part of its start-up."""
    batches = float(loader.batches or loader.steps)
    return batches if loader.has_an_iterator_for_each_step else max(batches - len(loader.first_batch_s), 1.0)


def _work(loader: LoaderProfile) -> tuple[float, float]:
    """Return a batch's worker time with a core to itself, and the CPU time in it (ms)."""
    fetch = loader.fetch
    if fetch is None:
        return 0.0, 0.0
    serialise = (fetch.serialise_ms or 0.0) if loader.workers else 0.0
    wall = max(fetch.mean_wall_ms - (fetch.delay_ms or 0.0), 1e-3) + serialise
    scale = _unlike_recorded(loader)
    # In the trainer the other threads are the model's; a worker's are the library's, at work on the batch.
    threads = fetch.process_cpu_ms if loader.workers else fetch.cpu_ms
    cpu = threads if threads is not None else fetch.cpu_ms
    wall *= scale
    return wall, (wall if cpu is None else cpu * scale + serialise)


def _unlike_recorded(loader: LoaderProfile) -> float:
    """Return how many times longer a batch that the trainer makes takes on average than those whose fetch is recorded: 1
    where they are about the same. Long steps are recorded rather than short ones, and their batches may be others."""
    if loader.workers or loader.wait_ms is None or not loader.recorded_wait_ms:
        return 1.0
    ratio = loader.wait_ms.median / loader.recorded_wait_ms
    return 1.0 if UNEVEN <= ratio <= 1.0 / UNEVEN else ratio


def _cores(loader: LoaderProfile, machine: MachineProfile, step_ms: float) -> tuple[float, float]:
    """Return the cores the workers may use in all, and those of them that are idle now."""
    usable = (machine.usable_cores or machine.cores or 1.0) / max(machine.local_ranks, 1)
    trainer = min(loader.compute_cpu_share or 0.0, 1.0) * _compute_share(loader, step_ms)
    spare = machine.spare_cores if machine.spare_cores is not None else usable - (machine.busy_cores or 0.0)
    masks = machine.masks
    if loader.workers and masks and masks.workers and masks.workers < (masks.trainer or 0):
        # Cores of the trainer's that the workers may not use are none of theirs.
        return min(max(shared_cores(machine) - trainer, 0.25), float(masks.workers)), 0.0
    return max(shared_cores(machine) - trainer, 0.25), max(spare / max(machine.local_ranks, 1), 0.0)


def _compute_share(loader: LoaderProfile, step_ms: float) -> float:
    return min(loader.compute_ms.median / step_ms, 1.0) if loader.compute_ms and step_ms else 1.0


def _queued_ms(machine: MachineProfile, queued_ms: float, device_ms: float, load: float) -> float:
    """Return the part of a step that the trainer waited for a core of its workers; other programs hold cores too."""
    holding = load + (machine.other_cores or 0.0)
    return min(queued_ms, MOST_QUEUED * device_ms) * load / holding if load > 0 else 0.0


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values) if values else 0.0
