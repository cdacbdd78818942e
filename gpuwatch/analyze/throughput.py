"""The throughput model: what a change to the input pipeline would do to the training loop.

    T = iterators * S(n) + batches * step(n) + rest
    step(n) = max(G - Q + Q * L(n) / L + I, k * max(P / n, C / cores), (C + H * G) / shared)      n >= 1 workers
    step(0) = G + P + I                                         the trainer loads by itself

G is the step without waiting, P the time a worker needs for a batch when it has a core, C the CPU time in it (of all
its threads; the invariant when n changes), `cores` those the workers may use, S(n) the start-up of n workers until
the first batch and their stop at the end, Q the part of G in which the trainer waited for a core that its workers held,
L = C / step the cores they kept busy (so cheaper batches shorten the step too), `rest` what is neither (evaluation, long pauses). I is the loader's sampler, which the trainer runs between two steps
whatever the number of workers. k anchors the input term at the rate seen while
the loop was starved. Gains are ratios of T before and after, so errors common to both cancel.

A trainer that makes its own batches does so with all its library threads: with W ms of other threads' CPU time. torch gives
a worker one thread, so that P and C are W more there: the CPU time of a batch stays, the wall time does not.

H cores are what all threads of the trainer use in its own part of a step, and `shared` those that it has together with
the workers: neither can have what the other uses. Where the trainer computes with several threads and no worker
ran yet, that bound is the best case. In the worst its threads, which wait for the slowest of them, do not get on while
workers hold a core. The prediction lies between the two, and they are its interval.

Source: the pipelined-loader bound of docs/facts.md (`max()` alone over-promised 2.00x against a measured 1.65x because
of S(n) and because other processes used the cores). Two threads that train a small network on two cores, moved to two
workers: 0.8 to 1.2 times as fast, where the best case promised 1.4 to 1.9.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gpuwatch.model.findings import Speedup
from gpuwatch.model.profile import Costs

# Start-up per new worker when this run had none to measure: forked workers took 0.12-0.18 s on a busy two-core host.
WORKER_START_S = 0.1
# Steps up to this much longer than the device's own keep it as good as busy.
KEEPS_UP = 0.05
KNEE = 0.03
MAX_WORKERS = 64
# Half-way, as ratios, between the best and the worst case of threads and workers that share cores.
LIKELY = 0.5
# Of an operation's CPU time, what it takes on a device: augmentation of volumes moved to an A100 took 0.006 of it; small
# batches take more.
ON_DEVICE = 0.02
# Workers that make batches take this many times what the model says, at least and at most; what a loop waits longer is none of
# their work: receiving batches, for one.
LEAST_ANCHOR, MOST_ANCHOR = 0.5, 3.0
# Of the step without waiting, at most this counts as waiting for a core.
MOST_QUEUED = 0.8


def input_ms(costs: Costs, workers: int | None = None) -> float:
    """Return the time per batch that the input pipeline alone would need with `workers` (ms), not anchored."""
    n = costs.workers if workers is None else workers
    if n == 0:
        return costs.work_ms
    return max((costs.work_ms + costs.threads_ms) / n, (costs.work_cpu_ms + costs.threads_ms) / costs.cores)


def anchor(costs: Costs) -> float:
    """Return k: the seen time per batch over the model's, while starved; 1 when the loop was not starved."""
    if costs.workers == 0 or costs.step_ms <= (costs.device_ms + costs.index_ms) * (1 + KEEPS_UP):
        return 1.0
    return min(max(costs.step_ms / input_ms(costs), LEAST_ANCHOR), MOST_ANCHOR)


def step_ms(costs: Costs, workers: int | None = None, k: float | None = None, crowding: float = LIKELY) -> float:
    """Return the predicted mean step (ms) with `workers`.

    `crowding`: how far from the best (0) to the worst case (1) of threads and workers that share cores.
    """
    n = costs.workers if workers is None else workers
    if n == 0:
        return costs.device_ms + costs.work_ms + costs.index_ms
    factor = anchor(costs) if k is None else k
    best = max(_own_ms(costs) + costs.index_ms, factor * input_ms(costs, n), _all_on_cores_ms(costs))
    return best if costs.trainer_threads <= 1 else best * (max(_crowded_ms(costs, n), best) / best) ** crowding


def _all_on_cores_ms(costs: Costs) -> float:
    """Return the time that the cores need for a step and its batch (ms)."""
    return (
        (costs.work_cpu_ms + costs.threads_ms + costs.trainer_cores * costs.device_ms) / costs.shared_cores
        if costs.shared_cores > 0
        else 0.0
    )


def _crowded_ms(costs: Costs, n: int) -> float:
    """Return the step (ms) in which the trainer's threads and `n` workers hold each other up as long as workers run."""
    stretch = max((costs.trainer_threads + n) / max(costs.shared_cores, 1.0), 1.0)
    if stretch <= 1.0:
        return 0.0
    made_ms = input_ms(costs, n)
    return min(costs.device_ms * stretch, costs.device_ms + made_ms) + made_ms * stretch


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
    first = _first_made_s(costs)
    return first + (costs.startup_s - first) * workers / costs.workers


def total_s(costs: Costs, after: Costs, k: float, crowding: float = LIKELY) -> float:
    """Return the loop's predicted seconds under `after`; `costs` is the measured state that fixes the rest."""
    steps_s = after.batches * step_ms(after, k=k, crowding=crowding) / 1e3
    return _rest_s(costs) + after.iterators * after.startup_s + steps_s


