"""What was derived of a loader: its steps, its fetches, their operations, its queue."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from gpuwatch.model.measures import INTERNAL, Interval, Place
from gpuwatch.model.worker_profile import WorkersProfile
from gpuwatch.records import dataclass

# What is called less often for a sample is called for a batch, or for some samples only.
_PER_SAMPLE = 0.5


@dataclass(frozen=True, slots=True)
class OperationProfile:
    """One named stage of a fetch. `ms_per_sample` and `share` count the operation's own time, not that of
    the operations inside it. `position` is its order of first call in a sample; pixels are medians per call.
    `opened_by`: of a decoded image, the module that opened the file, at `opened_where`."""

    name: str
    kind: Literal["decode", "transform", "dataset", "collate", "serialise"]
    share: float
    ms_per_sample: float
    calls_per_sample: float = 1.0
    where: Place | None = None
    position: int | None = None
    pixels_in: float | None = None
    pixels_out: float | None = None
    bytes_in: float | None = None
    opened_by: str | None = None
    opened_where: Place | None = None

    @property
    def works_on_batches(self) -> bool:
        """Whether it is called for whole batches, as in a collate function, and not for each sample."""
        return self.kind == "collate" or self.calls_per_sample < _PER_SAMPLE


@dataclass(frozen=True, slots=True)
class FetchProfile:
    """What making a batch takes, in a worker or (workers = 0) in the trainer: `wall_ms` a median, the rest means,
    so that the parts add up to `mean_wall_ms`.

    wall = cpu (this thread) + delay (runnable, no core) + blocked (the rest: reads, locks, library threads).
    `process_cpu_ms` adds the library's own threads. `busy_share` is the share of the workers' time, while the
    loop ran, that was not spent waiting for an index. `work_spread`: 95th percentile over median of wall - delay.
    `slow_share`, for `--json` only: share of batches whose wall is above three times the median."""

    n: int
    wall_ms: Interval
    mean_wall_ms: float
    p95_wall_ms: float
    max_wall_ms: float
    cpu_ms: float | None
    process_cpu_ms: float | None
    delay_ms: float | None
    blocked_ms: float | None
    index_wait_ms: float
    busy_share: float | None
    collate_ms: float
    serialise_ms: float | None
    bytes_per_batch: float | None
    tensors_per_batch: float | None
    float_bytes_share: float | None
    samples_per_batch: float | None
    read_bytes_per_batch: float | None
    rchar_per_batch: float | None
    slow_share: float | None = None
    batched: bool = False
    gc_ms: float | None = None
    work_spread: float | None = None
    # Of the tensors of a batch, and of the storages beneath them; more where tensors are views of larger ones.
    tensor_bytes_per_batch: float | None = field(default=None, metadata=INTERNAL)
    storage_bytes_per_batch: float | None = field(default=None, metadata=INTERNAL)


@dataclass(frozen=True, slots=True)
class QueueProfile:
    """What stood in the queue when the trainer asked for a batch.

    `ready_share`: asks that found their batch already there. `late_share`: share of the waited time during
    which later batches were ready and held back by in-order delivery. `awaited_skew`: share of the waited time
    owed to the most-awaited worker. `unmade_share`: share of the waited time before the wanted batch had been sent.
    `receive_ms`: per request, the time inside it after the wanted batch had been sent: it is read from the pipe, its
    tensors are rebuilt, and pinned; without waits for a core. `mean_ready` and `awaited_skew` are for `--json` only."""

    ready_share: float | None
    mean_ready: float | None
    late_share: float | None
    awaited_skew: float | None = None
    unmade_share: float | None = None
    receive_ms: float | None = None


@dataclass(frozen=True, slots=True)
class SamplerProfile:
    """The sampler (or batch sampler) that draws a loader's indices: in the training process, whatever the workers do.

    `seconds`: in requests for batches, `ms_per_batch` a mean; `start_seconds`: per pass, before the first batch. `share`: of
    the loop's time, without the first pass's start. `name`, `where`: the user's own, else the name of torch's."""

    seconds: float
    ms_per_batch: float
    start_seconds: tuple[float, ...]
    share: float
    name: str | None
    where: Place | None


@dataclass(frozen=True, slots=True)
class WorkerStops:
    """Stops of a loader's workers: `count` in all, `seconds` in all, `at_exit_s` of them after the last batch of the run.

    `left_behind`: the name of a thread or process that most often kept workers from exiting, `left_where`: the line that
    started it, `left_in`: in how many workers. `drops`: stops before the data's end, with the line that dropped the iterator
    and the library's module that did."""

    count: int
    seconds: float
    at_exit_s: float
    left_behind: str | None
    left_where: Place | None
    left_in: int
    drops: int
    drop_where: Place | None
    drop_by: str | None


@dataclass(frozen=True, slots=True)
class SkippedBatches:
    """Batches that were made and thrown away before the first one that was trained on; `where`: the line that asked."""

    count: int
    seconds: float
    where: Place | None


