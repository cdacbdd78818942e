"""NVML and GPM as they answer here, against what the test double (tests/doubles/nvml) assumes of them.

Each function below checks one assumption and returns (does it hold, what was seen). Run against the double, all hold.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpuwatch.sources.nvml_device import (
    ENERGY,
    NVLINK_RX,
    NVLINK_TX,
    PCIE_RX,
    PCIE_TX,
    Device,
)
from gpuwatch.sources.nvml_gpm import METRICS, MIN_INTERVAL_NS
from gpuwatch.sources.nvml_library import NOT_FOUND, NOT_SUPPORTED, TIMEOUT, Library, NvmlError
from tests.gpu.outcome import Outcome, judge, skipped

Seen = tuple[bool, str]
_PART = "NVML and GPM"
_ALL_LINKS = 0xFFFFFFFF
_BUFFERED = 1
_KNOWN_REASONS = 0x1FF


def check_driver(device: int = 0) -> list[Outcome]:
    """Check every assumption on one GPU; what a call refuses is said, not raised."""
    try:
        library = Library()
        handle = library.call("nvmlDeviceGetHandleByIndex", device)
    except NvmlError as error:
        return [skipped(_PART, "every assumption of the double", error.reason)]
    try:
        return [_outcome(check, library, handle) for check in ASSUMPTIONS]
    finally:
        library.close()


def _outcome(check: Callable[[Library, Any], Seen], library: Library, handle: Any) -> Outcome:
    name = (check.__doc__ or check.__name__).rstrip(".")
    try:
        holds, seen = check(library, handle)
    except NvmlError as error:
        return skipped(_PART, name, f"refused here: {error.reason} ({error.code})")
    except Exception as error:  # one answer of an unexpected shape must not hide the others
        return judge(_PART, name, False, f"{type(error).__name__}: {error}", "as the double does")
    return judge(_PART, name, holds, seen, "as the double does")


def _identity(library: Library, handle: Any) -> Seen:
    """UUIDs begin with GPU- and the driver has a version."""
    uuid, driver = library.call("nvmlDeviceGetUUID", handle), library.driver()
    return str(uuid).startswith("GPU-") and bool(driver), f"{uuid}, driver {driver}"


def _torch_uuid(library: Library, handle: Any) -> Seen:
    """torch knows the GPU by the same UUID."""
    try:
        import torch
    except Exception:
        raise NvmlError(NOT_SUPPORTED, "no torch here") from None
    if not torch.cuda.is_available():
        raise NvmlError(NOT_SUPPORTED, "torch sees no GPU")
    known = [f"GPU-{torch.cuda.get_device_properties(number).uuid}" for number in range(torch.cuda.device_count())]
    uuid = str(library.call("nvmlDeviceGetUUID", handle))
    return uuid in known, f"NVML {uuid}, torch {', '.join(known)}"


def _memory(library: Library, handle: Any) -> Seen:
    """Memory version 2 keeps the reserve apart: total = used + free + reserved, version 1 counts it as used."""
    new = library.call("nvmlDeviceGetMemoryInfo", handle, 0x02000028)
    old = library.call("nvmlDeviceGetMemoryInfo", handle)
    off = abs(new.total - new.used - new.free - new.reserved), abs(old.used - new.used - new.reserved)
    seen = f"used {new.used >> 20} MiB, reserved {new.reserved >> 20} MiB; off by {off[0]} and {off[1]} bytes"
    return max(off) < 256 << 20, seen


def _utilization(library: Library, handle: Any) -> Seen:
    """Utilization rates are percent."""
    rates = library.call("nvmlDeviceGetUtilizationRates", handle)
    return 0 <= rates.gpu <= 100 and 0 <= rates.memory <= 100, f"{rates.gpu} %, memory {rates.memory} %"


def _power(library: Library, handle: Any) -> Seen:
    """Power and its limit are milliwatts."""
    power, limit = (
        library.call("nvmlDeviceGetPowerUsage", handle),
        library.call("nvmlDeviceGetEnforcedPowerLimit", handle),
    )
    return 1000 < power < 2 * limit and 10_000 < limit < 3_000_000, f"{power / 1e3:.0f} W of {limit / 1e3:.0f} W"


def _energy(library: Library, handle: Any) -> Seen:
    """Field 83 is the energy counter in mJ, the same as GetTotalEnergyConsumption, and never falls."""
    field, call = _field(library, handle, ENERGY), library.call("nvmlDeviceGetTotalEnergyConsumption", handle)
    again = _field(library, handle, ENERGY)
    good = None not in (field, again) and field <= again and abs(field - call) < 200_000  # type: ignore[operator]
    return good, f"field {field}, call {call}, field again {again}"


def _counters(library: Library, handle: Any) -> Seen:
    """PCIe (197, 198) and NVLink over all links (138, 139) are counters, or refused as unsupported."""
    told = {field: _answer(library, handle, field) for field in (PCIE_TX, PCIE_RX, NVLINK_TX, NVLINK_RX)}
    good = all(code == 0 or code == NOT_SUPPORTED for code, _ in told.values())
    return good, ", ".join(
        f"{field}: {value if code == 0 else f'error {code}'}" for field, (code, value) in told.items()
    )


def _buffered(library: Library, handle: Any) -> Seen:
    """GetSamples gives what came after the cursor, about six a second, and NOT_FOUND when nothing did."""
    first = _samples(library, handle, 0)
    if not first:
        return True, "nothing is buffered now (NOT_FOUND): the GPU is idle"
    none = _samples(library, handle, first[-1].timeStamp)
    time.sleep(0.6)
    later = _samples(library, handle, first[-1].timeStamp)
    ordered = all(one.timeStamp < two.timeStamp for one, two in zip(first, first[1:], strict=False))
    newer = all(one.timeStamp > first[-1].timeStamp for one in later)
    every_ms = (first[-1].timeStamp - first[0].timeStamp) / max(1, len(first) - 1) / 1e3
    percent = all(0 <= one.sampleValue.uiVal <= 100 for one in first)
    seen = f"{len(first)} at first, every {every_ms:.0f} ms; then {len(none)}; {len(later)} after 0.6 s"
    return ordered and newer and percent and len(none) <= 1 and len(later) <= 60, seen


def _gpm_young(library: Library, handle: Any) -> Seen:
    """GPM samples less than 100 ms apart give nothing, zeros or impossible values."""
    values = _gpm(library, handle, 0.02)
    return all(value is None or not value or value > 100 for value in values.values()), _told(values)


def _gpm_old(library: Library, handle: Any) -> Seen:
    """GPM samples 105 ms apart give percent."""
    values = _gpm(library, handle, MIN_INTERVAL_NS / 1e9)
    good = all(value is not None and 0 <= value <= 100.5 for value in values.values())
    return good, _told(values)


def _reasons(library: Library, handle: Any) -> Seen:
    """Clock event reasons are a mask of known bits, the older name gives the same."""
    now = library.call("nvmlDeviceGetCurrentClocksEventReasons", handle)
    older = library.call("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    return not now & ~_KNOWN_REASONS, f"{now:#x}, by the older name {older:#x}"


def _mig(library: Library, handle: Any) -> Seen:
    """MIG mode is told as (now, pending)."""
    now, pending = library.call("nvmlDeviceGetMigMode", handle)
    return {now, pending} <= {0, 1}, f"{now}, {pending}"


def _processes(library: Library, handle: Any) -> Seen:
    """Running processes have a pid; process utilization answers or says NOT_FOUND."""
    running = library.call("nvmlDeviceGetComputeRunningProcesses", handle)
    try:
        used = str(len(library.call("nvmlDeviceGetProcessUtilization", handle, 0)))
    except NvmlError as error:
        if error.code not in (NOT_FOUND, NOT_SUPPORTED):
            raise
        used = f"refused ({error.reason})"
    return all(one.pid > 0 for one in running), f"{len(running)} running; utilization: {used}"


def _slow_call(library: Library, handle: Any) -> Seen:
    """PcieThroughput blocks for about 20 ms, which is why the sampler never asks it."""
    begin = time.perf_counter()
    library.call("nvmlDeviceGetPcieThroughput", handle, 0)
    took_ms = (time.perf_counter() - begin) * 1e3
    return took_ms > 5, f"{took_ms:.1f} ms"


def _events(library: Library, handle: Any) -> Seen:
    """An event set without an event answers TIMEOUT at once."""
    events = library.call("nvmlEventSetCreate")
    try:
        library.call("nvmlDeviceRegisterEvents", handle, 8, events)
        begin = time.perf_counter()
        try:
            library.call("nvmlEventSetWait_v2", events, 0)
        except NvmlError as error:
            took_ms = (time.perf_counter() - begin) * 1e3
            return error.code == TIMEOUT and took_ms < 100, f"error {error.code} after {took_ms:.2f} ms"
        return True, "an XID error was waiting: look at the kernel's log"
    finally:
        library.call("nvmlEventSetFree", events)


def _reading(library: Library, handle: Any) -> Seen:
    """A whole reading as the sampler takes it costs less than 10 ms."""
    device = Device(library, 0, handle)
    took = []
    for _ in range(20):
        begin = time.perf_counter()
        device.reading()
        took.append((time.perf_counter() - begin) * 1e3)
    refused = ", ".join(f"{name} ({why})" for name, why in device.unsupported().items()) or "nothing"
    device.close()
    median = sorted(took)[len(took) // 2]
    return median < 10, f"{median:.2f} ms; refused: {refused}"


ASSUMPTIONS: tuple[Callable[[Library, Any], Seen], ...] = (
    _identity, _torch_uuid, _memory, _utilization, _power, _energy, _counters, _buffered, _gpm_young, _gpm_old, _reasons,
    _mig, _processes, _slow_call, _events, _reading,
)  # fmt: skip


def _answer(library: Library, handle: Any, field: int) -> tuple[int, int]:
    scope = _ALL_LINKS if field in (NVLINK_TX, NVLINK_RX) else 0
    (answer,) = library.call("nvmlDeviceGetFieldValues", handle, [(field, scope)])
    return int(answer.nvmlReturn), int(answer.value.ullVal)


def _field(library: Library, handle: Any, field: int) -> int | None:
    code, value = _answer(library, handle, field)
    return value if code == 0 else None


def _samples(library: Library, handle: Any, after: int) -> list[Any]:
    try:
        return list(library.call("nvmlDeviceGetSamples", handle, _BUFFERED, after)[1])
    except NvmlError as error:
        if error.code == NOT_FOUND:
            return []
        raise


def _gpm(library: Library, handle: Any, apart_s: float) -> dict[str, float | None]:
    if not library.call("nvmlGpmQueryDeviceSupport", handle).isSupportedDevice:
        raise NvmlError(NOT_SUPPORTED, "only Hopper and later GPUs have GPM")
    samples = [library.call("nvmlGpmSampleAlloc") for _ in range(2)]
    try:
        library.call("nvmlGpmSampleGet", handle, samples[0])
        time.sleep(apart_s)
        library.call("nvmlGpmSampleGet", handle, samples[1])
        ask = library.structure("c_nvmlGpmMetricsGet_t")
        ask.version, ask.numMetrics, ask.sample1, ask.sample2 = 1, len(METRICS), *samples
        for slot, metric in enumerate(METRICS):
            ask.metrics[slot].metricId = metric
        library.call("nvmlGpmMetricsGet", ask)
        return {METRICS[one.metricId]: _finite(one) for one in list(ask.metrics)[: len(METRICS)]}
    finally:
        for sample in samples:
            library.call("nvmlGpmSampleFree", sample)


def _finite(metric: Any) -> float | None:
    return metric.value if metric.nvmlReturn == 0 and math.isfinite(metric.value) else None


def _told(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'none' if value is None else f'{value:.1f}'}" for name, value in values.items())


# The sampler's columns by the names that the double's state has for them.
_SAME = (
    "busy",
    "memory_busy",
    "power_mw",
    "temperature_c",
    "sm_mhz",
    "memory_mhz",
    "energy_mj",
    "reasons",
    "pcie_tx_bytes",
    "pcie_rx_bytes",
)
_GPM_IDS = {name: str(number) for number, name in METRICS.items()}


def write_trace(rows: list[dict[str, Any]], path: Path) -> int:
    """Write `gpu` rows of a run as a trace that the double replays; return the number of lines."""
    lines = [json.dumps([round((row["t"] - rows[0]["t"]) / 1e9, 3), row["device"], _state(row)]) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines))
    return len(lines)


def _state(row: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {name: row[name] for name in _SAME if row[name] is not None}
    if row["memory_used_bytes"] is not None:
        told["memory_used"] = row["memory_used_bytes"]
    for name in ("nvlink_tx", "nvlink_rx"):
        if row[f"{name}_bytes"] is not None:
            told[f"{name}_kib"] = row[f"{name}_bytes"] // 1024
    gpm = {number: row[name] for name, number in _GPM_IDS.items() if row[name] is not None}
    return {**told, "gpm": gpm} if gpm else told