def _rest_s(costs: Costs) -> float:
    known = costs.iterators * costs.startup_s + costs.batches * costs.step_ms / 1e3
    return max(costs.seconds - known, 0.0)


def predict(costs: Costs, after: Costs, basis: str, uncertainty: float = 0.15) -> Speedup:
    """Return the speed-up of the loop from `costs` to `after`, both evaluated by the model.

    `uncertainty` is the share of the gain that may be missing or more.
    """
    best, ratio, worst = (_gain(costs, after, crowding) for crowding in (0.0, LIKELY, 1.0))
    spread = abs(ratio - 1.0) * uncertainty + 0.01
    low, high = min(ratio - spread, worst), max(ratio + spread, best)
    return Speedup(round(ratio, 3), round(max(low, 0.1), 3), round(high, 3), basis)


def _gain(costs: Costs, after: Costs, crowding: float) -> float:
    k = anchor(costs)
    after_s = total_s(costs, after, k, crowding)
    before_s = total_s(costs, costs, k, crowding)
    if costs.handed_over and k == MOST_ANCHOR:
        before_s = max(before_s, costs.seconds)  # as measured: the workers' work is the smaller part of the wait
    return before_s / after_s if after_s > 0 else 1.0


def with_workers(costs: Costs, workers: int) -> Costs:
    """Return the costs with another number of workers."""
    return replace(costs, workers=workers, startup_s=startup_s(costs, workers))


def with_work(costs: Costs, wall_factor: float, cpu_factor: float | None = None) -> Costs:
    """Return the costs with a batch made `wall_factor` times as long (0.5: twice as fast)."""
    cpu = wall_factor if cpu_factor is None else cpu_factor
    return replace(
        costs,
        work_ms=costs.work_ms * wall_factor,
        work_cpu_ms=costs.work_cpu_ms * cpu,
        threads_ms=costs.threads_ms * cpu,
        startup_s=max(costs.startup_s - (1.0 - wall_factor) * _first_made_s(costs), 0.0),
    )


def _first_made_s(costs: Costs) -> float:
    """Return the part of an iterator's start-up in which its first batch was made (s)."""
    return min(costs.work_ms / 1e3, costs.startup_s)


def with_step(costs: Costs, device_ms: float) -> Costs:
    """Return the costs with another step without waiting (ms)."""
    return replace(costs, device_ms=max(device_ms, 1e-3), queued_ms=min(costs.queued_ms, MOST_QUEUED * device_ms))


def without_sampler(costs: Costs, start_s: float) -> Costs:
    """Return the costs with a sampler that costs nothing, which took `start_s` of each pass's start."""
    return replace(costs, index_ms=0.0, startup_s=max(costs.startup_s - start_s, 0.0))


def with_cores(costs: Costs, cores: float) -> Costs:
    """Return the costs with more cores for the workers: no worker waits for one then."""
    return replace(
        on_cores(costs, costs.shared_cores + max(cores - costs.cores, 0.0)),
        cores=max(cores, costs.cores),
        device_ms=max(costs.device_ms - costs.queued_ms, 1e-3),
        queued_ms=0.0,
    )


def on_cores(costs: Costs, cores: float) -> Costs:
    """Return the costs where trainer and workers have so many cores together."""
    return replace(costs, cores=max(costs.cores + cores - costs.shared_cores, 0.25), shared_cores=cores)


def with_startups(costs: Costs, iterators: float, startup_s: float | None = None) -> Costs:
    """Return the costs with start-up paid `iterators` times."""
    return replace(costs, iterators=iterators, startup_s=costs.startup_s if startup_s is None else startup_s)


def free_input(costs: Costs) -> Speedup:
    """Return what an input pipeline that costs nothing would win: the ceiling of every other prediction."""
    free = with_work(costs, 1e-6)
    startup_s = free.startup_s / max(costs.iterators, 1.0)
    after = replace(free, workers=max(costs.workers, 1), startup_s=startup_s, index_ms=0.0)
    after = with_step(after, costs.device_ms - costs.wrapper_ms) if costs.wrapper_ms else after
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
    return step_ms(costs, workers) <= (costs.device_ms + costs.index_ms) * (1 + KEEPS_UP)


def cores_needed(costs: Costs) -> float:
    """Return the cores that would make batches as fast as this device takes them."""
    return math.ceil(10 * costs.work_cpu_ms / max(costs.device_ms + costs.index_ms - costs.queued_ms, 1e-3)) / 10


def without_operation(costs: Costs, share: float, cheaper: float = math.inf) -> Costs:
    """Return the costs with an operation of `share` of the fetch made `cheaper` times cheaper (inf: free)."""
    kept = 1.0 - share + (0.0 if math.isinf(cheaper) else share / cheaper)
    return with_work(costs, max(kept, 1e-6))


def moved_to_device(costs: Costs, share: float) -> Costs:
    """Return the costs with an operation of `share` of the fetch done on the device, a whole batch at once: the step has it."""
    added_ms = ON_DEVICE * share * costs.work_cpu_ms
    return with_step(without_operation(costs, share), costs.device_ms + added_ms)


def made_free(costs: Costs, share: float, halved: float, basis: str) -> Speedup:
    """Return what a share of the fetch made free would win, with a share `halved` at half the cost as the low end."""
    free = predict(costs, without_operation(costs, share), basis)
    half = predict(costs, without_operation(costs, halved, 2.0), basis)
    return Speedup(free.predicted, half.low, free.high, basis)
