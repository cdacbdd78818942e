"""The metrics: every number of a run that has a name, declared once.

Prometheus, `--fail-on`, `gpuwatch diff`, the dashboards' test and docs/metrics.md read this catalogue. A value that
was not measured gives no reading, never a zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from gpuwatch.model.findings import Bound, Severity
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.measures import PHASES
from gpuwatch.model.readings import Measure, OfDevices, OfEach, OfLoaders, OfPhases, OfPrimary, OfRun, Reader
from gpuwatch.model.report import Report
from gpuwatch.records import dataclass
from gpuwatch.words.gpu_trace import BUSY_CLASSES, CLASSES
from gpuwatch.words.units import UNITS


@dataclass(frozen=True, slots=True)
class Compared:
    """The metric's row in `gpuwatch diff`. A rate has no interval of its own: it has that of the metric `inverse_of`.

    `always`: there is a row also when neither run measured it."""

    title: str
    inverse_of: str | None = None
    always: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a run. `about`: what it is, in one sentence. `aliases`: older names, which `--fail-on` takes too."""

    name: str
    unit: str
    about: str
    reader: Reader
    better: Literal["lower", "higher"] | None = None
    limit: bool = False
    aliases: tuple[str, ...] = ()
    diff: Compared | None = None
    kind: Literal["gauge", "counter"] = "gauge"
    exported: bool = True

    @property
    def prometheus_name(self) -> str:
        """Return the name under Prometheus' conventions: base units, unit as a suffix, `_total` for counters."""
        suffix = UNITS[self.unit].suffix
        name = self.name.removesuffix("_share") if self.unit == "share" else self.name
        name = name if suffix and name.endswith(suffix) else name + suffix
        return f"gpuwatch_{name}_total" if self.kind == "counter" else f"gpuwatch_{name}"


def _severities(report: Report, severity: str) -> float:
    return float(sum(finding.severity == severity for finding in report.findings))


def _speedup(report: Report) -> Measure:
    return report.verdict.speedup_if_input_free.predicted if report.verdict.speedup_if_input_free else None


VERDICT = (
    Metric(
        "bound",
        "count",
        "1 for the resource that limits the run, 0 for the others.",
        OfEach("bound", get_args(Bound), lambda r, bound: float(r.verdict.bound == bound)),
    ),
    Metric(
        "findings", "count", "Findings of the run, by severity.", OfEach("severity", get_args(Severity), _severities)
    ),
    Metric(
        "input_wait",
        "share",
        "Share of the training loop's time spent waiting for input.",
        OfRun(lambda r: r.verdict.input_wait_share),
        better="lower",
        limit=True,
    ),
    Metric(
        "speedup_if_input_free",
        "x",
        "Run time now over the predicted run time with an input pipeline that costs nothing.",
        OfRun(_speedup),
    ),
)

STEPS = (
    Metric(
        "step",
        "ms",
        "Mean time of a training step, from one batch being delivered to the next.",
        OfPrimary(lambda x: x.step_ms),
        better="lower",
        limit=True,
        aliases=("step_ms",),
        diff=Compared("step"),
    ),
    Metric(
        "steps", "count", "Training steps of all ranks.", OfRun(lambda r: sum(x.steps for x in r.ranks)), kind="counter"
    ),
    Metric(
        "steps_rate",
        "per_s",
        "Training steps per second.",
        OfPrimary(lambda x: x.steps_per_s),
        better="higher",
        limit=True,
        aliases=("steps_per_s",),
    ),
    Metric(
        "samples_rate",
        "per_s",
        "Samples per second of the training loop.",
        OfPrimary(lambda x: x.samples_per_s),
        better="higher",
        limit=True,
        aliases=("samples_per_s",),
        diff=Compared("samples per second", inverse_of="step", always=True),
    ),
)

