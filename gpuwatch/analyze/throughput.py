"""The throughput model: what a change to the input pipeline would do to the training loop.

    T = iterators * S(n) + batches * step(n) + rest
    step(n) = max(G - Q + Q * L(n) / L, k * max(P / n, C / cores))          n >= 1 workers
    step(0) = G + P                                             the trainer loads by itself

G is the step without waiting, P the time a worker needs for a batch when it has a core, C the CPU time in it (of all
its threads; the invariant when n changes), `cores` those the workers may use, S(n) the start-up of n workers until
the first batch and their stop at the end, Q the part of G in which the trainer waited for a core that its workers held,
L = C / step the cores they kept busy (so cheaper batches shorten the step too), `rest` what is neither (evaluation, long pauses). k anchors the input term at the rate seen while
the loop was starved. Gains are ratios of T before and after, so errors common to both cancel.

Source: the pipelined-loader bound of docs/facts.md (`max()` alone over-promised 2.00x against a measured 1.65x because
of S(n) and because other processes used the cores).
"""

from __future__ import annotations

import math
from dataclasses import replace

from gpuwatch.model.findings import Speedup
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.profile import Costs

# Start-up per new worker when this run had none to measure: forked workers took 0.12-0.18 s on a busy two-core host.
WORKER_START_S = 0.1
# Steps up to this much longer than the device's own keep it as good as busy.
KEEPS_UP = 0.05
KNEE = 0.03
MAX_WORKERS = 64
# Of the step without waiting, at most this counts as waiting for a core.
MOST_QUEUED = 0.8


def measure_costs(
    loader: LoaderProfile, machine: MachineProfile, rest_s: float, queued_share: float = 0.0
) -> Costs | None:
    """Fit the model's parameters to what one loader did; None when it never made a batch.

    `rest_s`: seconds of the training loop that were neither this loader's steps nor its start-up. `queued_share`: of the
    loop, in which the trainer could run but had no core.
    """
    fetch = loader.fetch
    if loader.steps < 1 or loader.compute_ms is None or loader.seconds <= 0:
        return None
    step_ms = 1e3 * loader.seconds / loader.steps
    wait_ms = 1e3 * loader.wait_seconds / loader.steps
    device_ms = max(step_ms - wait_ms, 1e-3)
    if loader.gpu_wait_ms is not None:
        device_ms = max(step_ms - max(loader.gpu_wait_ms.median, 0.0), 1e-3)
    work_ms, cpu_ms = _work(loader)
    cores, spare = _cores(loader, machine, step_ms)
    load = cpu_ms / step_ms if fetch and loader.workers else 0.0
    return Costs(
        device_ms=device_ms,
        work_ms=work_ms if fetch else wait_ms,
        work_cpu_ms=cpu_ms if fetch else wait_ms,
        workers=loader.workers,
        cores=cores,
        spare_cores=spare,
        batches=float(loader.batches or loader.steps),
        iterators=float(max(len(loader.first_batch_s), 1)),
        startup_s=_mean(loader.first_batch_s) + sum(loader.stop_s) / max(len(loader.first_batch_s), 1),
        step_ms=step_ms,
        seconds=loader.seconds + sum(loader.first_batch_s) + sum(loader.stop_s) + max(rest_s, 0.0),
        # The delay is told for whole steps; the part that falls into the wait for a batch is gone with the wait.
        queued_ms=_queued_ms(machine, queued_share * device_ms, device_ms, load),
        load=load,
    )


def _work(loader: LoaderProfile) -> tuple[float, float]:
    """Return a batch's worker time with a core to itself, and the CPU time in it (ms)."""
    fetch = loader.fetch
    if fetch is None:
        return 0.0, 0.0
    serialise = (fetch.serialise_ms or 0.0) if loader.workers else 0.0
    wall = max(fetch.mean_wall_ms - (fetch.delay_ms or 0.0), 1e-3) + serialise
    # In the trainer the other threads are the model's; a worker's are the library's, at work on the batch.
    threads = fetch.process_cpu_ms if loader.workers else fetch.cpu_ms
    cpu = threads if threads is not None else fetch.cpu_ms
    return wall, (wall if cpu is None else cpu + serialise)


