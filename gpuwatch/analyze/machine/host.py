"""The host while the training loop ran: cores used, left and allowed, pressure, memory, worker threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuwatch.analyze.loading.fetches import Maker
from gpuwatch.analyze.machine.masks import cpu_masks
from gpuwatch.analyze.machine.usage import Usage, Window, cores_used, counter_rate
from gpuwatch.analyze.numbers.arrays import numbers, sums, to_floats, whole
from gpuwatch.analyze.numbers.statistics import mean, median
from gpuwatch.analyze.processes.sorting import Processes
from gpuwatch.model.machine_profile import MachineProfile, WorkerMemory
from gpuwatch.model.recording import ProcessLog, Table
from gpuwatch.model.worker_profile import CpuMasks

_SETTLED = 2
_OWN_ROLE = "gpuwatch"
_THREAD_LIBRARIES = ("torch", "cv2", "omp", "mkl")


def machine_profile(
    processes: Processes, window: Window, usages: list[Usage], makers: list[Maker], workers_at_once: dict[int, int]
) -> MachineProfile:
    """Describe the run's host over a window (usually: while the primary loader's loops ran).

    `workers_at_once`: the pids of all workers that the loops ever had, each with how many lived at one time."""
    sampler = processes.sampler
    busy, cores = _busy(_table(sampler, "cpu"), window)
    masks = cpu_masks(processes, window)
    affinity, cpu_count, allowed = _limits(processes, masks, _table(sampler, "cgroup"))
    cores = cores or cpu_count
    usable = _smallest(affinity, allowed) or _as_float(cores)
    run, own = _run_cores(usages, window), _own_cores(usages, window)
    memory = _table(sampler, "memory")
    workers = [usage for usage in usages if usage.pid in workers_at_once]
    return MachineProfile(
        cores=cores,
        affinity_cores=affinity,
        quota_cores=allowed,
        usable_cores=usable,
        busy_cores=busy,
        run_cores=run,
        other_cores=None if busy is None or run is None else max(busy - run - own, 0.0),
        spare_cores=_spare(cores, usable, busy, run),
        cpu_pressure=_pressure(_table(sampler, "pressure"), "cpu_some_us", window),
        io_pressure=_pressure(_table(sampler, "pressure"), "io_some_us", window),
        memory_pressure=_pressure(_table(sampler, "pressure"), "memory_some_us", window),
        throttled_share=_throttled(_table(sampler, "cgroup"), window),
        threads_per_worker=_threads_per_worker(workers, makers, window),
        library_threads=_library_threads(makers, processes),
        shm_total_bytes=_extreme(memory, "shm_total_bytes", window, max),
        shm_peak_bytes=_extreme(memory, "shm_used_bytes", window, max),
        memory_total_bytes=_extreme(memory, "total_bytes", window, max),
        memory_low_bytes=_extreme(memory, "available_bytes", window, min),
        worker_memory=_worker_memory(
            workers,
            max(workers_at_once.values(), default=0),
            _trainer_bytes(processes, usages, window),
            {usage.pid: (_settled_ns(usage.pid, makers, window), window[1]) for usage in workers},
        ),
        worker_delay_share=_delay_share(makers),
        masks=masks,
        local_ranks=max(sum(t.host == processes.recording.run.host for t in processes.trainers if t.world_size > 1), 1),
    )


def _table(sampler: ProcessLog | None, kind: str) -> Table:
    return sampler.table(kind) if sampler else Table(kind, (), [])


def _busy(table: Table, window: Window) -> tuple[float | None, int | None]:
    """Return busy cores (mean) and how many there are. A sample says what happened in the interval before it."""
    cores, counts = sums(table, "busy")
    inside = _rows_inside(table, window)
    cores, counts = cores[inside][counts[inside] > 0], counts[inside]
    return (float(np.nanmean(cores)), int(counts.max())) if np.isfinite(cores).any() else (None, None)


def _rows_inside(table: Table, window: Window) -> list[int]:
    """Return which rows lie in a window; all of them when none does."""
    t = numbers(table, "t")
    inside: list[int] = np.flatnonzero((t >= window[0]) & (t <= window[1])).tolist()
    return inside or list(range(len(table)))


def _limits(processes: Processes, masks: CpuMasks | None, cgroup: Table) -> tuple[int | None, int | None, float | None]:
    # Ranks that are bound to cores of their own have all of these together.
    together = masks.trainer if masks else None
    affinities = [together] if together else [_count(trainer.meta.get("affinity")) for trainer in processes.trainers]
    counts = [_count(trainer.meta.get("cpu_count")) for trainer in processes.trainers]
    quotas = numbers(cgroup, "quota_cores")
    quotas = quotas[np.isfinite(quotas)]
    known = [affinity for affinity in affinities if affinity]
    quota = float(np.median(quotas)) if len(quotas) else None
    return max(known, default=None), max((count for count in counts if count), default=None), quota


def _count(value: Any) -> int | None:
    """Return a count that is given as a number or as the list of what is counted."""
    if isinstance(value, (list, tuple)):
        return len(value)
    return int(value) if isinstance(value, (int, float)) else None


def _smallest(*values: float | None) -> float | None:
    return min((float(value) for value in values if value is not None), default=None)


def _as_float(value: int | None) -> float | None:
    return None if value is None else float(value)


def _run_cores(usages: list[Usage], window: Window) -> float | None:
    used = [cores_used(usage, window) for usage in usages if usage.role != _OWN_ROLE]
    known = [cores for cores in used if cores is not None]
    return sum(known) if known else None


def _own_cores(usages: list[Usage], window: Window) -> float:
    """Return what gpuwatch itself used: it is none of the other programs."""
    return sum(cores_used(usage, window) or 0.0 for usage in usages if usage.role == _OWN_ROLE)


def _spare(cores: int | None, usable: float | None, busy: float | None, run: float | None) -> float | None:
    """Return what no process uses and the run may have."""
    if cores is None or usable is None or busy is None:
        return None
    allowed = usable if run is None else usable - run
    return max(min(cores - busy, allowed), 0.0)


def _pressure(table: Table, name: str, window: Window) -> float | None:
    rate = counter_rate(table, name, window)
    return None if rate is None else min(rate * 1e3, 1.0)


def _throttled(table: Table, window: Window) -> float | None:
    """Return the share of the quota's periods that ran into it."""
    periods, throttled = counter_rate(table, "periods", window), counter_rate(table, "throttled_periods", window)
    if periods is None or throttled is None:
        return None
    return min(throttled / periods, 1.0) if periods > 0 else 0.0


