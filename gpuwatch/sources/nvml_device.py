"""One GPU through NVML: its facts, one reading per tick, and coming back after it was lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gpuwatch.sources.base import Row
from gpuwatch.sources.nvml_gpm import Gpm, open_gpm
from gpuwatch.sources.nvml_library import NOT_FOUND, Calls, Library, NvmlError

# Field values: energy in mJ, PCIe bytes, NVLink data in KiB over all links (scope).
ENERGY, PCIE_TX, PCIE_RX, NVLINK_TX, NVLINK_RX = 83, 197, 198, 138, 139
_ALL_LINKS = 0xFFFFFFFF
_FIELDS = {ENERGY: 0, PCIE_TX: 0, PCIE_RX: 0, NVLINK_TX: _ALL_LINKS, NVLINK_RX: _ALL_LINKS}
_VALUE_TYPES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
_GPU_UTILIZATION_SAMPLES = 1
_SM_CLOCK, _MEMORY_CLOCK = 1, 2
_MEMORY_V2 = 0x02000028
_OLDER_FORMS = {"memory_v2": "memory", "throttle": "throttle_old"}


class Device:
    """One GPU. Every method raises NvmlError when the GPU is lost, and gives None for what it does not offer."""

    def __init__(self, library: Library, index: int, handle: Any, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.index, self._clock = index, clock
        self._calls = Calls(library, handle)
        self._cursor = self._process_cursor = 0
        self._fields = dict(_FIELDS)
        self.gpm: Gpm | None = open_gpm(self._calls)
        self.uuid: str | None = self._calls.get("nvmlDeviceGetUUID")
        self.read_busy_samples()

    @property
    def handle(self) -> Any:
        """NVML's handle, for event registration."""
        return self._calls.handle

    def facts(self) -> Row:
        """Return the `device` row; after a first reading, so that `unsupported` is complete."""
        get, library = self._calls.get, self._calls.library
        memory, pci, mig = self._memory(), get("nvmlDeviceGetPciInfo"), get("nvmlDeviceGetMigMode")
        bus, refused = pci.busId if pci else None, self.unsupported()
        return ["device", self._clock(), self.index, self.uuid, get("nvmlDeviceGetName"), bus.decode() if isinstance(bus, bytes) else bus,
                int(memory.total) if memory else None, get("nvmlDeviceGetEnforcedPowerLimit"), get("nvmlDeviceGetMaxClockInfo", _SM_CLOCK),
                bool(mig[0]) if mig else False, library.driver(), self.gpm is not None, list(refused), refused]  # fmt: skip

    def unsupported(self) -> dict[str, str]:
        """Return what this GPU refused for good, with the reason; a call whose older form works is not refused."""
        refused = self._calls.refused
        covered = {name for name, older in _OLDER_FORMS.items() if older not in refused}
        return {name: refused[name] for name in sorted(refused.keys() - covered - set(_OLDER_FORMS.values()))}

    def reading(self) -> Row:
        """Return one `gpu` row."""
        get = self._calls.get
        rates, memory = get("nvmlDeviceGetUtilizationRates", key="busy"), self._memory()
        sm_mhz, memory_mhz = (
            get("nvmlDeviceGetClockInfo", _SM_CLOCK, key="sm_mhz"),
            get("nvmlDeviceGetClockInfo", _MEMORY_CLOCK, key="memory_mhz"),
        )
        fields, chip = self._field_values(), self._chip()
        row: Row = ["gpu", 0, self.index, rates.gpu if rates else None, rates.memory if rates else None, int(memory.used) if memory else None,
               get("nvmlDeviceGetPowerUsage", key="power"), fields.get(ENERGY), get("nvmlDeviceGetTemperature", 0, key="temperature"),
               sm_mhz, memory_mhz, self._reasons(), chip.get("sm_active"), chip.get("occupancy"), chip.get("tensor_active"), chip.get("dram_active"),
               fields.get(PCIE_TX), fields.get(PCIE_RX), _kib(fields.get(NVLINK_TX)), _kib(fields.get(NVLINK_RX)), None]  # fmt: skip
        row[1] = self._clock()
        return row

    def read_busy_samples(self) -> Row | None:
        """Return the `gpu_busy` row of what the driver buffered since the last call, None when there is nothing new."""
        samples = self._calls.attempt("busy_samples", self._new_samples)
        if not samples:
            return None
        # The driver's timestamps are only compared with each other: their clock is not ours.
        first, last, previous = samples[0].timeStamp, samples[-1].timeStamp, self._cursor
        self._cursor = last
        if not previous:
            return None
        interval_us = (last - previous) // len(samples) if last > previous else last - first
        return [
            "gpu_busy",
            self._clock(),
            self.index,
            int(interval_us) * 1000,
            [int(sample.sampleValue.uiVal) for sample in samples],
        ]

    def processes(self) -> list[Row]:
        """Return a `gpu_process` row per process with a context on this GPU; pids may be those of the host."""
        running = self._calls.get("nvmlDeviceGetComputeRunningProcesses", key="processes") or []
        used = self._process_busy() if running else {}
        t = self._clock()
        return [
            ["gpu_process", t, self.index, int(one.pid), one.usedGpuMemory, used.get(int(one.pid))] for one in running
        ]

    def close(self) -> None:
        """Free what GPM holds."""
        if self.gpm:
            self.gpm.close()
            self.gpm = None

    def _memory(self) -> Any:
        # Version 2 keeps the driver's own reserve apart from what is used.
        get = self._calls.get
        return get("nvmlDeviceGetMemoryInfo", _MEMORY_V2, key="memory_v2") or get(
            "nvmlDeviceGetMemoryInfo", key="memory"
        )

    def _reasons(self) -> Any:
        # Drivers before 535 know the older of the two names only.
        now = self._calls.get("nvmlDeviceGetCurrentClocksEventReasons", key="throttle")
        return (
            now if now is not None else self._calls.get("nvmlDeviceGetCurrentClocksThrottleReasons", key="throttle_old")
        )

    def _chip(self) -> dict[str, float | None]:
        gpm = self.gpm
        return (self._calls.attempt("gpm", lambda: gpm.read(self._clock())) if gpm else None) or {}

    def _new_samples(self) -> list[Any]:
        try:
            _, samples = self._calls.library.call(
                "nvmlDeviceGetSamples", self._calls.handle, _GPU_UTILIZATION_SAMPLES, self._cursor
            )
        except NvmlError as error:
            if error.code == NOT_FOUND:
                return []
            raise
        return list(samples)

    def _process_busy(self) -> dict[int, int]:
        samples = self._calls.get("nvmlDeviceGetProcessUtilization", self._process_cursor, key="process_busy") or []
        self._process_cursor = max((int(one.timeStamp) for one in samples), default=self._process_cursor)
        return {int(one.pid): int(one.smUtil) for one in samples}

    def _field_values(self) -> dict[int, int]:
        if not self._fields:
            return {}
        answers = self._calls.get("nvmlDeviceGetFieldValues", list(self._fields.items()), key="fields") or []
        found = {}
        for answer in answers:
            if answer.nvmlReturn == 0:
                found[int(answer.fieldId)] = int(getattr(answer.value, _VALUE_TYPES[answer.valueType]))
            else:
                self._drop_field(int(answer.fieldId), int(answer.nvmlReturn))
        return found

    def _drop_field(self, field: int, code: int) -> None:
        error = NvmlError(code)
        name = {
            ENERGY: "energy",
            PCIE_TX: "pcie_tx",
            PCIE_RX: "pcie_rx",
            NVLINK_TX: "nvlink_tx",
            NVLINK_RX: "nvlink_rx",
        }[field]
        self._calls.refused[name] = error.reason
        self._fields.pop(field, None)


def _kib(value: int | None) -> int | None:
    return None if value is None else value * 1024