@dataclass(frozen=True, slots=True)
class Feed:
    """What share of a loop's stack samples its own thread spends getting the next batch, where the loop is not over a
    DataLoader; `unknown`: why that is not known, None where it is."""

    share: Interval | None
    unknown: Literal["no samples", "no model", "no source"] | None = None


@dataclass(frozen=True, slots=True)
class WrapperProfile:
    """What the loop asks instead of the loader: an iterator round it, of a `library`, whose own work is done in the training
    process before or after the loader's. `ms`: that work per step, `share`: of the step; `where`: the function that asks."""

    library: str
    name: str
    ms: float
    share: Interval
    where: Place | None


@dataclass(frozen=True, slots=True)
class LoaderProfile:
    """One DataLoader of one rank, all its iterators (epochs) together, warm-up left out of the step figures.

    `step_ms` = `wait_ms` + `compute_ms`, means with block-bootstrap intervals (workers deliver in bursts: most steps of
    a starved loop wait for nothing); `gpu_wait_ms` is None without events of a device. `first_batch_s`: per pass over the
    loader (epoch), from asking for the iterator to having its first batch; `startup_s`: the part of each that made
    the iterator and its worker processes (0 for a persistent one). `seconds` and `wait_seconds` add up the steps
    without those first batches, `batches` counts all. `passes`: how often it was gone over, more than `iterators` where
    one iterator serves several. `epoch_batches`: mean batches per pass. `attributes`: what the
    hook recorded about the loader, and `remade` (True) when it was constructed again and again. `iterated_where`: the user's
    line that loops over it. `stop_s`: per pass, the call that found the data at its end (it stops the workers unless they
    persist). `worker_starts`: passes whose workers were no earlier pass's, by their pids. `whole_passes`: the length of each
    pass that came to its end, in `whole_passes_unit`. `workers_seen`: what each worker did. `own_loop`: no DataLoader at all
    but a loop whose steps the optimizer tells; its waits are what stack samples say, in `feed`, and None where they do not.
    `pipeline`: no DataLoader of torch's but that library's, or an iterator that the user named; `wrapper`: what the loop
    asks instead of the loader."""

    id: str
    rank: int
    role: Literal["training", "evaluation", "inference"]
    dataset: str
    dataset_where: Place | None
    created_where: Place | None
    workers: int
    batch_size: int | None
    prefetch: int | None
    persistent: bool
    pin_memory: bool
    in_order: bool
    start_method: str | None
    dataset_length: int | None
    iterators: int
    batches: int
    steps: int
    seconds: float
    steps_per_s: float | None
    samples_per_s: float | None
    step_ms: Interval | None
    wait_ms: Interval | None
    compute_ms: Interval | None
    gpu_wait_ms: Interval | None
    wait_share: Interval | None
    wait_clock: Literal["host", "cuda", "device"]
    wait_seconds: float
    compute_cpu_share: float | None
    epoch_batches: float | None
    startup_s: tuple[float, ...]
    first_batch_s: tuple[float, ...]
    queue: QueueProfile | None
    fetch: FetchProfile | None
    operations: tuple[OperationProfile, ...] = ()
    worker_pids: tuple[int, ...] = ()
    dataset_kind: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    iterated_where: Place | None = None
    stop_s: tuple[float, ...] = ()
    own_loop: bool = False
    passes: int = 0
    sampler: SamplerProfile | None = None
    worker_starts: int = 0
    worker_stops: WorkerStops | None = None
    skipped: SkippedBatches | None = None
    whole_passes: tuple[int, ...] = ()
    whole_passes_unit: Literal["samples", "batches"] = "samples"
    workers_seen: WorkersProfile | None = None
    pipeline: str | None = None
    wrapper: WrapperProfile | None = None
    # Of a training that was attached to: the stack samples in its loop, from which its shares are. None where events tell.
    samples: int | None = None
    # Of a loop that is not over a DataLoader.
    feed: Feed | None = None
    # Whether it is not known how long a step takes: then its times are None or, in the fetch, of steps of one second.
    relative: bool = False
    # Mean wait of the steps that were recorded in full, as fetches are; None where there are none.
    recorded_wait_ms: float | None = field(default=None, metadata=INTERNAL)

    @property
    def observed(self) -> int:
        """Steps that the figures rest on, or stack samples of a training that was attached to."""
        return self.steps if self.samples is None else self.samples

    @property
    def restart_seconds(self) -> float:
        """Seconds waited for the first batches of every pass but the first."""
        return sum(self.first_batch_s[1:])

    @property
    def waited_share(self) -> Interval | None:
        """Share of the loop waited for data: inside steps, and for the first batch of later passes."""
        share, whole = self.wait_share, self.seconds + self.restart_seconds
        if share is None or self.restart_seconds <= 0 or whole <= 0:
            return share
        kept, added = self.seconds / whole, self.restart_seconds / whole
        return Interval(share.median * kept + added, share.low * kept + added, share.high * kept + added, share.n)

    @property
    def has_an_iterator_for_each_step(self) -> bool:
        """Whether hardly more than a batch came from each iterator: `next(iter(loader))` in every step."""
        return len(self.first_batch_s) > 1 and self.epoch_batches is not None and self.epoch_batches <= 1.5