def _threads_per_worker(workers: list[Usage], makers: list[Maker], window: Window) -> float | None:
    sampled = [np.median(values) for usage in workers if len(values := usage.inside("threads", window))]
    if sampled:
        return float(np.median(sampled))
    recorded = [threads.get("process") for maker in makers for threads in _thread_facts(maker.log)]
    return median(to_floats([value for value in recorded if value]))


def _library_threads(makers: list[Maker], processes: Processes) -> int | None:
    """Return the most threads that a library of a worker may use."""
    facts = [threads for maker in makers for threads in _thread_facts(maker.log)]
    recorded = [_thread_count(threads.get(name)) for threads in facts for name in _THREAD_LIBRARIES]
    return max((count for count in recorded if count), default=None)


def _thread_facts(log: ProcessLog) -> list[dict[str, Any]]:
    """Return what a worker said of its threads, as it started and later on."""
    started = [row.get("threads") for row in log.table("worker").dicts()]
    meta = log.table("meta")
    later = [value for key, value in zip(meta.column("key"), meta.column("value"), strict=True) if key == "threads"]
    latest = [facts for facts in (*started, *later) if isinstance(facts, dict)]
    return latest[-1:]


def _thread_count(value: Any) -> int | None:
    text = str(value).split(",")[0] if value is not None else ""
    return int(text) if text.isdigit() else None


def _extreme(table: Table, name: str, window: Window, choose: Any) -> int | None:
    t, values = numbers(table, "t"), numbers(table, name)
    inside = values[(t >= window[0]) & (t <= window[1])]
    values = inside if len(inside) else values
    values = values[np.isfinite(values)]
    return whole(choose(values)) if len(values) else None


def _worker_memory(
    workers: list[Usage], at_once: int, trainer_bytes: float | None, windows: dict[int, Window]
) -> WorkerMemory | None:
    """Return the growth of as many workers as lived at once, each in its window; proportional sizes where they were
    read, else resident ones."""
    if not workers:
        return None
    growth, late, resident, rates, sizes = [], [], [], [], []
    for usage in workers:
        window = windows[usage.pid]
        name = "pss_bytes" if usage.growth("pss_bytes", window) is not None else "rss_bytes"
        t, values = usage.times(name, window), usage.inside(name, window)
        sizes.append(float(values[-1]) if len(values) else np.nan)
        if len(values) >= 2 and t[-1] > t[0]:
            growth.append(float(values[-1] - values[0]))
            held = usage.inside("rss_bytes", window)
            resident.append(float(held[-1] - held[0]) if len(held) >= 2 else np.nan)
            late.append(float(values[-1] - np.interp((t[0] + t[-1]) / 2, t, values)))
            rates.append(float(np.polyfit((t - t[0]) / 1e9, values, 1)[0]))
    return WorkerMemory(
        workers=at_once,
        growth_bytes_per_s=_times(at_once, mean(np.array(rates))),
        growth_bytes=_times(at_once, mean(np.array(growth))),
        rss_bytes=_times(at_once, mean(np.array(sizes))),
        trainer_rss_bytes=trainer_bytes,
        resident_growth_bytes=_times(at_once, mean(np.array(resident))),
        late_growth_bytes=_times(at_once, mean(np.array(late))),
    )


def _settled_ns(pid: int, makers: list[Maker], window: Window) -> float:
    """Return when a worker had its buffers and imports: after its third batch, else at the window's start."""
    ends = [maker.fetches["t1"] for maker in makers if maker.log.pid == pid and len(maker)]
    return float(max([window[0], *(batch[min(_SETTLED, len(batch) - 1)] for batch in ends)]))


def _times(count: int, value: float | None) -> float | None:
    return None if value is None else count * value


def _trainer_bytes(processes: Processes, usages: list[Usage], window: Window) -> float | None:
    trainers = {trainer.log.pid for trainer in processes.trainers}
    own = [values[-1] for usage in usages if usage.pid in trainers and len(values := usage.inside("rss_bytes", window))]
    return mean(np.array(own))


def _delay_share(makers: list[Maker]) -> float | None:
    """Return the share of the fetches in which a worker could run but had no core."""
    delay = np.concatenate([np.zeros(0), *(maker.fetches["delay_ns"] for maker in makers)])
    wall = np.concatenate([np.zeros(0), *(maker.fetches["t1"] - maker.fetches["t0"] for maker in makers)])
    known = np.isfinite(delay) & (wall > 0)
    return float(delay[known].sum() / wall[known].sum()) if known.any() else None
