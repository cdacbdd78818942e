"""Arrays of an analysis as the rows of a timeline: seconds since the run began, None where nothing was measured.

A day of a large run has ten million points. They stay in arrays, and look like the tuples of a `Lane` to who reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from gpuwatch.analyze.loops import Analysis
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.model.timeline import Lane
from gpuwatch.words.lanes import LaneKind

Span = tuple[float, float, str]
_CHUNK = 4096


class Values(Sequence["float | None"]):
    """Numbers in an array; NaN reads as None."""

    __slots__ = ("_array",)

    def __init__(self, array: Array) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the numbers themselves, NaN where nothing was measured."""
        return self._array if dtype is None else self._array.astype(dtype, copy=bool(copy))

    def __len__(self) -> int:
        return len(self._array)

    @overload
    def __getitem__(self, at: int) -> float | None: ...
    @overload
    def __getitem__(self, at: slice) -> list[float | None]: ...
    def __getitem__(self, at: int | slice) -> float | list[float | None] | None:
        if isinstance(at, slice):
            return [None if value != value else value for value in self._array[at].tolist()]
        value = float(self._array[at])
        return None if value != value else value

    def __iter__(self) -> Iterator[float | None]:
        return chain.from_iterable(self[at : at + _CHUNK] for at in range(0, len(self), _CHUNK))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented


class Spans(Sequence[Span]):
    """Stretches of time in arrays, in the order of their starts. `label` is a position in `labels`."""

    __slots__ = ("ends", "label", "labels", "starts")

    def __init__(self, starts: Array, ends: Array, label: NDArray[np.uint8], labels: tuple[str, ...]) -> None:
        self.starts, self.ends, self.label, self.labels = starts, ends, label, labels

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, at: int) -> Span: ...
    @overload
    def __getitem__(self, at: slice) -> list[Span]: ...
    def __getitem__(self, at: int | slice) -> Span | list[Span]:
        if isinstance(at, slice):
            labels = (self.labels[number] for number in self.label[at].tolist())
            return list(zip(self.starts[at].tolist(), self.ends[at].tolist(), labels, strict=True))
        return float(self.starts[at]), float(self.ends[at]), self.labels[self.label[at]]

    def __iter__(self) -> Iterator[Span]:
        return chain.from_iterable(self[at : at + _CHUNK] for at in range(0, len(self), _CHUNK))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented


def seconds(analysis: Analysis, times: Array) -> Array:
    """Return times (ns) as seconds since the run began."""
    return (times - analysis.processes.start_ns) / 1e9


def line(
    analysis: Analysis, of: LaneKind, times: Array, values: Array,
    rank: int | None = None, device: int | None = None, worker: int | None = None,
) -> Lane:  # fmt: skip
    """Return a lane of values over time."""
    t_s: Any = Values(seconds(analysis, times))
    measured: Any = Values(np.asarray(values, dtype=np.float64))
    return Lane(of, t_s=t_s, values=measured, rank=rank, device=device, worker=worker)


def spans(analysis: Analysis, parts: Iterable[tuple[str, Array, Array]]) -> Any:
    """Return stretches of time, given as (label, starts, ends) in ns; one that ends before it begins is left out."""
    known = list(parts)
    labels = tuple(dict.fromkeys(label for label, _, _ in known))
    starts = np.concatenate([np.zeros(0), *(begin for _, begin, _ in known)])
    ends = np.concatenate([np.zeros(0), *(end for _, _, end in known)])
    label = np.repeat(
        np.array([labels.index(name) for name, _, _ in known], dtype=np.uint8), [len(begin) for _, begin, _ in known]
    )
    order = np.lexsort((ends, starts))
    order = order[ends[order] >= starts[order]]
    return Spans(seconds(analysis, starts[order]), seconds(analysis, ends[order]), label[order], labels)
