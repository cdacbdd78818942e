"""Whether code asks which worker it is in: a dataset that never does cannot take a part of its own.

torch's collate function asks for each tensor, to see whether it is in a worker at all: that says nothing of the dataset.
"""

from __future__ import annotations

import functools
import sys

from ..attributes import is_measured, measures
from ..event_log import spool
from ..process import process
from ..source_code import callers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NAME = "get_worker_info"
_HOMES = ("torch.utils.data._utils.worker", "torch.utils.data.dataloader", "torch.utils.data")
_TORCHS_OWN = ("torch.utils.data._utils.collate", "torch.random")


class Asked:
    """Whether this process has asked."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Have not asked: a worker's dataset is another matter than the trainer's."""
        self.known = False

    def note(self) -> None:
        """Write who asked first."""
        self.known = True
        spool.meta("worker_info", list(callers.calling_place()))


asked = process.own(Asked())


def on_import(_name: str, _module: Any) -> None:
    """Have the calls of torch's `get_worker_info` noted, under each name that it has by now."""
    original = getattr(sys.modules.get(_HOMES[0]), _NAME, None)
    if original is None or is_measured(original):
        return
    noted = _noted(original)
    for home in _HOMES:
        module = sys.modules.get(home)
        if getattr(module, _NAME, None) is original:
            setattr(module, _NAME, noted)


def _noted(original: Callable[[], Any]) -> Callable[[], Any]:
    @functools.wraps(original)
    def get_worker_info() -> Any:
        if not asked.known and sys._getframe(1).f_globals.get("__name__") not in _TORCHS_OWN:
            try:
                asked.note()
            except Exception as error:
                spool.error("get_worker_info", error)
        return original()

    return measures(original, get_worker_info)
