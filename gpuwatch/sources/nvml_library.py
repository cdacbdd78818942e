"""The only module that touches pynvml: its errors become `NvmlError` with a reason for people.

Calls that a GPU does not offer are asked for once and then remembered: raising costs more than reading.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

UNINITIALIZED, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 1, 3, 4, 6
DRIVER_NOT_LOADED, TIMEOUT, LIBRARY_NOT_FOUND, FUNCTION_NOT_FOUND = 9, 10, 12, 13
GPU_IS_LOST, VERSION_MISMATCH, GPU_NOT_FOUND, UNKNOWN = 15, 18, 28, 999
# Not one of NVML's own.
NO_PYNVML = -1

_REASONS = {
    UNINITIALIZED: "NVML was shut down",
    NOT_SUPPORTED: "not supported by this GPU",
    NO_PERMISSION: "no permission",
    DRIVER_NOT_LOADED: "the NVIDIA driver is not loaded",
    LIBRARY_NOT_FOUND: "libnvidia-ml.so.1 was not found: there is no NVIDIA driver here",
    FUNCTION_NOT_FOUND: "not in this driver",
    GPU_IS_LOST: "the GPU is lost (fallen off the bus, or being reset)",
    VERSION_MISMATCH: "the NVIDIA driver and its library differ in version: reload the driver or restart the machine",
    GPU_NOT_FOUND: "the GPU is not found any more",
}

# What will not change while the run lasts.
LASTING = {NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND}
LOST = {GPU_IS_LOST, GPU_NOT_FOUND, UNINITIALIZED}


class NvmlError(Exception):
    """An NVML call failed. `code`: nvmlReturn_t; `reason`: in words."""

    def __init__(self, code: int, reason: str | None = None) -> None:
        self.code = code
        self.reason = reason or _REASONS.get(code, f"NVML error {code}")
        super().__init__(self.reason)


class Library:
    """pynvml, loaded and initialised; one user at a time."""

    def __init__(self) -> None:
        try:
            import pynvml
        except ImportError:
            raise NvmlError(
                NO_PYNVML, "nvidia-ml-py is not installed beside gpuwatch: pip install nvidia-ml-py"
            ) from None
        self._nvml: Any = pynvml
        self.call("nvmlInit")

    def call(self, name: str, *arguments: Any) -> Any:
        """Call an NVML function by name; raise NvmlError when it fails or this pynvml lacks it."""
        function = getattr(self._nvml, name, None)
        if function is None:
            raise NvmlError(FUNCTION_NOT_FOUND)
        try:
            return function(*arguments)
        except self._nvml.NVMLError as error:
            raise NvmlError(int(error.value), _REASONS.get(int(error.value), str(error))) from None
        except (AttributeError, OSError, TypeError, ValueError) as error:
            # A pynvml and a driver that do not fit (structures, names): one value less, not all of them.
            raise NvmlError(UNKNOWN, f"{name}: {error}") from error

    def handles(self) -> list[Any]:
        """Return a handle per GPU in NVML's order; None where that GPU is lost now."""
        found: list[Any] = []
        for index in range(self.call("nvmlDeviceGetCount")):
            try:
                found.append(self.call("nvmlDeviceGetHandleByIndex", index))
            except NvmlError:
                found.append(None)
        return found

    def driver(self) -> str | None:
        """Return the driver's version."""
        try:
            return str(self.call("nvmlSystemGetDriverVersion"))
        except NvmlError:
            return None

    def structure(self, name: str) -> Any:
        """Return one of pynvml's ctypes structures, zeroed."""
        return getattr(self._nvml, name)()

    def close(self) -> None:
        """Shut NVML down; never raises."""
        try:
            self.call("nvmlShutdown")
        except NvmlError:
            return


class Calls:
    """The calls of one GPU. A lost GPU raises NvmlError; what it does not offer gives None, and is not asked for again."""

    def __init__(self, library: Library, handle: Any) -> None:
        self.library, self.handle = library, handle
        self.refused: dict[str, str] = {}

    def get(self, name: str, *arguments: Any, key: str | None = None) -> Any:
        """Return the call's answer for this GPU, or None with the reason in `refused` under `key`."""
        key = key or name
        if key in self.refused:
            return None
        return self.attempt(key, lambda: self.library.call(name, self.handle, *arguments))

    def attempt(self, key: str, reading: Callable[[], Any]) -> Any:
        """Return reading(), or None; remember under `key` a reason that lasts."""
        if key in self.refused:
            return None
        try:
            return reading()
        except NvmlError as error:
            if error.code in LOST:
                raise
            if error.code in LASTING:
                self.refused[key] = error.reason
            return None


def address(handle: Any) -> int | None:
    """Return what tells two handles apart."""
    try:
        return ctypes.cast(handle, ctypes.c_void_p).value
    except (ctypes.ArgumentError, TypeError):
        return None
