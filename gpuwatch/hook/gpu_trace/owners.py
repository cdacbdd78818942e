"""Who owns the profiler: there is one in a process, and a second start takes the first one's events away.

Another owner is a profiler of the script's that is made, or is started, and a tool that has put itself between the process
and its GPU. A window gives way at the very start of another profiler.
"""

from __future__ import annotations

import functools
import os
import sys

from ..process import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SCRIPT, INJECTED, DAEMON = "profiler", "injection", "daemon"
# Nsight Systems and Compute, rocprof and others are loaded by the driver where these are set.
_INJECTIONS = (
    "NSYS_PROFILING_SESSION_ID",
    "CUDA_INJECTION64_PATH",
    "CUDA_INJECTION32_PATH",
    "NVTX_INJECTION64_PATH",
    "NV_TPS_LAUNCH_TOKEN",
    "HSA_TOOLS_LIB",
    "ROCP_TOOL_LIBRARIES",
    "ROCPROFILER_LIBRARY",
    "ZE_ENABLE_TRACING_LAYER",
)
_PRELOADED = ("nsys", "ToolsInjection", "cupti", "rocprof", "dlprof", "nvprof")
_STARTS = ("_prepare_profiler", "_enable_profiler")


def _nobody() -> None:
    """Give way: there is no window."""


class Owners:
    """`script`: the script has a profiler; `ours`: this thread is starting or making one of ours; `give_way`: called
    before another one starts."""

    __slots__ = ("give_way", "ours", "script")

    def __init__(self) -> None:
        self.script = self.ours = False
        self.give_way: Callable[[], None] = _nobody

    def after_fork(self) -> None:
        """Know what the parent knew."""

    def others(self) -> str | None:
        """Return who else owns the profiler; None where there is none."""
        if self.script or _is_enabled():
            return SCRIPT
        if os.environ.get("KINETO_USE_DAEMON", "0") not in ("", "0"):
            return DAEMON
        preloaded = os.environ.get("LD_PRELOAD", "")
        if any(os.environ.get(name) for name in _INJECTIONS) or any(name in preloaded for name in _PRELOADED):
            return INJECTED
        return None

    def started(self) -> None:
        """Leave the profiler to the script, which is making or starting one."""
        if not self.ours:
            self.script = True
            self.give_way()


owners = process.own(Owners())


def _is_enabled() -> bool:
    autograd = sys.modules["torch.autograd"]
    module = sys.modules.get("torch.autograd.profiler")
    return bool(getattr(module, "_is_profiler_enabled", False) or autograd._profiler_enabled())


def watch(name: str, module: Any) -> None:
    """Have the script's profilers noticed, where `module` makes or starts them."""
    if name == "torch.autograd.profiler":
        for start in _STARTS:
            if hasattr(module, start):
                setattr(module, start, _noticed(getattr(module, start)))
    else:
        module._KinetoProfile.__init__ = _noticed(module._KinetoProfile.__init__)


def _noticed(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            owners.started()
        except Exception:
            pass  # the script's profiler comes first, whatever became of ours
        return original(*args, **kwargs)

    return call
