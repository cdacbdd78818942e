"""Series for the pictures, at full resolution."""

from __future__ import annotations

from gpuwatch.records import dataclass
from gpuwatch.words.lanes import LaneKind

MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the timeline: what it shows (`of`), and of which rank, GPU (`device`) or worker; views look it up by these.

    `t_s` seconds since the run started. A line has `values` at `t_s`; spans and marks have (start_s, end_s, label)."""

    of: LaneKind
    t_s: tuple[float, ...] = ()
    values: tuple[float | None, ...] = ()
    spans: tuple[tuple[float, float, str], ...] = ()
    note: str = ""
    rank: int | None = None
    device: int | None = None
    worker: int | None = None
    # Of a job on several nodes: which one's machine or GPU it is of.
    host: str | None = None

    @property
    def name(self) -> str:
        """The title for people: `input wait`, `worker 3`."""
        return f"{self.of.title} {self.worker}" if self.of.numbered and self.worker is not None else self.of.title

    @property
    def group(self) -> str:
        """What this lane is of, for people: `GPU 0`, `rank 1`, `rank 1 worker 3`, `machine`."""
        of = f" of {self.host}" if self.host else ""
        if self.device is not None:
            return f"GPU {self.device}{of}"
        if self.rank is None:
            return f"{MACHINE}{of}"
        return f"rank {self.rank} worker {self.worker}" if self.of.per == "worker" else f"rank {self.rank}"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Series for the pictures, full resolution (views decimate)."""

    seconds: float
    lanes: tuple[Lane, ...]
