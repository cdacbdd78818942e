"""The text of a notebook's cells, and their numbers: no file has them once the kernel has gone.

Written when an iterator is made: what is not in IPython's own cache of lines by then has not been run.
"""

from __future__ import annotations

import linecache
import sys

from ...words.masking import mask_arguments
from ...words.source_code import is_cell
from ..event_log import spool
from ..process import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_CELLS, _MOST_LINES = 256, 400


class Cells:
    """What of the cells was written: each one's number, which changes when the same text is run again."""

    def __init__(self) -> None:
        self.written: dict[str, int | None] = {}

    def after_fork(self) -> None:
        """Keep all: the parent has written them."""

    def begin_anew(self) -> None:
        """Write them again, for another run."""
        self.written.clear()

    def write_new(self) -> None:
        """Write the cells that were run since the last time."""
        if "IPython" not in sys.modules:
            return
        numbers = _numbers()
        for name in [name for name in list(linecache.cache) if is_cell(name)][-_MOST_CELLS:]:
            number = numbers.get(name)
            if self.written.get(name, -1) != number and len(self.written) < _MOST_CELLS:
                self.written[name] = number
                lines = mask_arguments(line.rstrip("\n") for line in linecache.getlines(name)[:_MOST_LINES])
                spool.meta("cell", {"file": name, "number": number, "lines": list(lines)})


def _numbers() -> Mapping[str, int]:
    """Return the execution count of each cell as IPython keeps it; empty where it does not."""
    shell = sys.modules["IPython"].get_ipython()
    numbers = getattr(getattr(shell, "compile", None), "_filename_map", None)
    return numbers if isinstance(numbers, dict) else {}


cells = process.own(Cells())
