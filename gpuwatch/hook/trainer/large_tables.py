"""How much of each large table an optimizer's step can change: the rows that have a gradient, of a few thousand.

Looked at in two steps of a process, never after that: on a GPU it waits for the device.
"""

from __future__ import annotations

import sys
import time

from ..event_log import spool
from ..process import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The steps that are looked at, counted among those that are measured in full.
_FIRST, _SECOND = 8, 24
# A prime: row numbers at this distance, wrapped at the table's end, look random.
_SPREAD = 2_654_435_761
_FEWEST_ROWS, _FEWEST_ELEMENTS, _SAMPLED = 5_000, 500_000, 4_096


class Looks:
    """Which steps are still to come; `pending` is False once there is nothing more to look at."""

    __slots__ = ("pending", "steps")

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Look at the child's own steps."""
        self.pending, self.steps = True, 0


looks = process.own(Looks())


def count(optimizer: Any) -> None:
    """Count a step that is about to be made, and look at its gradients if it is one of the two."""
    looks.steps += 1
    if looks.steps in (_FIRST, _SECOND):
        looks.pending = looks.steps != _SECOND
        try:
            _look(optimizer)
        except Exception as error:
            looks.pending = False
            spool.error("large tables", error)


def _look(optimizer: Any) -> None:
    torch = sys.modules["torch"]
    if torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing():
        return
    # Those of fastai and Keras keep their parameters elsewhere.
    groups = getattr(optimizer, "param_groups", None) or ()
    parameters = [p for group in groups for p in group["params"] if p.grad is not None]
    elements = sum(p.numel() for p in parameters)
    for parameter in parameters:
        gradient, rows = parameter.grad, int(parameter.shape[0]) if parameter.dim() == 2 else 0
        # Asking a distributed tensor would have all ranks take part.
        if type(gradient) is torch.Tensor and rows >= _FEWEST_ROWS and parameter.numel() >= _FEWEST_ELEMENTS:
            touched = None if gradient.is_sparse else _touched(gradient, rows, torch)
            name = type(optimizer).__name__
            spool.event("table", time.monotonic_ns(), name, rows, int(parameter.shape[1]), elements, touched)


def _touched(gradient: Any, rows: int, torch: Any) -> float:
    """Return the share of rows with a gradient, of those sampled: spread over the table so that they follow no pattern of it,
    without a random number of the training's."""
    picked = torch.arange(min(rows, _SAMPLED), device=gradient.device) * _SPREAD % rows
    return round(float(gradient.detach()[picked].ne(0).any(1).float().mean()), 6)
