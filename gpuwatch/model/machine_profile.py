"""What was derived of the host, its GPUs and the memory of the workers."""

from __future__ import annotations

from dataclasses import field

from gpuwatch.model.worker_profile import CpuMasks
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class WorkerMemory:
    """Growth of the workers' memory while the loop ran; `late_growth_bytes`: in the second half of that time.

    `resident_growth_bytes`: of the resident sizes, which hold pages shared with the trainer from the start: growth
    without it is pages copied. `trainer_rss_bytes`, the trainer's at the end of that time, is for `--json` only."""

    workers: int
    growth_bytes_per_s: float | None
    growth_bytes: float | None
    rss_bytes: float | None
    trainer_rss_bytes: float | None
    late_growth_bytes: float | None = None
    resident_growth_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class MachineProfile:
    """The host while the training loop ran. Cores are counts; `usable_cores` = min(affinity, cgroup quota).

    `spare_cores` is what neither this run nor others used, at most `usable_cores` minus the run's own use.
    `memory_pressure` is for `--json` only."""

    cores: int | None
    affinity_cores: int | None
    quota_cores: float | None
    usable_cores: float | None
    busy_cores: float | None
    run_cores: float | None
    other_cores: float | None
    spare_cores: float | None
    cpu_pressure: float | None
    io_pressure: float | None
    memory_pressure: float | None
    throttled_share: float | None
    threads_per_worker: float | None
    library_threads: int | None
    shm_total_bytes: int | None
    shm_peak_bytes: int | None
    memory_total_bytes: int | None
    memory_low_bytes: int | None
    worker_memory: WorkerMemory | None
    worker_delay_share: float | None
    local_ranks: int = 1
    masks: CpuMasks | None = None


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """One GPU while the loop ran. Shares 0..1. `throttle` maps a reason's name to its share of the samples.
    `xids`, the driver's error numbers, are for `--json` only; the timeline shows them from the samples."""

    index: int
    uuid: str
    name: str
    busy: float | None
    sm_active: float | None
    occupancy: float | None
    tensor_active: float | None
    dram_active: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    memory_peak_bytes: int | None
    power_w: float | None
    power_limit_w: float | None
    energy_j: float | None
    temperature_c: float | None
    sm_mhz: float | None
    sm_mhz_max: float | None
    throttle: dict[str, float] = field(default_factory=dict)
    other_pids: tuple[int, ...] = ()
    foreign_memory_bytes: int | None = None
    ranks: tuple[int, ...] = ()
    xids: tuple[int, ...] = ()
    unsupported: tuple[str, ...] = ()
    # Of a job on several nodes: which one it is in; None in a run of one node.
    host: str | None = None
