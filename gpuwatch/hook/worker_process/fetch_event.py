"""The `fetch` event: a worker's goes with that of sending its batch, the trainer's with the batch event that follows."""

from __future__ import annotations

from ..event_log import columns, spool
from ..process import TYPE_CHECKING
from .state import worker

if TYPE_CHECKING:
    from typing import Any

    from .state import Row

_LINE = '["fetch",' + ",".join(["%s"] * len(columns.COLUMNS["fetch"])) + "]\n"
_OPERATION = "[%s,%s,%s,%s,%s,%s]"


def hand_over(row: Row) -> None:
    """Write the event, or in a worker keep it until the batch is on its way: see worker.DataQueue."""
    if worker.number >= 0:
        worker.row = row
    else:
        spool.later(_LINE, _values(row), 0)  # with the `batch` event that follows at once


def write(row: Row) -> None:
    """Write a worker's event; together with that of sending the batch, which follows in the feeder thread."""
    spool.later(_LINE, _values(row), row[4])


def _values(row: Row) -> tuple[Any, ...]:
    operations = row[-1]
    if operations is not None:
        row[-1] = "[" + ",".join([_OPERATION % tuple(one) for one in operations]) + "]"
    return tuple(row)
