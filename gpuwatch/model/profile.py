"""What was derived of a run, as a whole: all that the rules may look at."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from gpuwatch.model.contents import LargeTable, Padding
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.hot_lines import HotLine, StackQuality
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import DeviceProfile, MachineProfile
from gpuwatch.model.measures import INTERNAL, Interval, Phase, Place
from gpuwatch.model.process_state import ProcessState
from gpuwatch.model.rank_comparison import RankSteps, RankWork
from gpuwatch.model.recording import Gap, RunInfo
from gpuwatch.model.setups import Setup
from gpuwatch.model.threads import TrainerThreads
from gpuwatch.model.traced_windows import TracedWindows
from gpuwatch.model.trend import Trend
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Rollout:
    """Time in which the model acts instead of being trained. `share`: of the loop; `policy`, `environment`: shares of it,
    and `handed` that part of the environment's in which the trainer waits for other threads or processes."""

    seconds: float
    share: float
    policy: float
    environment: float
    handed: float = 0.0


@dataclass(frozen=True, slots=True)
class LongSteps:
    """Regular or single steps far above the median. `excess_s` is their time above it; `period` in steps.

    `evaluation_s` and `rollout`: what samples say the model did in them; `excess_s` and `share` are without that."""

    count: int
    excess_s: float
    share: float
    median_ms: float
    period: float | None
    regular: bool
    where: Place | None
    cause: Literal["checkpoint", "gc", "evaluation", "rollout", "unknown"]
    spans: tuple[tuple[int, int], ...] = ()
    evaluation_s: float = 0.0
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True)
class RankProfile:
    """One training process. `phases` sum to `seconds`; `start_s`: when it began, in seconds of the run. A step is a batch:
    `batches_per_backward` of them are requested for each backward pass, None where none was recorded. `saving_s`: in calls
    that write checkpoints between its loops, most of it at `saving_where`."""

    rank: int
    local_rank: int
    world_size: int
    host: str
    pid: int
    python: str
    torch: str | None
    device: str | None
    seconds: float
    phases: tuple[Phase, ...]
    steps: int
    warmup_steps: int
    step_ms: Interval | None
    wait_share: Interval | None
    backward_ms: float | None
    long_steps: LongSteps | None
    gc_seconds: float
    gc_collections: int
    hook_us_per_step: float | None
    first_batch_s: float | None
    run_queue_delay_share: float | None = None
    start_s: float | None = None
    batches_per_backward: float | None = None
    saving_s: float = 0.0
    saving_where: Place | None = None


@dataclass(frozen=True, slots=True)
class Unentered:
    """A Python of the run's tree that the hook could not enter."""

    pid: int
    command: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Costs:
    """The throughput model's parameters for the primary loader: T = iterators * S(n) + batches * step(n) + rest, with
    step(n) = max(G - Q + Q * L(n) / L + I, k * max(P / n, C / cores), (C + H * G) / shared) for n >= 1 workers and
    step(0) = G + P + I.

    `device_ms` G: the step without waiting; `work_ms` P: worker CPU-and-blocked time per batch; `work_cpu_ms` C: the
    part that needs a core; `startup_s` S(n) per iterator: until its first batch, and stopping its workers; `cores`
    those that workers may use; `queued_ms` Q: the part of `device_ms` in which the trainer waited for a core that its
    workers held, `load` L cores of them on average. `shared_cores`: those that trainer and workers have together. Where no
    workers were beside it: `trainer_cores` H, what all threads of the trainer use in its own part of a step,
    `trainer_threads`, how many it computes with, and `threads_ms` W, the CPU time of its other threads in making a batch; else
    0, 1 and 0. A worker has one library thread: P and C of workers are W more than the trainer's own. `index_ms` I: what the
    loader's sampler takes of the trainer per batch, with workers or without; `wrapper_ms`, the part of G that a wrapper round
    the loader takes of the trainer. k fits the input term to `step_ms`, the measured
    mean step."""

    device_ms: float
    work_ms: float
    work_cpu_ms: float
    workers: int
    cores: float
    spare_cores: float
    batches: float
    iterators: float
    startup_s: float
    step_ms: float
    seconds: float
    queued_ms: float = 0.0
    load: float = 0.0
    shared_cores: float = 0.0
    trainer_cores: float = 0.0
    trainer_threads: int = 1
    threads_ms: float = 0.0
    index_ms: float = 0.0
    wrapper_ms: float = 0.0
    # Whether the loop waits for batches to be handed over, more than for them to be made.
    handed_over: bool = field(default=False, metadata=INTERNAL)
    # Whether it is not known how long a step takes: then all times are of a step of about one second.
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Overhead:
    """What gpuwatch itself cost in this run. `stacks_cpu_share`, of one core, is for `--json` only."""

    hook_us_per_step: float | None
    sampler_cpu_share: float | None
    spool_bytes: int
    stacks_cpu_share: float | None = None
    dropped_events: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything that the rules may look at. `primary` is the loader that the verdict is about, `trend` is of its steps,
    `state` of its process."""

    run: RunInfo
    seconds: float
    ranks: tuple[RankProfile, ...]
    loaders: tuple[LoaderProfile, ...]
    primary: LoaderProfile | None
    machine: MachineProfile
    devices: tuple[DeviceProfile, ...]
    hot_lines: tuple[HotLine, ...]
    stacks: StackQuality
    unentered: tuple[Unentered, ...]
    costs: Costs | None
    overhead: Overhead
    gaps: tuple[Gap, ...] = ()
    problems: tuple[str, ...] = ()
    seen_pythons: int = 0
    # Files of the event log that give nothing, or end in the middle of an event.
    damaged_logs: int = 0
    torch_seen: bool = False
    trend: Trend | None = None
    state: ProcessState | None = None
    threads: tuple[TrainerThreads, ...] = ()
    padding: Padding | None = None
    tables: tuple[LargeTable, ...] = ()
    setups: tuple[Setup, ...] = ()
    # Whether the hook looked into batches and gradients; older recordings did not.
    looked: bool = False
    gpu_time: tuple[GpuTime, ...] = ()
    # The run's own windows of torch.profiler; None where none was asked for.
    traced: TracedWindows | None = None
    # The ranks side by side, where there are several: None with too few steps that all of them have, or without their calls
    # that wait for each other.
    rank_steps: RankSteps | None = None
    rank_work: tuple[RankWork, ...] | None = None
