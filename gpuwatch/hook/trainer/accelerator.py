"""The accelerator that this process computes on, and what makes its timing events.

NVIDIA's and AMD's GPUs are torch.cuda's. torch.Event (torch 2.6 and later) covers any accelerator that torch knows: those,
Intel's, and what registers itself with torch. As long as it has not run on a GPU, it is used only where it is asked for.
"""

from __future__ import annotations

import functools
import os
import sys

from ..event_log import spool
from ..process import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

BY_TORCH_EVENT = "GPUWATCH_TORCH_EVENTS"
_ON = ("1", "true", "yes", "on")
CUDA = "cuda"


class Accelerator:
    """One kind of device in use. `make_event`: an event that can be timed; `is_capturing`: the thread's stream is being
    captured into a graph, into which no event may be recorded."""

    __slots__ = ("is_capturing", "kind", "make_event", "module")

    def __init__(self, kind: str, module: Any, make_event: Callable[[], Any], is_capturing: Callable[[], bool]) -> None:
        self.kind, self.module = kind, module
        self.make_event, self.is_capturing = make_event, is_capturing


class Described:
    """Whether this process's devices are written: once it has initialised them. `failed`: torch.Event is not used again."""

    __slots__ = ("failed", "written")

    def __init__(self) -> None:
        self.written = self.failed = False

    def after_fork(self) -> None:
        """Write them again in a child that comes to use them itself; a parent's are not initialised there."""
        self.written = False

    def write(self, found: Accelerator) -> None:
        """Write which devices there are, and which is the current one; later calls do nothing."""
        if self.written:
            return
        self.written = True
        if found.kind != CUDA:
            spool.meta("accelerator", [found.kind, _name(found.module)])
            return
        cuda = found.module
        spool.meta("cuda_devices", [_device(cuda, index) for index in range(cuda.device_count())])
        spool.meta("cuda_device", cuda.current_device())


described = process.own(Described())


def in_use() -> Accelerator | None:
    """Return the accelerator that this process has initialised; None before, and without one.

    Asks only whether it has: initialising one is the training's business, and no forked worker ever does.
    """
    torch = sys.modules.get("torch")
    wants_torch_event = os.environ.get(BY_TORCH_EVENT, "").lower() in _ON and not described.failed
    found = (_by_torch_event(torch) if wants_torch_event else None) or _by_cuda_event(torch)
    if found is not None:
        described.write(found)
    return found


def _by_torch_event(torch: Any) -> Accelerator | None:
    try:
        return _of_torch_accelerator(torch)
    except Exception as error:
        described.failed = True
        spool.meta("missing_seam", f"torch.accelerator: {type(error).__name__}: {error}")
        return None


def _of_torch_accelerator(torch: Any) -> Accelerator | None:
    accelerator = getattr(torch, "accelerator", None)
    device = accelerator.current_accelerator() if accelerator is not None and hasattr(torch, "Event") else None
    if device is None:
        return None
    module = getattr(torch, device.type, None)
    if not getattr(module, "is_initialized", _never)():
        return None
    make_event = functools.partial(torch.Event, device.type, enable_timing=True)
    return Accelerator(device.type, module, make_event, _captures(accelerator, module))


def _captures(accelerator: Any, module: Any) -> Callable[[], bool]:
    """Return what says whether the thread's stream is being captured."""
    told: Callable[[], bool] | None = getattr(module, "is_current_stream_capturing", None)
    if told is not None:
        return told
    if not hasattr(accelerator.current_stream(), "is_capturing"):
        return _never
    return lambda: bool(accelerator.current_stream().is_capturing())


def _by_cuda_event(torch: Any) -> Accelerator | None:
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return None
    make_event = functools.partial(cuda.Event, enable_timing=True)
    return Accelerator(CUDA, cuda, make_event, getattr(cuda, "is_current_stream_capturing", _never))


def _never() -> bool:
    return False


def _device(cuda: Any, index: int) -> list[Any]:
    properties = cuda.get_device_properties(index)
    uuid = getattr(properties, "uuid", None)
    return [index, nvml_uuid(str(uuid)) if uuid else None, properties.name]


def nvml_uuid(uuid: str) -> str:
    """Return a device's UUID as NVML writes it."""
    return uuid if uuid.startswith(("GPU-", "MIG-")) else "GPU-" + uuid


def _name(module: Any) -> str | None:
    """Return what the current device is called, where its module says so."""
    try:
        return str(module.get_device_name(module.current_device()))
    except Exception:
        return None
