"""How much of a batch is padding: looked at in the first batches that a process makes, never after that.

Sequences are tensors whose rows end (or begin) with a run of one value of different lengths: token ids, features that were
filled up with zeros. A mask by that name is believed.
"""

from __future__ import annotations

import collections
import sys
import time

from ..event_log import spool
from ..process import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    # Rows, positions, positions up to the longest row's end, and positions that are no padding.
    Measured = tuple[int, int, int, int]

_BATCHES = 6
_DEPTH, _MOST_TENSORS = 3, 24
# Other masks say the opposite, or something else.
_MASKS = ("attention_mask", "input_mask")
_FEWEST_ROWS, _FEWEST_POSITIONS = 2, 16
# A wave form has more positions than a table has columns.
_FEWEST_VALUES = 1000
_MOST_ELEMENTS = 1 << 21
# What is between the ends of a row is mostly not the value that it was filled up with; ids are of many kinds.
_MOST_INSIDE, _FEWEST_KINDS = 0.5, 8


class Looks:
    """How many more batches of this process are looked at."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Look at the child's own batches."""
        self.left = _BATCHES


looks = process.own(Looks())


def look(batch: Any, worker: int) -> None:
    """Write what is padding in a batch, if it has sequences."""
    looks.left -= 1
    try:
        torch = sys.modules["torch"]
        found = [
            measured for name, one in _tensors(batch, torch.Tensor, _DEPTH) if (measured := _measure(name, one, torch))
        ]
        if found:
            spool.event("padding", time.monotonic_ns(), worker, *max(found, key=lambda one: one[0] * one[1]))
    except Exception as error:
        looks.left = 0
        spool.error("padding", error)


def _tensors(batch: Any, kind: type, depth: int, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the plain tensors of a batch with the names that they have there."""
    if type(batch) is kind:
        yield name, batch
    elif depth and isinstance(batch, (dict, collections.UserDict)):
        for key in list(batch)[:_MOST_TENSORS]:
            yield from _tensors(batch[key], kind, depth - 1, str(key))
    elif depth and isinstance(batch, (list, tuple)):
        for one in batch[:_MOST_TENSORS]:
            yield from _tensors(one, kind, depth - 1, name)


def _measure(name: str, tensor: Any, torch: Any) -> Measured | None:
    """Return what of a tensor is padding; None for one that is no batch of sequences."""
    rows = _rows_of(tensor) if tensor.layout is torch.strided else None
    if rows is None:
        return None
    count, positions = int(rows.shape[0]), int(rows.shape[1])
    if name.endswith(_MASKS) and rows.dim() == 2 and not tensor.is_floating_point():
        filled = rows.ne(0)
        lengths = filled.sum(1)
        return (count, positions, int(lengths.max()), int(lengths.sum())) if bool(lengths.lt(positions).any()) else None
    ends = [_lengths(rows, rows[:, -1:], flip=True), _lengths(rows, rows[:, :1], flip=False)]
    lengths, last = min(((ends[0], True), (ends[1], False)), key=lambda one: int(one[0].sum()))
    if not _is_padded(rows, lengths, rows[:, -1] if last else rows[:, 0], last):
        return None
    return count, positions, int(lengths.max()), int(lengths.sum())


def _rows_of(tensor: Any) -> Any:
    """Return a tensor as rows of positions: (rows, positions) of ids or values, or (rows, positions, features)."""
    if tensor.device.type != "cpu" or tensor.dim() not in (2, 3):
        return None
    values = tensor.detach()
    if values.dim() == 3:
        if not values.is_floating_point():
            return None
        values = values.transpose(1, 2) if values.shape[2] > values.shape[1] else values
    if values.shape[0] < _FEWEST_ROWS or values.shape[1] < _FEWEST_POSITIONS:
        return None
    if values.dim() == 2 and values.is_floating_point() and values.shape[1] < _FEWEST_VALUES:
        return None
    most = max(_MOST_ELEMENTS // max(values[0].numel(), 1), _FEWEST_ROWS)
    return values[:most]


def _lengths(rows: Any, value: Any, flip: bool) -> Any:
    """Return how many positions of each row are left without the run of a value at one end of it."""
    other = rows.ne(value)
    other = other.any(2) if other.dim() == 3 else other
    run = (other.flip(1) if flip else other).byte().argmax(1)
    return (rows.shape[1] - run) * other.any(1)


def _is_padded(rows: Any, lengths: Any, value: Any, last: bool) -> bool:
    """Say whether rows were filled up to one length: all with one value, from different lengths, with other values before."""
    padded = lengths.lt(rows.shape[1] - 1)
    if not bool(padded.any()) or int(lengths.min()) == int(lengths.max()):
        return False
    filled = value[padded]
    if bool(filled.ne(filled[:1]).any()) or (rows.is_floating_point() and bool(filled.ne(0).any())):
        return False
    longest = rows[int(lengths.argmax())]
    inside = longest[: int(lengths.max())] if last else longest[-int(lengths.max()) :]
    same = inside.eq(filled[0])
    same = same.all(1) if same.dim() == 2 else same
    varied = rows.is_floating_point() or inside.unique().numel() >= _FEWEST_KINDS
    return varied and float(same.float().mean()) <= _MOST_INSIDE
