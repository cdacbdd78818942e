"""Experiment mode: the training loop runs on, but where its batches come from is decided window by window.

Only with GPUWATCH_EXPERIMENT set to a folder, and never in an ordinary run, which loads nothing else of this package.
Results of the training are thrown away, so its epoch need not end. What feeds the loop: `driver.py`; what a window is:
`windows.py`.
"""

from __future__ import annotations

import os

from ..process import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

FOLDER = "GPUWATCH_EXPERIMENT"


def on_import(_name: str, module: Any) -> None:
    """Take over the loader's `__next__`, outermost, when this is an experiment."""
    folder = os.environ.get(FOLDER)
    base = getattr(module, "_BaseDataLoaderIter", None)
    if not folder or base is None:
        return
    from . import driver

    driver.install(base, driver.Driver(folder, module))