LOADERS = (
    Metric(
        "loader_batches", "count", "Batches that the loader delivered.", OfLoaders(lambda x: x.batches), kind="counter"
    ),
    Metric("loader_workers", "count", "Worker processes of the loader.", OfLoaders(lambda x: x.workers)),
    Metric(
        "loader_wait_share",
        "share",
        "Share of a step spent in the loader's `__next__`.",
        OfLoaders(lambda x: x.wait_share),
        better="lower",
        diff=Compared("input wait", always=True),
    ),
    Metric(
        "loader_wait",
        "ms",
        "Time of a step spent in the loader's `__next__`.",
        OfLoaders(lambda x: x.wait_ms),
        better="lower",
        limit=True,
        aliases=("wait_ms",),
        diff=Compared("waiting, per step"),
    ),
    Metric(
        "loader_compute",
        "ms",
        "Time of a step after its batch was delivered.",
        OfLoaders(lambda x: x.compute_ms),
        better="lower",
        limit=True,
        aliases=("compute_ms",),
        diff=Compared("computing, per step"),
    ),
    Metric(
        "loader_gpu_wait",
        "ms",
        "Time of a step in which the GPU's stream was empty and the next batch was not there yet, by CUDA events.",
        OfLoaders(lambda x: x.gpu_wait_ms),
        better="lower",
        limit=True,
        aliases=("gpu_wait_ms",),
        diff=Compared("GPU waiting, per step"),
    ),
    Metric(
        "loader_fetch",
        "ms",
        "Median wall time of making one batch.",
        OfLoaders(lambda x: x.fetch.wall_ms if x.fetch else None),
        better="lower",
        diff=Compared("making a batch"),
    ),
    Metric(
        "loader_fetch_cpu",
        "ms",
        "Mean CPU time of making one batch.",
        OfLoaders(lambda x: x.fetch.cpu_ms if x.fetch else None),
        better="lower",
    ),
    Metric(
        "loader_workers_busy",
        "share",
        "Share of the workers' time spent on batches.",
        OfLoaders(lambda x: x.fetch.busy_share if x.fetch else None),
    ),
    Metric(
        "loader_ready",
        "share",
        "Share of the requests whose batch was already queued.",
        OfLoaders(lambda x: x.queue.ready_share if x.queue else None),
        better="higher",
    ),
)


def _share_of(phase: str) -> Metric:
    """Return the metric of one phase of the whole run; Prometheus has them as `gpuwatch_phase_ratio{phase=...}`."""
    return Metric(
        phase.replace(" ", "_").replace("-", "_"),
        "share",
        f"Share of the wall time in the phase `{phase}`.",
        OfRun(lambda r: next((x.share for x in r.phases if x.name == phase), None)),
        limit=True,
        exported=False,
    )


RUN = (
    Metric(
        "run_duration",
        "s",
        "Wall time of the run.",
        OfRun(lambda r: r.seconds),
        better="lower",
        limit=True,
        aliases=("duration",),
        diff=Compared("run"),
    ),
    Metric(
        "phase", "s", "Wall time of a rank by phase; the phases of a rank sum to it.", OfPhases(lambda x: x.seconds)
    ),
    Metric("phase_share", "share", "Share of a rank's wall time by phase.", OfPhases(lambda x: x.share)),
    # `input_wait` is the share of the loop, by which a run is judged.
    *(_share_of(phase) for phase in PHASES if phase != "input wait"),
)

MACHINE = (
    Metric(
        "cpu_usable",
        "cores",
        "Cores that the run may use: the smaller of affinity and cgroup quota.",
        OfRun(lambda r: r.machine.usable_cores),
    ),
    Metric("cpu_run", "cores", "Cores that the run used.", OfRun(lambda r: r.machine.run_cores)),
    Metric("cpu_spare", "cores", "Usable cores that were idle.", OfRun(lambda r: r.machine.spare_cores)),
    Metric(
        "cpu_throttled",
        "share",
        "Share of cgroup periods that were throttled.",
        OfRun(lambda r: r.machine.throttled_share),
        better="lower",
    ),
    Metric("shm", "bytes", "Size of /dev/shm.", OfRun(lambda r: r.machine.shm_total_bytes)),
    Metric("shm_peak", "bytes", "Peak use of /dev/shm.", OfRun(lambda r: r.machine.shm_peak_bytes)),
)

