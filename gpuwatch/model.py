"""The data that the parts of gpuwatch hand each other: frozen dataclasses, standard library only.

Three layers, each made from the one above by plain functions:

`Recording`  what was stored: the run's metadata and one log of raw events per process
`Profile`    what was derived: per rank, loader, operation, device; what the rules read
`Report`     what is said: verdict, phases, findings; what the views read and `--json` prints

Times called `*_ns` are `time.monotonic_ns` of the host unless the name says otherwise, `*_s` are
seconds, shares are 0..1. `None` means "not measured"; zero was measured.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal

# Recording

Row = list[Any]


class ColumnRows(Sequence[Row]):
    """Rows of a large table, kept by column: taking a column costs no row."""

    @abstractmethod
    def column(self, at: int) -> list[Any]:
        """Return the values of one column; None where a row is too short."""

    @abstractmethod
    def floats(self, at: int) -> Any:
        """Return one column as a numpy array of floats; NaN where there is no number."""

    @abstractmethod
    def pick(self, at: int, positions: Sequence[int]) -> list[Any]:
        """Return the values of one column in some rows, which are given in ascending order."""


@dataclass(frozen=True, slots=True)
class Table:
    """All events of one kind in one process's log, in the order they were written."""

    kind: str
    columns: tuple[str, ...]
    rows: Sequence[Row]

    def column(self, name: str) -> list[Any]:
        """Return one column as a list; a column that this log's version lacks is all None."""
        if name not in self.columns:
            return [None] * len(self.rows)
        at = self.columns.index(name)
        if isinstance(self.rows, ColumnRows):
            return self.rows.column(at)
        try:
            return list(map(itemgetter(at), self.rows))
        except IndexError:
            return [row[at] if at < len(row) else None for row in self.rows]

    def pick(self, name: str, positions: Sequence[int]) -> list[Any]:
        """Return the values of one column in some rows, which are given in ascending order."""
        if isinstance(self.rows, ColumnRows) and name in self.columns:
            return self.rows.pick(self.columns.index(name), positions)
        column = self.column(name)
        return [column[position] for position in positions]

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries; for small tables."""
        return [dict(zip(self.columns, row, strict=False)) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class ProcessLog:
    """One spool file: the header that its writer put first, and its events by kind."""

    name: str
    header: dict[str, Any]
    tables: dict[str, Table]
    torn: bool = False
    skipped_lines: int = 0

    @property
    def pid(self) -> int:
        return int(self.header["pid"])

    @property
    def writer(self) -> str:
        """Who wrote it: `hook`, `sampler` or `stacks`."""
        return str(self.header.get("writer", "unknown"))

    def table(self, kind: str) -> Table:
        """Return the events of a kind; an empty table when there are none."""
        return self.tables.get(kind) or Table(kind, tuple(self.header.get("columns", {}).get(kind, ())), [])


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The run's metadata (`run.json`). `exit_code` and `signal` are None while it runs or was lost."""

    id: str
    name: str | None
    command: tuple[str, ...]
    cwd: str
    host: str
    started_wall_ns: int
    started_ns: int
    ended_ns: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    supervisor_pid: int | None = None
    child_pid: int | None = None
    gpuwatch: str = ""
    state: Literal["running", "finished", "lost"] = "finished"
    experiment: dict[str, Any] | None = None
    # Start ticks (field 22 of /proc/PID/stat) and boot id tell these pids from later ones of the same number.
    boot_id: str | None = None
    supervisor_start: int | None = None
    child_start: int | None = None
    # What went wrong with the recording itself, for a person.
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time for which a writer has no data, and why."""

    start_ns: int
    end_ns: int
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A run folder as read: nothing derived. `problems` are lines for a person (torn, foreign, dropped)."""

    run: RunInfo
    logs: tuple[ProcessLog, ...]
    path: str
    bytes: int = 0
    problems: tuple[str, ...] = ()

    def by_writer(self, writer: str) -> list[ProcessLog]:
        """Return the logs of one kind of writer."""
        return [log for log in self.logs if log.writer == writer]


