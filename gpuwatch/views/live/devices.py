"""The panels of the GPUs and of the machine."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from gpuwatch.model.timeline import Lane
from gpuwatch.views import text
from gpuwatch.views.live.charts import BAD, WAIT, WORK, history
from gpuwatch.views.live.frame import Frame, columns, first, last, spans_in, typical, values_in
from gpuwatch.views.live.rows import Rows
from gpuwatch.words.lanes import (
    CPU_BUSY,
    CPU_PRESSURE,
    GPU_BUSY,
    GPU_MEMORY,
    IO_PRESSURE,
    MEMORY_USED,
    POWER,
    SHARED_MEMORY,
    SM_ACTIVE,
    THROTTLING,
    LaneKind,
)

WITH_POWER = 66
MACHINE_ROWS = (
    (CPU_BUSY, "CPU busy"),
    (CPU_PRESSURE, "CPU stalls"),
    (IO_PRESSURE, "I/O stalls"),
    (MEMORY_USED, "memory"),
    (SHARED_MEMORY, "/dev/shm"),
)


def gpus(frame: Frame, width: int, height: int = 4) -> RenderableType:
    """Return a row per GPU: busy with its history, SM active, memory, power, what slows it down."""
    start, end = frame.window
    busy = frame.lanes(GPU_BUSY)
    if not busy and not frame.report.devices:
        return Text("No GPU was measured: the run is on the CPU, or NVML is not there (gpuwatch doctor).", "dim")
    known = {lane.device for lane in busy if lane.device is not None} or {gpu.index for gpu in frame.report.devices}
    chosen = sorted(known, key=lambda device: _worst(frame, device))
    room = max(6, min(60, width - (50 if width >= WITH_POWER else 30)))
    table = Rows()
    for device in chosen[: max(1, height)]:
        table.add(*_gpu_row(frame, device, start, end, room, width))
    return table


def _worst(frame: Frame, device: int) -> tuple[float, int]:
    lanes = frame.lanes(GPU_BUSY, device)
    value = typical(values_in(lanes[0], *frame.window)) if lanes else None
    return (101.0 if value is None else value), device


def _gpu_row(frame: Frame, device: int, start: float, end: float, room: int, width: int) -> list[Text]:
    def now(of: LaneKind, form: str) -> str:
        lanes = frame.lanes(of, device)
        value = typical(values_in(lanes[0], max(start, end - 5), end)) if lanes else None
        return form.format(value) if value is not None else text.DASH

    busy = first(frame.lanes(GPU_BUSY, device))
    drawn = history(columns(busy, start, end, room), 100.0) if busy else Text("·" * room, "dim")
    slowed = {label for lane in frame.lanes(THROTTLING, device) for _, _, label in spans_in(lane, start, end)}
    cells = [
        Text(f"GPU {device}", "bold"),
        drawn,
        Text(now(GPU_BUSY, "{:.0f}% busy")),
        Text(now(SM_ACTIVE, "{:.0f}% SM")),
    ]
    if width >= WITH_POWER:
        cells += [Text(now(GPU_MEMORY, "{:.1f} GiB")), Text(now(POWER, "{:.0f} W"))]
    if slowed:
        cells.append(Text(", ".join(sorted(slowed)), BAD))
    return cells


def machine(frame: Frame, width: int, height: int = 3) -> RenderableType:
    """Return the machine: CPU in use, pressure, memory."""
    start, end = frame.window
    room = max(6, min(60, width - 26))
    table = Rows()
    for of, label in MACHINE_ROWS[: max(1, height)]:
        lane = first(frame.lanes(of))
        if lane is None:
            continue
        drawn = columns(lane, start, end, room)
        latest = last(drawn)
        top = _whole(frame, lane) or max((value for value in drawn if value is not None), default=1.0)
        now = _measured(latest, of.unit)
        table.add(Text(label), history(drawn, top, WAIT if of.waits else WORK), Text(now, "bold"))
    return table if len(table) else Text("no sample of the machine yet", "dim")


def _whole(frame: Frame, lane: Lane) -> float | None:
    """Return what a row's bars are high against: all there is of it, as far as that is known."""
    machine = frame.report.machine
    sizes = {MEMORY_USED: machine.memory_total_bytes, SHARED_MEMORY: machine.shm_total_bytes}
    if lane.of in sizes:
        return (sizes[lane.of] or 0) / 2**30
    return {"%": 100.0, "cores": machine.usable_cores}.get(lane.of.unit)


def _measured(value: float | None, unit: str) -> str:
    if value is None:
        return text.DASH
    if unit == "%":
        return f"{value:.0f}%"
    return f"{value * 1024:.0f} MiB" if unit == "GiB" and value < 0.1 else f"{value:.1f} {unit}"
