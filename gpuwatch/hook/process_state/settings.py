"""What this process is set to: threads, precision, the collector, floating point; and what an optimizer of it updates."""

from __future__ import annotations

import functools
import gc
import sys

from ..event_log.library_threads import library_threads
from ..source_code.setters import sole_setter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The smallest number that is not denormal is larger: its half is zero where such numbers are flushed.
_DENORMAL = 2.0**-1060
_THREAD_SETTERS = ("set_num_threads", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def read() -> dict[str, Any]:
    """Return the settings; of torch only if it is imported."""
    threads = library_threads()
    facts: dict[str, Any] = {
        "threads": threads,
        "threads_set": _threads_setter() if threads["torch"] == 1 else None,
        "switch_interval_s": sys.getswitchinterval(),
        "gc": [gc.isenabled(), *gc.get_threshold(), gc.get_freeze_count()],
        "flushes_denormals": _DENORMAL * _half() == 0.0,
    }
    try:
        facts.update(_of_torch(sys.modules["torch"]))
    except Exception:  # not imported to its end, or too old for one of these
        pass
    return facts


@functools.lru_cache(maxsize=1)
def _threads_setter() -> tuple[str, int] | tuple[None, None]:
    """Look once: the source is not read again at each reading."""
    return sole_setter(_THREAD_SETTERS)


def _half() -> float:
    # A call, so that the compiler of Python does not compute the product.
    return 0.5


def _of_torch(torch: Any) -> dict[str, Any]:
    return {
        "deterministic": bool(torch.are_deterministic_algorithms_enabled()),
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
        "matmul_precision": torch.get_float32_matmul_precision() if torch.cuda.is_initialized() else None,
    }


def of_optimizer(optimizer: Any) -> dict[str, Any]:
    """Return the class of an optimizer, and how many tensors and elements it updates on which kind of device."""
    tensors = [tensor for group in getattr(optimizer, "param_groups", ()) for tensor in group.get("params", ())]
    return {
        "optimizer": type(optimizer).__name__,
        "device": str(tensors[0].device.type) if tensors else None,
        "tensors": len(tensors),
        "elements": sum(int(tensor.numel()) for tensor in tensors),
    }
