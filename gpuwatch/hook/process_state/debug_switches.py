"""What is on in this process that only a search for an error, or a measurement, needs: read as it is, nothing is changed.

Each switch is [name, detail, file, line]: what of it is on, and the line of the user's that mentions it, where that is the
only one. Libraries are asked only if they are imported already.
"""

from __future__ import annotations

import functools
import os
import sys

from ..source_code.setters import sole_setter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Switch = tuple[str, "str | None"]

# How the user's own code switches each of them on: names of calls, of arguments, of environment variables.
SETTERS = {
    "anomaly": ("set_detect_anomaly", "detect_anomaly"),
    "profiler": ("profile", "emit_nvtx", "emit_itt", "PyTorchProfiler", "profiler"),
    "tracer": ("settrace", "setprofile", "Profile", "runctx", "use_tool_id", "Coverage", "VizTracer"),
    "tracemalloc": ("tracemalloc.start", "PYTHONTRACEMALLOC"),
    "launch-blocking": ("CUDA_LAUNCH_BLOCKING",),
    "memory-history": ("_record_memory_history",),
    "distributed-debug": ("TORCH_DISTRIBUTED_DEBUG", "set_debug_level"),
    "gc-debug": ("set_debug",),
    "dispatch-mode": ("FlopCounterMode",),
}
_TOOLS = 6  # numbers of tools in sys.monitoring


def read() -> list[list[Any]]:
    """Return the switches that are on."""
    return [[name, detail, *_place(name)] for name, detail in _switches()]


@functools.lru_cache(maxsize=None)
def _place(name: str) -> tuple[str | None, int | None]:
    return sole_setter(SETTERS.get(name, ()))


def _switches() -> Iterator[Switch]:
    torch = sys.modules.get("torch")
    for found in (_of_autograd, _of_cuda, _of_dispatch):
        try:
            yield from found(torch)
        except Exception:  # a torch that has no such thing, or is not imported to its end
            continue
    yield from _of_python()


def _of_autograd(torch: Any) -> Iterator[Switch]:
    if torch.is_anomaly_enabled():
        yield "anomaly", None
    if torch.autograd._profiler_enabled():
        yield "profiler", "torch.profiler"


def _of_cuda(torch: Any) -> Iterator[Switch]:
    if os.environ.get("TORCH_DISTRIBUTED_DEBUG", "").upper() == "DETAIL" and torch.distributed.is_initialized():
        yield "distributed-debug", "TORCH_DISTRIBUTED_DEBUG=DETAIL"
    if not torch.cuda.is_initialized():
        return
    if os.environ.get("CUDA_LAUNCH_BLOCKING", "0") not in ("", "0"):
        yield "launch-blocking", "CUDA_LAUNCH_BLOCKING"
    if torch._C._cuda_isHistoryEnabled():
        yield "memory-history", "torch.cuda.memory._record_memory_history"


def _of_dispatch(torch: Any) -> Iterator[Switch]:
    count = torch._C._len_torch_dispatch_stack()
    if count:
        yield "dispatch-mode", _name_of(torch._C._get_dispatch_stack_at(count - 1))


def _of_python() -> Iterator[Switch]:
    memory = sys.modules.get("tracemalloc")
    if memory is not None and memory.is_tracing():
        yield "tracemalloc", f"{memory.get_traceback_limit()} frames"
    collector = sys.modules.get("gc")
    if collector is not None and collector.get_debug():
        yield "gc-debug", None
    # `gpuwatch lines --exact` traces as well, and says so.
    if "exact" not in os.environ.get("GPUWATCH_HOOK", "").split(","):
        yield from (("tracer", name) for name in _tracers())


def _tracers() -> Iterator[str]:
    for tracer in (sys.gettrace(), sys.getprofile()):
        # torch's profiler sets a tracer of its own to record Python's stack.
        if tracer is not None and not _name_of(tracer).endswith(".TraceContext"):
            yield _name_of(tracer)
    monitoring: Any = getattr(sys, "monitoring", None)
    for tool in range(_TOOLS) if monitoring is not None else ():
        name = monitoring.get_tool(tool)
        if name is not None and monitoring.get_events(tool):
            yield str(name)


def _name_of(thing: Any) -> str:
    """Return the module and the name of a function, or of an object's class."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return "{}.{}".format(getattr(named, "__module__", None) or "builtins", named.__qualname__)