# Profile


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with its 95 % bootstrap interval over `n` observations."""

    median: float
    low: float
    high: float
    n: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A position in somebody's source."""

    file: str
    line: int
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """One row of the partition of a rank's wall time."""

    name: str
    seconds: float
    share: float


PHASES = (
    "startup",
    "loader startup",
    "input wait",
    "forward",
    "backward",
    "optimizer",
    "other in-step",
    "evaluation",
    "between loops",
    "shutdown",
    "unexplained",
)


@dataclass(frozen=True, slots=True)
class OperationProfile:
    """One named stage of a fetch. `ms_per_sample` and `share` count the operation's own time, not that of
    the operations inside it. `position` is its order of first call in a sample; pixels are medians per call."""

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


@dataclass(frozen=True, slots=True)
class QueueProfile:
    """What stood in the queue when the trainer asked for a batch.

    `ready_share`: asks that found their batch already there. `late_share`: share of the waited time during
    which later batches were ready and held back by in-order delivery. `awaited_skew`: share of the waited time
    owed to the most-awaited worker. `unmade_share`: share of the waited time before the wanted batch had been sent.
    `mean_ready` and `awaited_skew` are for `--json` only."""

    ready_share: float | None
    mean_ready: float | None
    late_share: float | None
    awaited_skew: float | None = None
    unmade_share: float | None = None


@dataclass(frozen=True, slots=True)
class LoaderProfile:
    """One DataLoader of one rank, all its iterators (epochs) together, warm-up left out of the step figures.

    `step_ms` = `wait_ms` + `compute_ms`, means with block-bootstrap intervals (workers deliver in bursts: most steps of
    a starved loop wait for nothing); `gpu_wait_ms` is None without CUDA events. `first_batch_s`: per pass over the
    loader (epoch), from asking for the iterator to having its first batch; `startup_s`: the part of each that made
    the iterator and its worker processes (0 for a persistent one). `seconds` and `wait_seconds` add up the steps
    without those first batches, `batches` counts all. `epoch_batches`: mean batches per pass. `attributes`: what the
    hook told of the loader, and `remade` (True) when it was constructed again and again. `iterated_where`: the user's
    line that loops over it. `stop_s`: per pass, the call that found the data at its end (it stops the workers unless they
    persist). `own_loop`: no DataLoader at all but a loop whose steps the optimizer tells; what it waits for is None."""

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
    wait_clock: Literal["host", "cuda"]
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

    @property
    def has_an_iterator_for_each_step(self) -> bool:
        """Whether hardly more than a batch came from each iterator: `next(iter(loader))` in every step."""
        return len(self.first_batch_s) > 1 and self.epoch_batches is not None and self.epoch_batches <= 1.5


@dataclass(frozen=True, slots=True)
class LongSteps:
    """Regular or single steps far above the median. `excess_s` is their time above it; `period` in steps."""

    count: int
    excess_s: float
    share: float
    median_ms: float
    period: float | None
    regular: bool
    where: Place | None
    cause: Literal["checkpoint", "gc", "evaluation", "unknown"]
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RankProfile:
    """One training process. `phases` sum to `seconds`."""

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


@dataclass(frozen=True, slots=True)
class HotLine:
    """A source line with the share of its role's work it costs.

    `share`: of the role's samples that were work (loader work for workers). `waited_share`: of the samples taken
    while the trainer waited for this worker's batch. `callee`: the library function below it, for people.
    `activity` of its process at that instant: fetch | collate | serialise (making batches), step | long step | evaluation
    (in a loop), between loops (share of the time there), startup | importing (before the first batch; a trainer's share
    is of all the time until then, seen or not).
    `blocked_share`: samples asleep or in a blocking call, None where neither the samples nor the CPU time of their
    process tell. `makes`: the dataset's or transform's class that this line makes, where its library code took the time."""

    file: str
    line: int
    function: str
    process_role: Literal["worker", "trainer"]
    share: float
    seconds: float
    waited_share: float | None
    activity: str
    callee: str | None
    source: str | None
    samples: int
    speedup_if_free: float | None = None
    blocked_share: float | None = None
    stack: tuple[str, ...] = ()
    makes: str | None = None


