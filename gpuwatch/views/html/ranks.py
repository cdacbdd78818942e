"""The ranks, the GPUs and the machine that they ran on."""

from __future__ import annotations

from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.profile import RankProfile
from gpuwatch.model.report import Report
from gpuwatch.views import text
from gpuwatch.views.card_content import TRAINING_HEADER
from gpuwatch.views.card_rows import training
from gpuwatch.views.html.markup import Markup, content, el, facts, table
from gpuwatch.views.html.pictures import phase_bar


def ranks_and_devices(report: Report) -> Markup:
    """Return the ranks with a small phase bar each, the GPUs, and the machine."""
    ranks = sorted(report.ranks, key=lambda rank: -(rank.wait_share.median if rank.wait_share else 0))
    head = ["rank", "host", "device", "steps", "step", "waiting", "phases"]
    body: list[object] = (
        [table(head, [_rank(rank) for rank in ranks], "Ranks, the one that waits most first", numeric=(3, 4, 5))]
        if ranks
        else []
    )
    if report.trainings:
        rows = [list(training(each)) for each in report.trainings]
        about = "This page is about one of them, the longest; `gpuwatch report :N --html FILE` makes another's."
        body = [
            el("h3", "Trainings of this run"),
            el("p", about, class_="soft"),
            table(list(TRAINING_HEADER), rows, "Trainings of this run", numeric=(2, 3, 4, 5)),
            *body,
        ]
    if report.devices:
        head = ["GPU", "busy", "SM active", "memory", "power", "temperature", "clock", "slowed down by"]
        devices = sorted(report.devices, key=lambda device: device.busy if device.busy is not None else 2)
        body += [
            el("h3", "GPUs"),
            el("p", "Busy: some kernel was running. SM active: how much of the chip worked.", class_="soft"),
            table(head, [_device(device) for device in devices], "GPUs, the least busy first", numeric=range(1, 7)),
        ]
    else:
        body.append(el("p", "No GPU was measured.", class_="soft"))
    return el("section", el("h2", "Ranks, devices, machine"), body, _machine(report), id="ranks")


def _rank(rank: RankProfile) -> list[object]:
    step = text.milliseconds(rank.step_ms.median) if rank.step_ms else text.DASH
    waited = text.percent(rank.wait_share.median) if rank.wait_share else text.DASH
    bar = phase_bar(rank.phases, f"rank {rank.rank}", 14) if rank.phases else text.DASH
    return [
        str(rank.rank),
        rank.host,
        rank.device or "CPU",
        text.figures(rank.steps),
        step,
        waited,
        el("div", bar, class_="mini"),
    ]


def _device(device: DeviceProfile) -> list[object]:
    memory = f"{text.size(device.memory_peak_bytes)} of {text.size(device.memory_total_bytes)}"
    slowed = ", ".join(f"{name} {text.percent(share)}" for name, share in device.throttle.items() if share > 0)
    power = f"{text.figures(device.power_w)} of {text.figures(device.power_limit_w)} W"
    name = f"{device.index} {device.name}"
    return [
        name,
        text.percent(device.busy),
        text.percent(device.sm_active),
        memory,
        power,
        _with(device.temperature_c, "°C"),
        _with(device.sm_mhz, "MHz"),
        slowed or "nothing",
    ]


def _with(value: float | None, unit: str) -> str:
    return text.DASH if value is None else f"{text.figures(value)} {unit}"


def _machine(report: Report) -> Markup:
    machine = report.machine
    pairs = [
        ("cores this run may use", _with(machine.usable_cores, "")),
        ("used by the run", _with(_hundredths(machine.run_cores), "cores")),
        ("used by others", _with(_hundredths(machine.other_cores), "cores")),
        ("spare", _with(_hundredths(machine.spare_cores), "cores")),
        ("time lost for lack of CPU", text.percent(machine.cpu_pressure)),
        ("time lost for lack of IO", text.percent(machine.io_pressure)),
        ("memory at its lowest", text.size(machine.memory_low_bytes)),
        ("shared memory at its peak", f"{text.size(machine.shm_peak_bytes)} of {text.size(machine.shm_total_bytes)}"),
    ]
    return content([el("h3", "Machine"), facts(pairs)])


def _hundredths(cores: float | None) -> float | None:
    return None if cores is None else round(cores, 2)
