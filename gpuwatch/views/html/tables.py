"""The lower half of the page: phases, hot lines, loaders and operations, ranks and devices, experiments, the run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from gpuwatch.model import (
    DeviceProfile,
    HotLine,
    LoaderProfile,
    OperationProfile,
    Phase,
    RankProfile,
    Report,
    StackQuality,
    Trial,
)
from gpuwatch.views import text
from gpuwatch.views.html import words
from gpuwatch.views.html.ceilings import ceilings
from gpuwatch.views.html.markup import Markup, content, el, table
from gpuwatch.views.html.pictures import phase_bar, slug

LINES, MOST_LINES, OPERATIONS = 8, 40, 12
SMALL_LINE = 0.02


def phases(report: Report) -> Markup:
    """Return the phase bar with its legend: all of the wall time, every second counted once."""
    several = len(report.ranks) > 1
    whose = "all ranks together" if several else "the run"
    if not report.phases:
        return el("section", el("h2", "Where the time went"), el("p", "No training process was measured, so there are no phases."), id="phases")
    intro = f"All of the wall time, each second counted once{f', {whose}' if several else ''}."
    body = [el("p", intro, class_="soft"), phase_bar(report.phases, whose), _legend(report.phases)]
    return el("section", el("h2", "Where the time went"), body, id="phases")


def _legend(rows: tuple[Phase, ...]) -> Markup:
    shown = [phase for phase in rows if phase.seconds > 0]
    items = [
        [content([el("i", class_=f"key {slug(phase.name)}"), phase.name]), text.percent(phase.share), text.duration(phase.seconds), words.PHASE_HELP.get(phase.name, "")]
        for phase in shown
    ]
    return table(["phase", "share", "time", "what it is"], items, "Phases of the wall time", numeric=(1, 2))


def hot_lines(report: Report) -> Markup:
    """Return the lines that cost most, with their source."""
    at = next((at for at, line in enumerate(report.hot_lines) if line.share < SMALL_LINE), LINES)
    first, rest = report.hot_lines[: min(LINES, max(at, 3))], report.hot_lines[min(LINES, max(at, 3)) : MOST_LINES]
    if not report.hot_lines:
        body: object = el("p", f"No lines: {report.stacks.note}.")
    else:
        body = [el("p", "Share of the work of the loader's workers, or of the training process. ", _trust(report.stacks), class_="soft"),
                _line_list(first, report.run.cwd),
                el("details", el("summary", f"{len(rest)} more lines"), _line_list(rest, report.run.cwd)) if rest else None]
    return el("section", el("h2", "Lines that cost most"), body, id="lines")


def _line_list(lines: Sequence[HotLine], root: str) -> Markup:
    return el("ol", [_hot_line(line, root) for line in lines], class_="lines")


def _trust(stacks: StackQuality) -> str:
    if not stacks.samples:
        return stacks.note
    return f"{stacks.note or f'{stacks.samples:,} samples by {stacks.sampler}'}; {stacks.trust} trust."


def _hot_line(line: HotLine, root: str) -> Markup:
    path = f"{text.relative(text.clean(line.file), root)}:{line.line}"
    gain = f"{text.factor(line.speedup_if_free)} if it were free" if line.speedup_if_free else None
    about = [line.function, f"in {line.callee}" if line.callee else None, "loader worker" if line.process_role == "worker" else "training process", gain]
    share = el("span", el("b", text.percent(line.share)), el("span", style=f"width:{min(1.0, line.share) * 100:.0f}%", class_="fill"), class_="heat")
    code = el("pre", el("code", line.source.strip()), class_="source") if line.source else None
    stack = el("details", el("summary", "full stack"), el("pre", "\n".join(line.stack))) if line.stack else None
    where = el("p", el("code", path), el("span", " · ".join(part for part in about if part), class_="soft"), class_="where")
    return el("li", share, el("div", where, code, stack))


def loaders(report: Report) -> Markup:
    """Return one row per loader, then the operations of those that have them."""
    head = ["loader", "data set", "role", "workers", "batch", "step", "of it waiting", "making a batch", "workers busy", "samples/s"]
    rows = [_loader(loader, loader.id == report.primary) for loader in _worst_first(report.loaders)]
    if not rows:
        return el("section", el("h2", "Loaders and operations"), el("p", "No DataLoader was seen."), id="loaders")
    by_dataset = {(loader.role, loader.dataset): loader for loader in reversed(_worst_first(report.loaders)) if loader.operations}
    with_operations = list(reversed(by_dataset.values()))[:3]
    body = [table(head, rows, "Loaders", numeric=range(3, 10)), [_operations(loader, report.run.cwd) for loader in with_operations]]
    return el("section", el("h2", "Loaders and operations"), body, id="loaders")


def _worst_first(rows: tuple[LoaderProfile, ...]) -> list[LoaderProfile]:
    return sorted(rows, key=lambda loader: (loader.role != "training", -loader.wait_seconds))


def _loader(loader: LoaderProfile, primary: bool) -> list[object]:
    fetch = loader.fetch
    name = content([loader.id, el("span", " (the verdict's)", class_="soft") if primary else None])
    step = text.milliseconds(loader.step_ms.median) if loader.step_ms else text.DASH
    made = text.milliseconds(fetch.wall_ms.median) if fetch else text.DASH
    waited = text.percent(loader.wait_share.median) if loader.wait_share else text.DASH
    return [name, loader.dataset, loader.role, str(loader.workers), loader.batch_size or text.DASH, step, waited, made,
            text.percent(fetch.busy_share) if fetch else text.DASH, text.figures(loader.samples_per_s)]


def _operations(loader: LoaderProfile, root: str) -> Markup:
    head = ["operation", "kind", "share of a batch's work", "per sample", "pixels in", "pixels out", "where"]
    ordered = sorted(loader.operations, key=lambda operation: -operation.share)
    rows = [_operation(operation, root) for operation in ordered[:OPERATIONS]]
    return content([el("h3", f"What making a sample costs: {loader.dataset}"), table(head, rows, f"Operations of loader {loader.id}", numeric=range(2, 6))])


def _operation(operation: OperationProfile, root: str) -> list[object]:
    heat = el("span", el("b", text.percent(operation.share)), el("span", style=f"width:{min(1.0, operation.share) * 100:.0f}%", class_="fill"), class_="heat")
    where = text.place(operation.where, root)
    return [operation.name, operation.kind, heat, text.milliseconds(operation.ms_per_sample), text.figures(operation.pixels_in),
            text.figures(operation.pixels_out), el("code", where) if where else text.DASH]


def ranks_and_devices(report: Report) -> Markup:
    """Return the ranks with a small phase bar each, the GPUs, and the machine."""
    ranks = sorted(report.ranks, key=lambda rank: -(rank.wait_share.median if rank.wait_share else 0))
    head = ["rank", "host", "device", "steps", "step", "waiting", "phases"]
    body: list[object] = [table(head, [_rank(rank) for rank in ranks], "Ranks, the one that waits most first", numeric=(3, 4, 5))] if ranks else []
    if report.devices:
        head = ["GPU", "busy", "SM active", "memory", "power", "temperature", "clock", "slowed down by"]
        devices = sorted(report.devices, key=lambda device: device.busy if device.busy is not None else 2)
        body += [el("h3", "GPUs"), el("p", "Busy: some kernel was running. SM active: how much of the chip worked.", class_="soft"),
                 table(head, [_device(device) for device in devices], "GPUs, the least busy first", numeric=range(1, 7))]
    else:
        body.append(el("p", "No GPU was measured.", class_="soft"))
    return el("section", el("h2", "Ranks, devices, machine"), body, _machine(report), id="ranks")


def _rank(rank: RankProfile) -> list[object]:
    step = text.milliseconds(rank.step_ms.median) if rank.step_ms else text.DASH
    waited = text.percent(rank.wait_share.median) if rank.wait_share else text.DASH
    bar = phase_bar(rank.phases, f"rank {rank.rank}", 14) if rank.phases else text.DASH
    return [str(rank.rank), rank.host, rank.device or "CPU", text.figures(rank.steps), step, waited, el("div", bar, class_="mini")]


def _device(device: DeviceProfile) -> list[object]:
    memory = f"{text.size(device.memory_peak_bytes)} of {text.size(device.memory_total_bytes)}"
    slowed = ", ".join(f"{name} {text.percent(share)}" for name, share in device.throttle.items() if share > 0)
    power = f"{text.figures(device.power_w)} of {text.figures(device.power_limit_w)} W"
    name = f"{device.index} {device.name}"
    return [name, text.percent(device.busy), text.percent(device.sm_active), memory, power, _with(device.temperature_c, "°C"), _with(device.sm_mhz, "MHz"), slowed or "nothing"]


def _with(value: float | None, unit: str) -> str:
    return text.DASH if value is None else f"{text.figures(value)} {unit}"


def _machine(report: Report) -> Markup:
    machine = report.machine
    facts = [
        ("cores this run may use", _with(machine.usable_cores, "")),
        ("used by the run", _with(machine.run_cores, "cores")),
        ("used by others", _with(machine.other_cores, "cores")),
        ("spare", _with(machine.spare_cores, "cores")),
        ("time lost for lack of CPU", text.percent(machine.cpu_pressure)),
        ("time lost for lack of IO", text.percent(machine.io_pressure)),
        ("memory at its lowest", text.size(machine.memory_low_bytes)),
        ("shared memory at its peak", f"{text.size(machine.shm_peak_bytes)} of {text.size(machine.shm_total_bytes)}"),
    ]
    return content([el("h3", "Machine"), _facts(facts)])


def _facts(facts: Sequence[tuple[str, object]]) -> Markup:
    return el("dl", [el("div", el("dt", name), el("dd", value)) for name, value in facts], class_="facts")


def experiments(report: Report) -> Markup | None:
    """Return what was tried: predicted beside measured; None when nothing was."""
    if not report.trials:
        return None
    head = ["tried", "before", "after", "predicted", "measured", "verdict", "outputs"]
    trials = [trial for trial in report.trials if not trial.id.startswith("ceiling")]
    body = [table(head, [_trial(trial) for trial in trials], "Experiments", numeric=range(1, 5))] if trials else []
    edits = [content([el("h4", trial.remedy), el("pre", el("code", trial.edit), class_="edit")]) for trial in trials if trial.edit]
    return el("section", el("h2", "Experiments"), body, edits, ceilings(report.trials), id="experiments")


def _trial(trial: Trial) -> list[object]:
    measured = f"{text.factor(trial.ratio.median)} ({text.factor(trial.ratio.low)} to {text.factor(trial.ratio.high)})"
    verdict = el("span", trial.verdict, class_=f"v-{trial.verdict.split()[0]}")
    return [trial.remedy, text.value(trial.before.median, trial.unit), text.value(trial.after.median, trial.unit), text.factor(trial.predicted), measured, verdict,
            content([trial.outputs, el("span", f" {trial.note}", class_="soft") if trial.note else None])]


def the_run(report: Report) -> Markup:
    """Return the run's metadata, what gpuwatch itself cost, and what was not recorded."""
    run, overhead = report.run, report.overhead
    hook = f"{text.figures(overhead.hook_us_per_step)} µs per step" if overhead.hook_us_per_step is not None else text.DASH
    first = report.ranks[0] if report.ranks else None
    facts = [
        ("run", run.id + (f" ({run.name})" if run.name else "")),
        ("command", el("code", shlex.join(run.command))),
        ("folder", el("code", run.cwd)),
        ("hosts", ", ".join(report.hosts)),
        ("Python, torch", f"{first.python}, {first.torch or text.DASH}" if first else text.DASH),
        ("ended", text.ending(run.exit_code, run.signal, run.state)),
        ("gpuwatch", f"{run.gpuwatch}; cost {hook}, sampler {text.percent(overhead.sampler_cpu_share)} of a core, {text.size(overhead.spool_bytes)} written"),
    ]
    return el("section", el("h2", "About this run"), _facts(facts), _missing(report), id="run")


def _missing(report: Report) -> Markup | None:
    notes = [*report.problems]
    notes += [f"{gap.source}: nothing recorded for {text.duration((gap.end_ns - gap.start_ns) / 1e9)} ({gap.reason})" for gap in report.gaps[:20]]
    notes += [f"not entered: {item.command} (pid {item.pid}): {item.reason}. {item.remedy}" for item in report.unentered[:20]]
    if report.overhead.dropped_events:
        notes.append(f"{report.overhead.dropped_events} events were dropped")
    return content([el("h3", "Not recorded"), el("ul", [el("li", note) for note in notes])]) if notes else None