_CALL = re.compile(r"^(\S+) \((.*):(\d+)\)$")


def read_call(entry: str) -> Place | None:
    """Read an entry of `HotLine.stack`, `function (file:line)`; None for one that is none."""
    told = _CALL.match(entry)
    return Place(told[2], int(told[3]), told[1]) if told else None


@dataclass(frozen=True, slots=True)
class StackQuality:
    """Who took the stack samples, how many, and how far to trust them."""

    sampler: Literal["py-spy", "timer", "none"]
    samples: int
    trust: Literal["high", "medium", "low", "none"]
    note: str


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
    step(n) = max(G - Q + Q * L(n) / L, k * max(P / n, C / cores)) for n >= 1 workers and step(0) = G + P.

    `device_ms` G: the step without waiting; `work_ms` P: worker CPU-and-blocked time per batch; `work_cpu_ms` C: the
    part that needs a core; `startup_s` S(n) per iterator: until its first batch, and stopping its workers; `cores`
    those that workers may use; `queued_ms` Q: the part of `device_ms` in which the trainer waited for a core that its
    workers held, `load` L cores of them on average. k fits the input term to `step_ms`, the measured mean step."""

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
    """Everything that the rules may look at. `primary` is the loader that the verdict is about."""

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
    torch_seen: bool = False


# findings

Severity = Literal["critical", "warning", "info"]
Confidence = Literal["high", "medium", "low", "borderline"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured value that a finding rests on, with the threshold it was held against."""

    metric: str
    value: float | int | str | None
    unit: str
    threshold: float | None = None
    n: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Speedup:
    """Predicted run time now / run time after; `basis` says from what."""

    predicted: float
    low: float
    high: float
    basis: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says. `advice` is one or more imperative sentences; `edit` a code edit; `verify` a command."""

    id: str
    severity: Severity
    confidence: Confidence
    summary: str
    evidence: tuple[Evidence, ...]
    advice: str
    where: Place | None = None
    speedup: Speedup | None = None
    verify: str | None = None
    edit: str | None = None
    explains: tuple[str, ...] = ()
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Clear:
    """The rule had what it needs and found nothing."""

    id: str


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """The rule could not look; `missing` names what it lacks."""

    id: str
    missing: str


Outcome = Finding | Clear | NotEvaluated

# Report

Bound = Literal["input", "compute", "host", "transfer", "communication", "startup", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What bounds the run. `reason` is one sentence for a person."""

    bound: Bound
    confidence: Confidence
    input_wait_share: Interval | None
    clock: Literal["host", "cuda"]
    speedup_if_input_free: Speedup | None
    reason: str
    headline: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the timeline. `t_s` seconds since the run started. `kind`: `line` (values), `spans` (start_s, end_s,
    label), `marks` (t_s, label). `group` ties lanes of one GPU, rank or worker together."""

    name: str
    group: str
    kind: Literal["line", "spans", "marks"]
    unit: str
    t_s: tuple[float, ...] = ()
    values: tuple[float | None, ...] = ()
    spans: tuple[tuple[float, float, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Series for the pictures, full resolution (views decimate)."""

    seconds: float
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """One experiment's result: `before` and `after` in `unit`, `ratio` = before / after time."""

    id: str
    remedy: str
    finding: str | None
    before: Interval
    after: Interval
    unit: str
    ratio: Interval
    verdict: Literal["helps", "no difference", "hurts", "inconclusive", "failed"]
    outputs: str
    edit: str | None
    predicted: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Throughput (batches per second) of the loop and of its two halves alone, at one number of cores.

    `device`: the same cached batches again and again; `loader`: batches taken without the loop. `limit` is the lower
    of the two."""

    cores: int
    end_to_end: Interval
    device: Interval
    loader: Interval
    limit: Literal["device", "loader", "balanced"]


@dataclass(frozen=True, slots=True)
class LoaderTrial:
    """One setting of a loader sweep: batches per second of the loader alone and, if measured, of the whole loop."""

    workers: int
    prefetch: int | None
    threads: int | None
    loader_rate: float | None
    loop_rate: Interval | None
    startup_s: float | None
    memory_per_worker_bytes: float | None
    knee: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What `gpuwatch try` measured on one command. `balance_cores`: at which loader and device would be even."""

    id: str
    command: tuple[str, ...]
    started_wall_ns: int
    seconds: float
    trials: tuple[Trial, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()
    sweep: tuple[LoaderTrial, ...] = ()
    balance_cores: float | None = None
    edit: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictionScore:
    """How far predicted speed-ups were from those measured by experiments: median of |measured / predicted - 1|."""

    median_error: float
    trials: int


@dataclass(frozen=True, slots=True)
class Training:
    """One of several trainings of a run. `number`: in the order of their starts, from 1; `start_s` since the run's start;
    `pid` of its lowest rank; `findings`: their ids; `shown`: whether the rest of the report is about this one."""

    number: int
    pid: int
    command: str
    start_s: float
    seconds: float
    ranks: int
    steps: int
    verdict: Verdict
    phases: tuple[Phase, ...]
    findings: tuple[str, ...]
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a view may show. `to_dict` in `views.json` renders it as the public contract.

    Of a run with several trainings it is about one, the longest; `trainings` lists them all, and is empty otherwise."""

    run: RunInfo
    seconds: float
    hosts: tuple[str, ...]
    ranks: tuple[RankProfile, ...]
    verdict: Verdict
    phases: tuple[Phase, ...]
    loaders: tuple[LoaderProfile, ...]
    primary: str | None
    hot_lines: tuple[HotLine, ...]
    stacks: StackQuality
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    clear: tuple[str, ...]
    devices: tuple[DeviceProfile, ...]
    machine: MachineProfile
    costs: Costs | None
    overhead: Overhead
    gaps: tuple[Gap, ...]
    problems: tuple[str, ...]
    unentered: tuple[Unentered, ...]
    timeline: Timeline | None = None
    trials: tuple[Trial, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    prediction_score: PredictionScore | None = None
    trainings: tuple[Training, ...] = ()


@dataclass(frozen=True, slots=True)
class ExactLine:
    """A line as line_profiler timed it. `share` is of its function; so is `sampled_share`, from the run before."""

    line: int
    hits: int
    seconds: float
    share: float
    sampled_share: float | None
    source: str | None


@dataclass(frozen=True, slots=True)
class ExactFunction:
    """A function timed line by line in `batches_measured` of the `batches` that its processes made or took; these took
    `times_longer` than the others."""

    file: str
    line: int
    name: str
    process_role: Literal["worker", "trainer"]
    processes: int
    batches_measured: int
    batches: int
    seconds: float
    lines: tuple[ExactLine, ...]
    times_longer: float | None = None


@dataclass(frozen=True, slots=True)
class ExactPass:
    """What an exact pass found, of one batch in `sample`. `slowdown`: how much longer the measured processes' batches
    took altogether for it (1.1: a tenth), None when too few tell. `unseen`: functions that were not found; `uncalled`: found, but not called in a
    measured batch. `missing`: why line_profiler could not be used, in the Pythons `pythons`."""

    run: str
    sample: int
    functions: tuple[ExactFunction, ...]
    unseen: tuple[str, ...] = ()
    uncalled: tuple[str, ...] = ()
    missing: str | None = None
    pythons: tuple[str, ...] = ()
    slowdown: float | None = None
