"""What many runs cost together: their GPU hours, what of these was lost, to what, by whom and where."""

from __future__ import annotations

from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Lost:
    """Hours lost to one thing: a phase in which the device waits, or what bounds a step. `finding`: the one that explains it,
    None where none does; `predicted`: whether it is what the finding's advice would win, and not measured as a phase."""

    to: str
    finding: str | None
    predicted: bool
    runs: int
    gpu_hours: float
    rank_hours: float
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class FleetGroup:
    """The runs that have something in common, which `key` names (None: not recorded).

    `rank_hours` are of all training processes, `gpu_hours` of those with a GPU, once for each GPU. `cost` and `lost_cost`: with
    a price, of the GPU hours. `lost_to`: what the lost hours went to, most first."""

    key: str | None
    runs: int
    users: int
    nodes: int
    gpu_hours: float
    lost_gpu_hours: float
    rank_hours: float
    lost_rank_hours: float
    cost: float | None = None
    lost_cost: float | None = None
    lost_to: tuple[Lost, ...] = ()


@dataclass(frozen=True, slots=True)
class CostlyLine:
    """A line of source with the hours that it cost in all runs: `path` as seen from the project, `line` in the newest run.

    `cost`: with a price, of its GPU hours. `run`: the one that it cost most."""

    project: str | None
    path: str
    line: int
    function: str
    source: str | None
    runs: int
    users: int
    gpu_hours: float
    rank_hours: float
    run: str
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Regression:
    """A workload that takes longer from one commit to the next. `per`: what `before_ms` and `after_ms` are of, sample or step;
    `extra_gpu_hours`: of the runs at the later commit, those that the earlier one would not have taken. `lost_to`: what the time
    lost per hour grew by most; None where it is not among them."""

    project: str | None
    script: str
    command: str
    before: str
    after: str
    changed: bool
    per: str
    before_ms: float
    after_ms: float
    ratio: float
    runs_before: int
    runs_after: int
    extra_gpu_hours: float
    extra_rank_hours: float
    lost_to: str | None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class SlowNode:
    """A node on which every workload takes longer than elsewhere. `ratio`: the median over workloads of its time per sample by
    that of the other nodes' median. `lost_to`: the waiting that is longer there; None where it is the work itself."""

    node: str
    ratio: float
    lowest_ratio: float
    workloads: int
    users: int
    runs: int
    extra_gpu_hours: float
    extra_rank_hours: float
    lost_to: str | None
    findings: tuple[str, ...] = ()
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class FleetRun:
    """One training of a run. `run`: the folder, or its URL; `report`: a page of its report, where there is one."""

    run: str
    training: int
    name: str | None
    user: str | None
    project: str | None
    script: str
    commit: str | None
    node: str
    started: str
    state: str
    bound: str
    headline: str
    cause: str | None
    gpu_hours: float
    lost_gpu_hours: float
    rank_hours: float
    lost_rank_hours: float
    report: str | None
    lost_cost: float | None = None


@dataclass(frozen=True, slots=True)
class UnreadableRun:
    """A run folder that gives nothing, and why."""

    run: str
    problem: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """Many runs summarised. `read`: the run folders read this time, `unchanged` those that had been read before, `unreadable` and
    `closed` (folders of other users) those that are in no figure; `experiments`: the runs of `gpuwatch try`, which are left out."""

    places: tuple[str, ...]
    dataset: str
    filters: tuple[str, ...]
    since: str | None
    engine: str
    price_per_gpu_hour: float | None
    read: int
    unchanged: int
    unreadable: tuple[UnreadableRun, ...]
    closed: tuple[str, ...]
    runs: int
    running: int
    without_training: int
    experiments: int
    totals: FleetGroup
    users: tuple[FleetGroup, ...]
    projects: tuple[FleetGroup, ...]
    scripts: tuple[FleetGroup, ...]
    commits: tuple[FleetGroup, ...]
    nodes: tuple[FleetGroup, ...]
    causes: tuple[FleetGroup, ...]
    lines: tuple[CostlyLine, ...]
    regressions: tuple[Regression, ...]
    slow_nodes: tuple[SlowNode, ...]
    costliest: tuple[FleetRun, ...]

    @property
    def has_gpus(self) -> bool:
        """Whether any of the runs had a GPU: else hours are of training processes."""
        return self.totals.gpu_hours > 0
