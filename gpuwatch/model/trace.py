"""What a GPU trace holds, as columns: the device's activities, the host's events, and what was lost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuwatch.records import dataclass

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Events:
    """Events in the order of their starts. Times in microseconds since the trace's first event; -1 where an event has no
    such number. `kind`: words.gpu_trace; `name` and `stack` index `Trace.names`; `thread`: `Trace.threads`."""

    start: Floats
    end: Floats
    kind: NDArray[np.int8]
    name: NDArray[np.int32]
    thread: NDArray[np.int32]
    device: NDArray[np.int32]
    stream: Integers
    correlation: Integers
    external: Integers
    size: Integers
    stack: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: NDArray[Any]) -> Events:
        """Return some of the events, chosen by a mask or by positions."""
        return Events(*(getattr(self, name)[rows] for name in COLUMNS))


COLUMNS = tuple(Events.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Trace:
    """One process's trace. `device`: what ran on devices; `host`: what its threads did. `lost`: lines for a person on what
    the file did not give (cut off, broken events)."""

    source: str
    bytes: int
    rank: int
    world_size: int
    names: tuple[str, ...]
    threads: tuple[str, ...]
    device: Events
    host: Events
    device_names: dict[int, str]
    # Of the recorder's clock, in microseconds: what times count from.
    begin_us: float = 0.0
    started_wall_ns: int = 0
    lost: tuple[str, ...] = ()
