"""The metric catalogue: name, unit, kind and help of every number that a view or an exporter gives away.

Each metric also knows how to read itself from a `Report`, so that Prometheus, `check`, `diff` and the dashboards
cannot disagree about what a name means. A value that was not measured gives no reading, never a zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.measures import Interval
from gpuwatch.model.report import Report

Unit = Literal["share", "s", "ms", "us", "bytes", "count", "per_s", "cores", "W", "J", "C", "MHz", "x"]
Kind = Literal["gauge", "counter"]
Value = float | int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a metric, with the labels that tell it from its siblings."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Metric:
    """One number: what it is called, what it means, and where in a report it stands."""

    name: str
    unit: Unit
    kind: Kind
    help: str
    read: Callable[[Report], Iterator[Reading]]

    @property
    def prometheus_name(self) -> str:
        """Return the name under Prometheus' conventions: base units, unit as a suffix, `_total` for counters."""
        suffix = _SUFFIXES[self.unit]
        name = f"gpuwatch_{self.name}"
        name = name if not suffix or name.endswith(suffix) else name + suffix
        return f"{name}_total" if self.kind == "counter" else name

    @property
    def prometheus_scale(self) -> float:
        """Return the factor to Prometheus' base unit."""
        return {"ms": 1e-3, "us": 1e-6}.get(self.unit, 1.0)


_SUFFIXES: dict[str, str] = {
    "share": "_ratio",
    "s": "_seconds",
    "ms": "_seconds",
    "us": "_seconds",
    "bytes": "_bytes",
    "count": "",
    "per_s": "_per_second",
    "cores": "_cores",
    "W": "_watts",
    "J": "_joules",
    "C": "_celsius",
    "MHz": "_mhz",
    "x": "_factor",
}


def _one(value: Value, **labels: str) -> Iterator[Reading]:
    if value is not None and math.isfinite(value):
        yield Reading(labels, float(value))


def _run(get: Callable[[Report], Value]) -> Callable[[Report], Iterator[Reading]]:
    return lambda report: _one(get(report))


def _loader(get: Callable[[LoaderProfile], Value]) -> Callable[[Report], Iterator[Reading]]:
    def read(report: Report) -> Iterator[Reading]:
        for loader in report.loaders:
            yield from _one(get(loader), loader=loader.id, rank=str(loader.rank), role=loader.role)

    return read


def _device(get: Callable[[DeviceProfile], Value]) -> Callable[[Report], Iterator[Reading]]:
    def read(report: Report) -> Iterator[Reading]:
        for device in report.devices:
            yield from _one(get(device), device=str(device.index), uuid=device.uuid)

    return read


def _median(interval: Interval | None) -> float | None:
    return interval.median if interval else None


def _phases(report: Report, shares: bool) -> Iterator[Reading]:
    for rank in report.ranks:
        for phase in rank.phases:
            yield from _one(phase.share if shares else phase.seconds, rank=str(rank.rank), phase=phase.name)


def _bound(report: Report) -> Iterator[Reading]:
    for bound in ("input", "compute", "host", "transfer", "communication", "startup", "unknown"):
        yield Reading({"bound": bound}, float(report.verdict.bound == bound))


def _findings(report: Report) -> Iterator[Reading]:
    for severity in ("critical", "warning", "info"):
        yield Reading({"severity": severity}, float(sum(f.severity == severity for f in report.findings)))


def _speedup(report: Report) -> float | None:
    return report.verdict.speedup_if_input_free.predicted if report.verdict.speedup_if_input_free else None


def _of_primary(get: Callable[[LoaderProfile], Value]) -> Callable[[Report], Iterator[Reading]]:
    def read(report: Report) -> Iterator[Reading]:
        loader = report.primary_loader
        if loader is not None:
            yield from _one(get(loader))

    return read


