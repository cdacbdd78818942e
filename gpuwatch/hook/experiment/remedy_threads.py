"""What a worker may use: one library thread (torch, OpenCV, OpenMP and OpenBLAS, where loaded), or every core."""

from __future__ import annotations

import ctypes
import os
import sys

from ..process import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_SETTERS = (
    ("openblas", ("openblas_set_num_threads", "openblas_set_num_threads64_", "scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads")),
    ("mkl_rt", ("MKL_Set_Num_Threads",)),
    ("gomp", ("omp_set_num_threads",)),
    ("iomp5", ("omp_set_num_threads",)),
)  # fmt: skip


def single() -> None:
    """Set every loaded library's pool to one thread, and what is loaded later through the environment."""
    for name in _VARIABLES:
        os.environ[name] = "1"
    torch, cv2 = sys.modules.get("torch"), sys.modules.get("cv2")
    if torch is not None:
        torch.set_num_threads(1)
    if cv2 is not None:
        cv2.setNumThreads(0)
    for path in _libraries():
        for mark, setters in _SETTERS:
            if mark in os.path.basename(path):
                _call(path, setters)


def _libraries() -> list[str]:
    with open("/proc/self/maps") as maps:
        return sorted({line.split()[-1] for line in maps if ".so" in line})


def _call(path: str, setters: Iterable[str]) -> None:
    library = ctypes.CDLL(path)
    for name in setters:
        setter = getattr(library, name, None)
        if setter is not None:
            setter(1)
            return


def everywhere() -> None:
    """Let this process run on every core that its container has."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))


# For good: a process that was switched on is not switched off, so that they act in workers alone.
SWITCHES = {"single-threaded-workers": single, "worker-affinity": everywhere}
