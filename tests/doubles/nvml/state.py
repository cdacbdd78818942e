"""The double's state, mapped: what a test writes here is what the next NVML call of any process answers."""

from __future__ import annotations

import ctypes
import json
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_DEVICES, MAX_PROCESSES, MAX_REFUSED = 16, 8, 32
NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, FUNCTION_NOT_FOUND, LOST, UNKNOWN = 3, 4, 9, 13, 15, 999

_u32, _u64 = ctypes.c_uint32, ctypes.c_uint64


class Device(ctypes.Structure):
    """One GPU: the same as `struct device` in nvml_double.c."""

    _fields_ = [
        *[(name, ctypes.c_char * size) for name, size in (("name", 96), ("uuid", 96), ("bus_id", 32))],
        ("error", ctypes.c_int32),
        *[(name, _u32) for name in ("busy", "memory_busy", "samples_empty")],
        *[(name, _u64) for name in ("memory_total", "memory_used", "memory_reserved")],
        *[(name, _u32) for name in ("power_mw", "power_limit_mw", "temperature_c", "sm_mhz", "memory_mhz")],
        *[(name, _u32) for name in ("mig", "gpm_supported", "process_count")],
        *[(name, _u64) for name in ("energy_mj", "reasons", "pcie_tx_bytes", "pcie_rx_bytes")],
        *[(name, _u64) for name in ("nvlink_tx_kib", "nvlink_rx_kib", "xid")],
        ("gpm", ctypes.c_double * 64),
        ("pids", _u32 * MAX_PROCESSES),
        ("sm_percent", _u32 * MAX_PROCESSES),
        ("process_bytes", _u64 * MAX_PROCESSES),
    ]


class Refused(ctypes.Structure):
    """A call that answers an error on every GPU."""

    _fields_ = [("name", ctypes.c_char * 64), ("code", ctypes.c_int32), ("unused", _u32)]


class State(ctypes.Structure):
    """The whole double: the same as `struct state` in nvml_double.c."""

    _fields_ = [
        *[(name, _u32) for name in ("devices", "init_error", "call_delay_us", "hang")],
        *[(name, _u64) for name in ("calls", "pcie_throughput_calls", "refused_calls")],
        ("refused", Refused * MAX_REFUSED),
        ("device", Device * MAX_DEVICES),
    ]

    def refuse(self, *calls: str, code: int = NOT_SUPPORTED) -> None:
        """Make these entry points (their exported names) answer `code`."""
        used = sum(1 for one in self.refused if one.name)
        for slot, call in enumerate(calls, start=used):
            self.refused[slot].code = code
            self.refused[slot].name = call.encode()

    def run_process(self, device: int, pid: int, memory_bytes: int, sm_percent: int) -> None:
        """Put a process on a GPU."""
        gpu = self.device[device]
        at = gpu.process_count
        gpu.pids[at], gpu.process_bytes[at], gpu.sm_percent[at] = pid, memory_bytes, sm_percent
        gpu.process_count = at + 1

    def apply(self, device: int, values: dict[str, Any]) -> None:
        """Set a GPU's fields by name; `gpm` takes {metric id: value}."""
        for name, value in values.items():
            if name == "gpm":
                for metric, percent in value.items():
                    self.device[device].gpm[int(metric)] = percent
            else:
                setattr(self.device[device], name, value)


def create(path: Path, devices: int = 2) -> State:
    """Make a state file of idle Hopper-like GPUs; the mapping lives as long as the returned object."""
    path.write_bytes(bytes(ctypes.sizeof(State)))
    with path.open("r+b") as file:
        state = State.from_buffer(mmap.mmap(file.fileno(), 0))
    state.devices = devices
    for index in range(devices):
        gpu = state.device[index]
        gpu.name, gpu.uuid = b"NVIDIA Double", b"GPU-00000000-0000-0000-0000-%012d" % index
        gpu.bus_id = b"00000000:%02X:00.0" % (index + 1)
        gpu.memory_total, gpu.memory_reserved = 80 << 30, 600 << 20
        gpu.power_mw, gpu.power_limit_mw, gpu.temperature_c = 70_000, 700_000, 40
        gpu.sm_mhz, gpu.memory_mhz, gpu.gpm_supported = 1980, 2619, 1
    return state


def trace(path: Path) -> Iterator[tuple[float, int, dict[str, Any]]]:
    """Yield (seconds since the start, GPU, fields) of a recorded trace: JSON lines [seconds, device, {field: value}]."""
    for line in path.read_text().splitlines():
        seconds, device, values = json.loads(line)
        yield float(seconds), int(device), dict(values)