CATALOGUE: tuple[Metric, ...] = (
    Metric("run_duration", "s", "gauge", "Wall time of the run.", _run(lambda r: r.seconds)),
    Metric("bound", "count", "gauge", "1 for what bounds the run, 0 for the others.", _bound),
    Metric("findings", "count", "gauge", "Findings of the run by severity.", _findings),
    Metric(
        "input_wait",
        "share",
        "gauge",
        "Share of a training step spent waiting for data.",
        _run(lambda r: _median(r.verdict.input_wait_share)),
    ),
    Metric(
        "speedup_if_input_free",
        "x",
        "gauge",
        "Run time now over run time with an input pipeline that costs nothing.",
        _run(_speedup),
    ),
    Metric(
        "step",
        "ms",
        "gauge",
        "Time of a training step of the primary loader.",
        _of_primary(lambda x: _median(x.step_ms)),
    ),
    Metric("steps", "count", "counter", "Training steps taken.", _run(lambda r: sum(rank.steps for rank in r.ranks))),
    Metric(
        "samples_rate",
        "per_s",
        "gauge",
        "Samples per second of the primary loader.",
        _of_primary(lambda x: x.samples_per_s),
    ),
    Metric(
        "phase",
        "s",
        "gauge",
        "Wall time of a rank by phase; the phases of a rank sum to its wall time.",
        lambda r: _phases(r, shares=False),
    ),
    Metric("phase", "share", "gauge", "Share of a rank's wall time by phase.", lambda r: _phases(r, shares=True)),
    Metric("loader_batches", "count", "counter", "Batches that a loader handed over.", _loader(lambda x: x.batches)),
    Metric("loader_workers", "count", "gauge", "Worker processes of a loader.", _loader(lambda x: x.workers)),
    Metric(
        "loader_wait",
        "share",
        "gauge",
        "Share of a step spent in the loader's next.",
        _loader(lambda x: _median(x.wait_share)),
    ),
    Metric(
        "loader_wait",
        "ms",
        "gauge",
        "Time of a step spent in the loader's next.",
        _loader(lambda x: _median(x.wait_ms)),
    ),
    Metric(
        "loader_compute",
        "ms",
        "gauge",
        "Time of a step after its batch was handed over.",
        _loader(lambda x: _median(x.compute_ms)),
    ),
    Metric(
        "loader_gpu_wait",
        "ms",
        "gauge",
        "Time of a step with an empty GPU stream, by CUDA events.",
        _loader(lambda x: _median(x.gpu_wait_ms)),
    ),
    Metric(
        "loader_fetch",
        "ms",
        "gauge",
        "Typical wall time of making one batch.",
        _loader(lambda x: x.fetch.wall_ms.median if x.fetch else None),
    ),
    Metric(
        "loader_fetch_cpu",
        "ms",
        "gauge",
        "Typical CPU time of making one batch.",
        _loader(lambda x: x.fetch.cpu_ms if x.fetch else None),
    ),
    Metric(
        "loader_workers_busy",
        "share",
        "gauge",
        "Share of the workers' time spent on batches.",
        _loader(lambda x: x.fetch.busy_share if x.fetch else None),
    ),
    Metric(
        "loader_ready",
        "share",
        "gauge",
        "Asks that found their batch already there.",
        _loader(lambda x: x.queue.ready_share if x.queue else None),
    ),
    Metric(
        "cpu_usable",
        "cores",
        "gauge",
        "Cores that the run may use: affinity and cgroup quota.",
        _run(lambda r: r.machine.usable_cores),
    ),
    Metric("cpu_run", "cores", "gauge", "Cores that the run used.", _run(lambda r: r.machine.run_cores)),
    Metric("cpu_spare", "cores", "gauge", "Usable cores that nobody used.", _run(lambda r: r.machine.spare_cores)),
    Metric(
        "cpu_throttled",
        "share",
        "gauge",
        "Share of cgroup periods that were throttled.",
        _run(lambda r: r.machine.throttled_share),
    ),
    Metric("shm", "bytes", "gauge", "Size of /dev/shm.", _run(lambda r: r.machine.shm_total_bytes)),
    Metric("shm_peak", "bytes", "gauge", "Peak use of /dev/shm.", _run(lambda r: r.machine.shm_peak_bytes)),
    Metric(
        "device_busy",
        "share",
        "gauge",
        "Share of the time with some kernel running (NVML utilization).",
        _device(lambda d: d.busy),
    ),
    Metric(
        "device_sm_active",
        "share",
        "gauge",
        "Share of the chip's multiprocessors at work (GPM).",
        _device(lambda d: d.sm_active),
    ),
    Metric(
        "device_tensor_active",
        "share",
        "gauge",
        "Share of the time with the tensor pipe at work (GPM).",
        _device(lambda d: d.tensor_active),
    ),
    Metric(
        "device_dram_active",
        "share",
        "gauge",
        "Share of the time with device memory at work (GPM).",
        _device(lambda d: d.dram_active),
    ),
    Metric("device_memory_used", "bytes", "gauge", "Device memory in use.", _device(lambda d: d.memory_used_bytes)),
    Metric("device_memory", "bytes", "gauge", "Device memory there is.", _device(lambda d: d.memory_total_bytes)),
    Metric("device_power", "W", "gauge", "Mean power draw.", _device(lambda d: d.power_w)),
    Metric("device_energy", "J", "counter", "Energy used while the loop ran.", _device(lambda d: d.energy_j)),
    Metric("device_temperature", "C", "gauge", "Temperature.", _device(lambda d: d.temperature_c)),
    Metric("device_sm_clock", "MHz", "gauge", "Clock of the multiprocessors.", _device(lambda d: d.sm_mhz)),
    Metric(
        "hook",
        "us",
        "gauge",
        "What gpuwatch's hook cost per training step.",
        _run(lambda r: r.overhead.hook_us_per_step),
    ),
    Metric(
        "sampler_cpu",
        "share",
        "gauge",
        "Share of one core that gpuwatch's sampler used.",
        _run(lambda r: r.overhead.sampler_cpu_share),
    ),
    Metric("spool", "bytes", "gauge", "Size of the run's spool.", _run(lambda r: r.overhead.spool_bytes)),
)
