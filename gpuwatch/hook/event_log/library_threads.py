"""How many threads the compute libraries of this process use."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def library_threads() -> dict[str, int | None]:
    """Return how many threads each compute library would use here; of torch and OpenCV only if they are imported already."""
    return {
        "torch": _call(sys.modules.get("torch"), "get_num_threads"),
        "cv2": _call(sys.modules.get("cv2"), "getNumThreads"),
        "omp": _setting("OMP_NUM_THREADS"),
        "mkl": _setting("MKL_NUM_THREADS"),
    }


def _call(module: Any, name: str) -> int | None:
    try:
        return int(getattr(module, name)())
    except Exception:  # not imported, or not to the end
        return None


def _setting(variable: str) -> int | None:
    # OpenMP takes a list: one number for each level of nesting.
    value = os.environ.get(variable, "").partition(",")[0].strip()
    return int(value) if value.isdigit() else None
