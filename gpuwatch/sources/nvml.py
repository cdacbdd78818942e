"""All GPUs of the machine through NVML: readings, processes, XID errors; a GPU that is lost is a gap until it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gpuwatch.sources.base import Row
from gpuwatch.sources.columns import COLUMNS
from gpuwatch.sources.nvml_device import Device
from gpuwatch.sources.nvml_library import LOST, TIMEOUT, Library, NvmlError, address

# Where a row of kind `gpu` has its busy share.
_BUSY = 1 + COLUMNS["gpu"].index("busy")
_XID = 8  # nvmlEventTypeXidCriticalError
PROCESSES_EVERY_NS = 5_000_000_000
RETRY_EVERY_NS = 2_000_000_000


class NvmlSource:
    """Rows of kind `device`, `gpu`, `gpu_busy`, `gpu_process`, `xid` and `gap`.

    CUDA_VISIBLE_DEVICES means nothing here: all GPUs that the driver shows are read."""

    name = "nvml"
    period_s = 1.0
    later_period_s = 1.0

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._library: Library | None = None
        # NVML's code for why `probe` found no GPU.
        self.refused_with: int | None = None
        self._devices: dict[int, Device | None] = {}
        self._lost: dict[int, tuple[int, str]] = {}
        self._events: Any = None
        self._retry_due = self._processes_due = 0
        # Of the last tick: how much each GPU was busy, in percent.
        self.busy: list[float | None] = []

    def probe(self) -> str | None:
        """Return why no GPU can be read, or None. NVML then stays initialised for open(): each time can take seconds."""
        try:
            self._library = self._library or Library()
            if self._library.call("nvmlDeviceGetCount"):
                return None
            reason = "the driver works but sees no GPU"
        except NvmlError as error:
            reason, self.refused_with = error.reason, error.code
        self.close()
        return reason

    def open(self) -> None:
        """Find the GPUs; raise NvmlError when there is no way in."""
        self._library = self._library or Library()
        self._devices = dict.fromkeys(range(self._library.call("nvmlDeviceGetCount")))
        self._events = self._event_set()

    def read(self, now: int) -> list[Row]:
        """Return the rows of one tick over all GPUs; a GPU that does not answer costs only its own rows."""
        rows: list[Row] = []
        retry = now >= self._retry_due
        for index, device in self._devices.items():
            if device is not None:
                rows += self._tick(device, now)
            elif retry:
                rows += self._acquire(index)
        if retry:
            self._retry_due = now + RETRY_EVERY_NS
        if now >= self._processes_due:
            self._processes_due = now + PROCESSES_EVERY_NS
        if self._devices and not any(self._devices.values()) and retry:
            self._restart()
        self.busy = [row[_BUSY] for row in rows if row[0] == "gpu"]
        return rows + self._xids()

    def close(self) -> None:
        """Shut NVML down."""
        if self._library is None:
            return
        for device in self._devices.values():
            if device is not None:
                device.close()
        if self._events is not None:
            self._quietly("nvmlEventSetFree", self._events)
        self._library.close()
        self._library, self._devices, self._events = None, {}, None

    def gaps(self) -> list[Row]:
        """Return a `gap` row for each GPU that is still lost."""
        t = self._clock()
        return [["gap", since, t, f"nvml:{index}", reason] for index, (since, reason) in self._lost.items()]

    def _tick(self, device: Device, now: int) -> list[Row]:
        try:
            rows = [device.reading()]
            busy = device.read_busy_samples()
            if now >= self._processes_due:
                rows += device.processes()
        except NvmlError as error:
            return [self._lose(device.index, error)]
        return [*rows, busy] if busy else rows

    def _lose(self, index: int, error: NvmlError) -> Row:
        device = self._devices[index]
        if device is not None and error.code not in LOST:
            device.close()
        # Of a lost GPU nothing is freed: its handle may not be used any more.
        self._devices[index] = None
        t = self._clock()
        self._lost.setdefault(index, (t, error.reason))
        return ["gpu", t, index, *[None] * 17, error.reason]

    def _acquire(self, index: int) -> list[Row]:
        assert self._library is not None
        try:
            device = Device(self._library, index, self._library.call("nvmlDeviceGetHandleByIndex", index), self._clock)
            reading = device.reading()
            rows = [reading, *device.processes()]
            rows.insert(0, device.facts())
        except NvmlError as error:
            return [] if index in self._lost else [self._lose(index, error)]
        self._devices[index] = device
        self._register(device)
        if index in self._lost:
            since, reason = self._lost.pop(index)
            rows.append(["gap", since, self._clock(), f"nvml:{index}", reason])
        return rows

    def _restart(self) -> None:
        """Initialise NVML again: with every GPU lost, some drivers give no working handle before that."""
        assert self._library is not None
        self._library.close()
        try:
            self._library = Library()
            self._events = self._event_set()
        except NvmlError:
            self._events = None

    def _event_set(self) -> Any:
        assert self._library is not None
        try:
            return self._library.call("nvmlEventSetCreate")
        except NvmlError:
            return None

    def _register(self, device: Device) -> None:
        if self._events is not None:
            self._quietly("nvmlDeviceRegisterEvents", device.handle, _XID, self._events)

    def _quietly(self, name: str, *arguments: Any) -> None:
        assert self._library is not None
        try:
            self._library.call(name, *arguments)
        except NvmlError:
            return

    def _xids(self) -> list[Row]:
        rows: list[Row] = []
        while self._events is not None and self._library is not None and len(rows) < 100:
            try:
                event = self._library.call("nvmlEventSetWait_v2", self._events, 0)
            except NvmlError as error:
                if error.code != TIMEOUT:
                    self._events = None
                break
            rows.append(["xid", self._clock(), self._index_of(event.device), int(event.eventData)])
        return rows

    def _index_of(self, handle: Any) -> int | None:
        wanted = address(handle)
        return next(
            (index for index, device in self._devices.items() if device and address(device.handle) == wanted), None
        )