def _cores(loader: LoaderProfile, machine: MachineProfile, step_ms: float) -> tuple[float, float]:
    """Return the cores the workers may use in all, and those of them that stand idle now."""
    usable = (machine.usable_cores or machine.cores or 1.0) / max(machine.local_ranks, 1)
    others = (machine.other_cores or 0.0) / max(machine.local_ranks, 1)
    trainer = min(loader.compute_cpu_share or 0.0, 1.0) * _compute_share(loader, step_ms)
    spare = machine.spare_cores if machine.spare_cores is not None else usable - (machine.busy_cores or 0.0)
    return max(usable - others - trainer, 0.25), max(spare / max(machine.local_ranks, 1), 0.0)


def _compute_share(loader: LoaderProfile, step_ms: float) -> float:
    return min(loader.compute_ms.median / step_ms, 1.0) if loader.compute_ms and step_ms else 1.0


def _queued_ms(machine: MachineProfile, queued_ms: float, device_ms: float, load: float) -> float:
    """Return the part of a step that the trainer waited for a core of its workers; other programs hold cores too."""
    holding = load + (machine.other_cores or 0.0)
    return min(queued_ms, MOST_QUEUED * device_ms) * load / holding if load > 0 else 0.0


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values) if values else 0.0


def input_ms(costs: Costs, workers: int | None = None) -> float:
    """Return the time per batch that the input pipeline alone would need with `workers` (ms), not anchored."""
    n = costs.workers if workers is None else workers
    if n == 0:
        return costs.work_ms
    return max(costs.work_ms / n, costs.work_cpu_ms / costs.cores)


def anchor(costs: Costs) -> float:
    """Return k: the seen time per batch over the model's, while starved; 1 when the loop was not starved."""
    if costs.workers == 0 or costs.step_ms <= costs.device_ms * (1 + KEEPS_UP):
        return 1.0
    return min(max(costs.step_ms / input_ms(costs), 0.5), 3.0)


def step_ms(costs: Costs, workers: int | None = None, k: float | None = None) -> float:
    """Return the predicted mean step (ms) with `workers`."""
    n = costs.workers if workers is None else workers
    if n == 0:
        return costs.device_ms + costs.work_ms
    factor = anchor(costs) if k is None else k
    return max(_own_ms(costs), factor * input_ms(costs, n))


def _own_ms(costs: Costs) -> float:
    """Return the step when nothing is waited for but a core: s = G - Q + Q * (C / s) / L, solved for s."""
    if costs.queued_ms <= 0 or costs.load <= 0:
        return costs.device_ms
    free = max(costs.device_ms - costs.queued_ms, 1e-3)
    return (free + math.sqrt(free**2 + 4 * costs.queued_ms * costs.work_cpu_ms / costs.load)) / 2


def startup_s(costs: Costs, workers: int) -> float:
    """Return the predicted start-up of one iterator with `workers` (s)."""
    if workers == costs.workers:
        return costs.startup_s
    if costs.workers == 0:
        return costs.startup_s + WORKER_START_S * workers
    first = min(costs.work_ms / 1e3, costs.startup_s)
    return first + (costs.startup_s - first) * workers / costs.workers


def total_s(costs: Costs, after: Costs, k: float) -> float:
    """Return the loop's predicted seconds under `after`; `costs` is the measured state that fixes the rest."""
    return _rest_s(costs, k) + after.iterators * after.startup_s + after.batches * step_ms(after, k=k) / 1e3


def _rest_s(costs: Costs, k: float) -> float:
    known = costs.iterators * costs.startup_s + costs.batches * costs.step_ms / 1e3
    return max(costs.seconds - known, 0.0)