DEVICES = (
    Metric(
        "device_busy",
        "share",
        "Share of the time in which at least one kernel ran (NVML utilization).",
        OfDevices(lambda d: d.busy),
        better="higher",
        limit=True,
        aliases=("gpu_busy",),
    ),
    Metric(
        "device_sm_active",
        "share",
        "Share of the GPU's multiprocessors at work (GPM).",
        OfDevices(lambda d: d.sm_active),
        better="higher",
        limit=True,
        aliases=("sm_active",),
    ),
    Metric(
        "device_tensor_active",
        "share",
        "Share of the time in which the tensor cores were at work (GPM).",
        OfDevices(lambda d: d.tensor_active),
        better="higher",
    ),
    Metric(
        "device_dram_active",
        "share",
        "Share of the time in which the device memory was at work (GPM).",
        OfDevices(lambda d: d.dram_active),
    ),
    Metric("device_memory_used", "bytes", "Device memory in use.", OfDevices(lambda d: d.memory_used_bytes)),
    Metric("device_memory", "bytes", "Size of the device memory.", OfDevices(lambda d: d.memory_total_bytes)),
    Metric("device_power", "W", "Mean power draw.", OfDevices(lambda d: d.power_w)),
    Metric("device_energy", "J", "Energy used while the loop ran.", OfDevices(lambda d: d.energy_j), kind="counter"),
    Metric("device_temperature", "C", "Highest temperature.", OfDevices(lambda d: d.temperature_c)),
    Metric("device_sm_clock", "MHz", "Mean clock of the multiprocessors.", OfDevices(lambda d: d.sm_mhz)),
)

OVERHEAD = (
    Metric(
        "hook",
        "us",
        "Cost of gpuwatch's hook per training step.",
        OfRun(lambda r: r.overhead.hook_us_per_step),
        better="lower",
    ),
    Metric(
        "sampler_cpu",
        "share",
        "Share of one core that gpuwatch's sampler used.",
        OfRun(lambda r: r.overhead.sampler_cpu_share),
        better="lower",
    ),
    Metric("spool", "bytes", "Size of the run's event log.", OfRun(lambda r: r.overhead.spool_bytes)),
)


def _traced(get: Callable[[GpuTime], Measure]) -> OfRun:
    def read(report: Report) -> Measure:
        time = report.judged_gpu
        return None if time is None else get(time)

    return OfRun(read)


def _class(key: str, title: str, about: str) -> Metric:
    """Return the metric of one class of a traced device's time."""
    return Metric(
        f"gpu_time_{key}",
        "share",
        f"Of a GPU trace: {about}; share of the device's time.",
        _traced(lambda time: time.share(key)),
        better="higher" if key == "compute" else "lower",
        limit=True,
        diff=Compared(title if key in BUSY_CLASSES else f"idle: {title}"),
        exported=False,
    )


TRACED = (
    Metric(
        "traced_step",
        "ms",
        "Of a GPU trace: mean time of a step.",
        _traced(lambda time: time.step_ms),
        better="lower",
        limit=True,
        diff=Compared("step"),
        exported=False,
    ),
    Metric(
        "gpu_idle",
        "share",
        "Of a GPU trace: share of the time from the device's first to its last activity in which nothing ran.",
        _traced(lambda time: time.idle_share),
        better="lower",
        limit=True,
        diff=Compared("GPU idle"),
        exported=False,
    ),
    *(_class(*each) for each in CLASSES),
)

# In the order of `gpuwatch diff` and of docs/metrics.md.
SECTIONS: dict[str, tuple[Metric, ...]] = {
    "Verdict": VERDICT,
    "Training steps": STEPS,
    "Loaders": LOADERS,
    "Run and phases": RUN,
    "CPU and shared memory": MACHINE,
    "GPUs": DEVICES,
    "gpuwatch itself": OVERHEAD,
    "GPU traces": TRACED,
}
CATALOGUE: tuple[Metric, ...] = tuple(metric for section in SECTIONS.values() for metric in section)
# Every name that a limit of --fail-on may use.
LIMITS: dict[str, Metric] = {
    name: metric for metric in CATALOGUE if metric.limit for name in (metric.name, *metric.aliases)
}
