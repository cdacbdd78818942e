"""GPU trace mode: torch.profiler records a few steady steps of the training, at its step boundaries.

Only with GPUWATCH_GPU_TRACE set, never in an experiment or while lines are timed exactly, and in an ordinary run nothing
else of this package is loaded. What a window is: `window.py`; when one is due: `plan.py`; who else may own the profiler:
`owners.py`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WANTED = "GPUWATCH_GPU_TRACE"
_OTHER_MODES = ("GPUWATCH_EXPERIMENT", "GPUWATCH_EXACT")


def on_import(name: str, module: Any) -> None:
    """Look at the boundaries of the training's steps, and at who else starts a profiler."""
    wanted = os.environ.get(WANTED)
    if not wanted or not os.environ.get("GPUWATCH_RUN") or any(os.environ.get(mode) for mode in _OTHER_MODES):
        return
    from . import boundaries, owners

    if name == "torch.utils.data.dataloader":
        boundaries.watch_loaders(module)
    elif name == "torch.optim.optimizer":
        boundaries.watch_optimizers()
    else:
        owners.watch(name, module)
