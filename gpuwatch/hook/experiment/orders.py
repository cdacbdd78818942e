"""The orders of an experiment: files 0001.json, 0002.json, ... in its folder, written while the training runs.

Each is a list of windows; when they are done the next order is awaited; {"stop": true} ends the process.
"""

from __future__ import annotations

import json
import os
import time

from ..event_log import spool
from ..process import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    # One window of an order; its keys are listed in `windows.py`.
    Order = dict[str, Any]

# The process that writes the orders.
CONDUCTOR = "GPUWATCH_EXPERIMENT_PID"
_LONGEST_WAIT_S = 60.0
_LOOK_S = 0.02


class Orders:
    """Reads the orders of a folder as they come."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.conductor = os.environ.get(CONDUCTOR)

    def is_there(self) -> bool:
        """Say whether the first order was given."""
        return os.path.exists(self._path(1))

    def _path(self, number: int) -> str:
        return os.path.join(self.folder, f"{number:04d}.json")

    def windows(self) -> Iterator[Order]:
        """Yield the windows of each order as it comes; end the process on a stop, or when there are no further orders."""
        number = 1
        while True:
            order = self._await(self._path(number))
            if order is None or order.get("stop"):
                write_fact("end", "stopped" if order else "no further order")
                os._exit(0)
            for window in order["windows"]:
                if self._is_deserted():
                    os._exit(0)
                yield window
            write_fact("order done", number)
            number += 1

    def _await(self, path: str) -> dict[str, Any] | None:
        deadline = time.monotonic() + _LONGEST_WAIT_S
        while time.monotonic() < deadline and not self._is_deserted():
            try:
                with open(path) as file:
                    order: dict[str, Any] = json.load(file)
                    return order
            except (OSError, ValueError):
                time.sleep(_LOOK_S)
        return None

    def _is_deserted(self) -> bool:
        """Say whether the process that orders is gone."""
        return self.conductor is not None and not os.path.exists("/proc/" + self.conductor)


def write_fact(key: str, value: object) -> None:
    """Write a fact of the experiment."""
    spool.event("experiment", time.monotonic_ns(), key, value)
