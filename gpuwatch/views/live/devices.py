"""The panels of the GPUs and of the machine."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from gpuwatch.model.timeline import Lane
from gpuwatch.views import text
from gpuwatch.views.live.charts import BAD, WAIT, WORK, history
from gpuwatch.views.live.frame import Frame, columns, first, last, spans_in, typical, values_in
from gpuwatch.views.live.rows import Rows

WITH_POWER = 66
MACHINE_ROWS = (
    ("CPU busy", "CPU busy", WORK),
    ("CPU pressure", "CPU stalls", WAIT),
    ("I/O pressure", "I/O stalls", WAIT),
    ("memory used", "memory", WORK),
    ("shared memory", "/dev/shm", WORK),
)


def gpus(frame: Frame, width: int, height: int = 4) -> RenderableType:
    """Return a row per GPU: busy with its history, SM active, memory, power, what slows it down."""
    start, end = frame.window
    busy = frame.lanes("GPU busy")
    if not busy and not frame.report.devices:
        return Text("No GPU was measured: the run is on the CPU, or NVML is not there (gpuwatch doctor).", "dim")
    groups = sorted(
        {lane.group for lane in busy} or {f"GPU {device.index}" for device in frame.report.devices},
        key=lambda group: _worst(frame, group),
    )
    room = max(6, min(60, width - (50 if width >= WITH_POWER else 30)))
    table = Rows()
    for group in groups[: max(1, height)]:
        table.add(*_gpu_row(frame, group, start, end, room, width))
    return table


def _worst(frame: Frame, group: str) -> tuple[float, str]:
    lanes = frame.lanes("GPU busy", group)
    value = typical(values_in(lanes[0], *frame.window)) if lanes else None
    return (101.0 if value is None else value), group


def _gpu_row(frame: Frame, group: str, start: float, end: float, room: int, width: int) -> list[Text]:
    def now(name: str, form: str) -> str:
        lanes = frame.lanes(name, group)
        value = typical(values_in(lanes[0], max(start, end - 5), end)) if lanes else None
        return form.format(value) if value is not None else text.DASH

    busy = first(frame.lanes("GPU busy", group))
    drawn = history(columns(busy, start, end, room), 100.0) if busy else Text("·" * room, "dim")
    slowed = {label for lane in frame.lanes("throttling", group) for _, _, label in spans_in(lane, start, end)}
    cells = [Text(group, "bold"), drawn, Text(now("GPU busy", "{:.0f}% busy")), Text(now("SM active", "{:.0f}% SM"))]
    if width >= WITH_POWER:
        cells += [Text(now("GPU memory", "{:.1f} GiB")), Text(now("power", "{:.0f} W"))]
    if slowed:
        cells.append(Text(", ".join(sorted(slowed)), BAD))
    return cells


def machine(frame: Frame, width: int, height: int = 3) -> RenderableType:
    """Return the machine: CPU in use, pressure, memory."""
    start, end = frame.window
    room = max(6, min(60, width - 26))
    table = Rows()
    for name, label, color in MACHINE_ROWS[: max(1, height)]:
        lane = first(frame.lanes(name))
        if lane is None:
            continue
        drawn = columns(lane, start, end, room)
        latest = last(drawn)
        top = _whole(frame, lane) or max((value for value in drawn if value is not None), default=1.0)
        now = _measured(latest, lane.unit)
        table.add(Text(label), history(drawn, top, color), Text(now, "bold"))
    return table if len(table) else Text("no sample of the machine yet", "dim")


def _whole(frame: Frame, lane: Lane) -> float | None:
    """Return what a row's bars are high against: all there is of it, as far as that is known."""
    machine = frame.report.machine
    sizes = {"memory used": machine.memory_total_bytes, "shared memory": machine.shm_total_bytes}
    if lane.name in sizes:
        return (sizes[lane.name] or 0) / 2**30
    return {"%": 100.0, "cores": machine.usable_cores}.get(lane.unit)


def _measured(value: float | None, unit: str) -> str:
    if value is None:
        return text.DASH
    if unit == "%":
        return f"{value:.0f}%"
    return f"{value * 1024:.0f} MiB" if unit == "GiB" and value < 0.1 else f"{value:.1f} {unit}"