def predict(costs: Costs, after: Costs, basis: str, uncertainty: float = 0.15) -> Speedup:
    """Return the speed-up of the loop from `costs` to `after`, both evaluated by the model.

    `uncertainty` is the share of the gain that may be missing or more.
    """
    k = anchor(costs)
    before_s, after_s = total_s(costs, costs, k), total_s(costs, after, k)
    ratio = before_s / after_s if after_s > 0 else 1.0
    gain = ratio - 1.0
    spread = abs(gain) * uncertainty + 0.01
    return Speedup(round(ratio, 3), round(max(ratio - spread, 0.1), 3), round(ratio + spread, 3), basis)


def with_workers(costs: Costs, workers: int) -> Costs:
    """Return the costs with another number of workers."""
    return replace(costs, workers=workers, startup_s=startup_s(costs, workers))


def with_work(costs: Costs, wall_factor: float, cpu_factor: float | None = None) -> Costs:
    """Return the costs with a batch made `wall_factor` times as long (0.5: twice as fast)."""
    cpu = wall_factor if cpu_factor is None else cpu_factor
    return replace(costs, work_ms=costs.work_ms * wall_factor, work_cpu_ms=costs.work_cpu_ms * cpu)


def with_step(costs: Costs, device_ms: float) -> Costs:
    """Return the costs with another step without waiting (ms)."""
    return replace(costs, device_ms=max(device_ms, 1e-3), queued_ms=min(costs.queued_ms, MOST_QUEUED * device_ms))


def with_cores(costs: Costs, cores: float) -> Costs:
    """Return the costs with more cores for the workers: no worker waits for one then."""
    return replace(
        costs, cores=max(cores, costs.cores), device_ms=max(costs.device_ms - costs.queued_ms, 1e-3), queued_ms=0.0
    )


def with_startups(costs: Costs, iterators: float, startup_s: float | None = None) -> Costs:
    """Return the costs with start-up paid `iterators` times."""
    return replace(costs, iterators=iterators, startup_s=costs.startup_s if startup_s is None else startup_s)


def free_input(costs: Costs) -> Speedup:
    """Return what an input pipeline that costs nothing would win: the ceiling of every other prediction."""
    once = costs.startup_s / max(costs.iterators, 1.0)
    after = replace(with_work(costs, 1e-6), workers=max(costs.workers, 1), startup_s=once)
    return predict(costs, after, "throughput model, input free", 0.05)


def free_compute(costs: Costs, cores: float) -> Speedup:
    """Return what a training that uses no core would win, with `cores` for the workers: as with an infinitely fast GPU."""
    after = with_step(with_cores(costs, cores), 0.0)
    return predict(costs, after, "throughput model, compute free", 0.15)


def best_workers(costs: Costs) -> int:
    """Return the smallest number of workers within 3 % of the best predicted step."""
    k = anchor(costs)
    steps = {n: step_ms(costs, n, k) for n in range(1, MAX_WORKERS + 1)}
    best = min(steps.values())
    return next(n for n, value in steps.items() if value <= best * (1 + KNEE))


def hides_input(costs: Costs, workers: int) -> bool:
    """Say whether `workers` alone would make batches as fast as the device takes them."""
    return step_ms(costs, workers) <= costs.device_ms * (1 + KEEPS_UP)


def cores_needed(costs: Costs) -> float:
    """Return the cores that would make batches as fast as this device takes them."""
    return math.ceil(10 * costs.work_cpu_ms / max(costs.device_ms - costs.queued_ms, 1e-3)) / 10


def without_operation(costs: Costs, share: float, cheaper: float = math.inf) -> Costs:
    """Return the costs with an operation of `share` of the fetch made `cheaper` times cheaper (inf: free)."""
    kept = 1.0 - share + (0.0 if math.isinf(cheaper) else share / cheaper)
    return with_work(costs, max(kept, 1e-6))


def made_free(costs: Costs, share: float, halved: float, basis: str) -> Speedup:
    """Return what a share of the fetch made free would win, with a share `halved` at half the cost as the low end."""
    free = predict(costs, without_operation(costs, share), basis)
    half = predict(costs, without_operation(costs, halved, 2.0), basis)
    return Speedup(free.predicted, half.low, free.high, basis)
