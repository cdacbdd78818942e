"""Each GPU while the training loop ran, as NVML reported it, and whose it was."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from gpuwatch.analyze.machine.usage import Window
from gpuwatch.analyze.numbers.arrays import as_list, columns_of, numbers, optional, whole
from gpuwatch.analyze.numbers.statistics import Array, mean
from gpuwatch.analyze.processes.sorting import Processes, Trainer
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.recording import ProcessLog, Table

# nvmlClocksEventReasons: the bits that mean "slower than it could be"; idle and application settings are not trouble.
THROTTLE_REASONS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
}
_FIELDS = (
    "busy", "memory_used_bytes", "power_mw", "energy_mj", "temperature_c", "sm_mhz", "reasons",
    "sm_active", "occupancy", "tensor_active", "dram_active",
)  # fmt: skip


def device_profiles(processes: Processes, window: Window) -> tuple[DeviceProfile, ...]:
    """Describe every GPU that the sampler saw; empty without NVML."""
    sampler = processes.sampler
    if sampler is None or not len(sampler.table("device")):
        return ()
    facts = {row["device"]: row for row in sampler.table("device").dicts() if row.get("device") is not None}
    columns = columns_of(sampler.table("gpu"), ("t", "device", *_FIELDS))
    ours = _pids(processes)
    return tuple(_profile(processes, sampler, row, columns, window, ours) for _, row in sorted(facts.items()))


def _profile(
    processes: Processes,
    sampler: ProcessLog,
    facts: dict[str, Any],
    columns: dict[str, Array],
    window: Window,
    ours: set[int],
) -> DeviceProfile:
    index = int(facts["device"])
    mine = columns["device"] == index
    inside = mine & (columns["t"] >= window[0]) & (columns["t"] <= window[1])
    chosen = inside if inside.any() else mine
    value = {name: columns[name][chosen] for name in ("t", *_FIELDS)}
    others, foreign = _other_processes(sampler.table("gpu_process"), index, ours)
    return DeviceProfile(
        index=index,
        uuid=str(facts.get("uuid") or ""),
        name=str(facts.get("name") or ""),
        busy=_busy(sampler.table("gpu_busy"), index, window, value["busy"]),
        sm_active=_share(value["sm_active"]),
        occupancy=_share(value["occupancy"]),
        tensor_active=_share(value["tensor_active"]),
        dram_active=_share(value["dram_active"]),
        memory_used_bytes=whole(_last(value["memory_used_bytes"])),
        memory_total_bytes=whole(facts.get("memory_total_bytes")),
        memory_peak_bytes=whole(_peak(columns["memory_used_bytes"][mine])),
        power_w=_power(value),
        power_limit_w=_scaled(facts.get("power_limit_mw"), 1e-3),
        energy_j=_scaled(_grown(columns["energy_mj"][mine]), 1e-3),
        temperature_c=_peak(value["temperature_c"]),
        sm_mhz=mean(value["sm_mhz"]),
        sm_mhz_max=optional(facts.get("sm_mhz_max")),
        throttle=_throttle(value["reasons"]),
        other_pids=others,
        foreign_memory_bytes=foreign,
        ranks=tuple(trainer.rank for trainer in processes.trainers if _uses(trainer, facts)),
        xids=tuple(
            int(row["xid"])
            for row in sampler.table("xid").dicts()
            if row.get("device") == index and row.get("xid") is not None
        ),
        unsupported=tuple(str(name) for name in as_list(facts.get("unsupported"))),
    )


def _busy(buffered: Table, index: int, window: Window, plain: Array) -> float | None:
    """Return the busy share: the driver's own finer samples where it gives them."""
    t, device = numbers(buffered, "t"), numbers(buffered, "device")
    chosen: list[int] = np.flatnonzero((device == index) & (t >= window[0]) & (t <= window[1])).tolist()
    recorded = buffered.pick("busy", chosen)
    inside = [value for values in recorded for value in as_list(values) if value is not None]
    return _share(np.array(inside)) if inside else _share(plain)


def _share(percent: Array) -> float | None:
    value = mean(percent)
    return None if value is None else value / 100


def _last(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else None


def _peak(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) else None


def _grown(values: Array) -> float | None:
    """Return by how much a counter grew; a reload of the driver resets it."""
    known = values[np.isfinite(values)]
    steps = np.diff(known)
    return float(steps[steps > 0].sum()) if len(known) >= 2 else None


def _power(value: dict[str, Array]) -> float | None:
    """Return the mean power (W) from the energy counter, which misses nothing; from the sensor where there is none."""
    known = np.isfinite(value["energy_mj"])
    t, energy = value["t"][known], value["energy_mj"][known]
    if len(t) >= 2 and t[-1] > t[0] and energy[-1] > energy[0]:
        return float((energy[-1] - energy[0]) * 1e6 / (t[-1] - t[0]))
    return _scaled(mean(value["power_mw"]), 1e-3)


def _scaled(value: Any, factor: float) -> float | None:
    return None if value is None else float(value) * factor


def _throttle(reasons: Array) -> dict[str, float]:
    known = reasons[np.isfinite(reasons)].astype(np.int64)
    shares = {name: float(np.mean(known & bit != 0)) for bit, name in THROTTLE_REASONS.items()} if len(known) else {}
    return {name: share for name, share in shares.items() if share > 0}


def _pids(processes: Processes) -> set[int]:
    """Return every pid of the run that is known."""
    sampled = numbers(processes.sampler.table("process"), "pid") if processes.sampler else np.zeros(0)
    known = np.unique(sampled[np.isfinite(sampled)]).tolist()
    return {log.pid for log in processes.recording.logs} | {int(pid) for pid in known}


def _other_processes(table: Table, index: int, ours: set[int]) -> tuple[tuple[int, ...], int | None]:
    """Return pids on the GPU that are not of this run, and their memory.

    Inside a container NVML may tell pids of the host: when it names none of ours, no process can be called foreign."""
    memory: dict[int, float] = defaultdict(float)
    device, pid, used = (numbers(table, name) for name in ("device", "pid", "memory_bytes"))
    for at in np.flatnonzero((device == index) & np.isfinite(pid)).tolist():
        memory[int(pid[at])] = max(memory[int(pid[at])], float(np.nan_to_num(used[at])))
    if not memory or not ours & memory.keys():
        return (), None
    foreign = sorted(memory.keys() - ours)
    return tuple(foreign), int(sum(memory[pid] for pid in foreign))


def _uses(trainer: Trainer, facts: dict[str, Any]) -> bool:
    """Say whether a trainer computed on this GPU: by UUID, since NVML and CUDA may number GPUs differently."""
    current = trainer.meta.get("cuda_device")
    return any(
        _same_uuid(device[1], facts.get("uuid")) and (current is None or device[0] == current)
        for device in trainer.meta.get("cuda_devices") or ()
        if isinstance(device, list) and len(device) >= 2
    )


def _same_uuid(one: Any, other: Any) -> bool:
    strip = [str(uuid).lower().removeprefix("gpu-").removeprefix("mig-") for uuid in (one, other)]
    return bool(one and other) and strip[0] == strip[1]
