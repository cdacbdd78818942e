"""A batch of the user's: how many samples it has, and a copy of it that a loop may take apart."""

from __future__ import annotations

from ..process import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_DEPTH = 4


def fresh(batch: Any) -> Any:
    """Return a batch whose containers are new, so that a loop that pops or replaces fields does no harm."""
    if type(batch) is dict:
        return {key: fresh(value) for key, value in batch.items()}
    if type(batch) in (list, tuple):
        return type(batch)(fresh(value) for value in batch)
    try:
        return batch.copy() if hasattr(batch, "keys") and hasattr(batch, "copy") else batch
    except Exception:
        return batch


def size_of(batch: Any) -> int:
    """Return the samples in a batch, by its first tensor or sequence; 0 when that is unknown."""
    for _ in range(_DEPTH):
        shape = getattr(batch, "shape", None)
        if shape is not None:
            return int(shape[0]) if len(shape) else 1
        if hasattr(batch, "values") and hasattr(batch, "keys"):
            batch = next(iter(batch.values()), None)
        elif isinstance(batch, (list, tuple)) and batch:
            if isinstance(batch[0], (int, float, str, bytes)):
                return len(batch)
            batch = batch[0]
        else:
            return 0
    return 0
