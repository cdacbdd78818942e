"""What a device did with its time, by a trace."""

from __future__ import annotations

from typing import Literal

from gpuwatch.model.measures import Interval, Place
from gpuwatch.records import dataclass

StepsBy = Literal["profiler steps", "loader requests", "optimizer steps", "none"]
Unmeasured = Literal["work not recorded", "copies not recorded", "host not recorded"]
LoaderKind = Literal["in process", "workers", "unknown"]


@dataclass(frozen=True, slots=True)
class GpuShares:
    """Shares of a device's time from its first to its last activity; they sum to 1. `communication` and `copy` are exposed
    only: nothing else ran. The others but `compute` are idle, by what the device waited for."""

    compute: float = 0.0
    communication: float = 0.0
    copy: float = 0.0
    input: float = 0.0
    sync: float = 0.0
    pageable_copy: float = 0.0
    launch: float = 0.0
    host_code: float = 0.0
    allocator: float = 0.0
    dependency: float = 0.0
    unknown: float = 0.0


@dataclass(frozen=True, slots=True)
class TracedLoader:
    """The loader in a trace: its requests, and the time inside them. `period`: every so many requests wait long, as
    many workers as deliver together; None where none is seen."""

    kind: LoaderKind
    requests: int
    seconds: float
    mean_ms: float
    median_ms: float
    longest_ms: float
    period: int | None = None


@dataclass(frozen=True, slots=True)
class TracedStep:
    """One step of a trace: its time, and what of it is idle or exposed, by class."""

    number: int
    ms: float
    idle_share: float
    worst: str
    worst_ms: float


@dataclass(frozen=True, slots=True)
class GpuGain:
    """Traced time now over that of a replay of the trace's own host and device without what `what` names."""

    what: str
    predicted: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class GpuPlace:
    """Where in the host's code the time of a class goes, by the trace's Python stacks. `share` is of that class."""

    what: str
    place: Place
    callee: str | None
    share: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened in a trace: `syncs` that the host waited for; `allocations` in steps after the first."""

    activities: int = 0
    launches: int = 0
    kernel_us: float | None = None
    syncs: int = 0
    reads: int = 0
    pageable_copies: int = 0
    pageable_bytes: int = 0
    allocations: int = 0
    allocating_steps: int = 0


@dataclass(frozen=True, slots=True)
class GpuTime:
    """One device's time, from its first to its last activity in a trace (`span_ms`). `around_ms`: what the annotated
    steps take before and after that. `in_largest_step`: of each class, the part that the step with most of it has; None
    without steps. `unmeasured`: why the idle time cannot be judged by this trace; None where it can."""

    device: int
    rank: int
    span_ms: float
    steps: int
    idle_share: float
    shares: GpuShares
    name: str | None = None
    source: str = ""
    steps_by: StepsBy = "none"
    step_ms: Interval | None = None
    around_ms: float | None = None
    worst_step: TracedStep | None = None
    loader: TracedLoader | None = None
    unmeasured: Unmeasured | None = None
    counts: Counts = Counts()
    gains: tuple[GpuGain, ...] = ()
    places: tuple[GpuPlace, ...] = ()
    has_stacks: bool = False
    in_largest_step: dict[str, float] | None = None

    def share(self, *classes: str) -> float:
        """Return the share of some classes."""
        return float(sum(getattr(self.shares, name) for name in classes))

    def gain(self, what: str) -> GpuGain | None:
        """Return what the step would win without something."""
        return next((gain for gain in self.gains if gain.what == what), None)

    def place(self, what: str) -> GpuPlace | None:
        """Return where the time of a class goes."""
        return next((place for place in self.places if place.what == what), None)
