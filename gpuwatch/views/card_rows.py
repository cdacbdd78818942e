"""The card's tables as text: loaders, hot lines, ranks, experiments, the machine and its GPUs."""

from __future__ import annotations

from gpuwatch.model.experiment import Trial
from gpuwatch.model.findings import Finding
from gpuwatch.model.hot_lines import HotLine, cost_of
from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.machine_profile import DeviceProfile, MachineProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import RankProfile
from gpuwatch.model.report import Report, Training
from gpuwatch.views import text
from gpuwatch.views.card_content import LOADER_HEADER, Fact, Line, Loader
from gpuwatch.views.line_tables import below_of, if_free, share_of, shown_lines
from gpuwatch.views.text import clean

SHOWN_LINES, SHOWN_LOADERS, SHOWN_DEVICES = 3, 4, 8
SMALLEST_LINE, MOSTLY = 0.02, 0.5
LONGEST_COMMAND = 34


def rank(rank: RankProfile) -> tuple[str, ...]:
    """Return the cells of one rank."""
    return (
        str(rank.rank),
        clean(rank.host),
        clean(rank.device or "cpu"),
        f"{rank.steps:,}",
        text.milliseconds(rank.step_ms.median) if rank.step_ms else text.DASH,
        text.share_range(rank.wait_share),
    )


def training(training: Training) -> tuple[str, ...]:
    """Return the cells of one of several trainings."""
    share = training.verdict.input_wait_share
    return (
        f"{training.number}{' (here)' if training.shown else ''}",
        text.shorten_start(clean(training.command), LONGEST_COMMAND),
        text.duration(training.start_s),
        text.duration(training.seconds),
        f"{training.steps:,}" + (f" ×{training.ranks}" if training.ranks > 1 else ""),
        text.percent(share.median if share else None),
        training.verdict.bound,
    )


def trial(trial: Trial) -> tuple[str, ...]:
    """Return the cells of one experiment."""
    unit = clean(trial.unit)
    return (
        clean(trial.remedy),
        text.value(trial.before.median, unit) if trial.before else text.DASH,
        text.value(trial.after.median, unit) if trial.after else text.DASH,
        f"{trial.verdict}, {text.factor_range(trial.ratio)}"
        if trial.verdict != "failed" and trial.ratio
        else f"{trial.verdict}: {clean(trial.note)}",
        text.factor(trial.predicted) if trial.predicted is not None else text.DASH,
        clean(trial.outputs),
    )


def line_row(line: HotLine, base: str) -> Line:
    """Return one hot line as it is shown."""
    place = Place(line.file, line.line)
    role = "" if line.process_role == "worker" else "trainer"
    below = below_of(line, base)
    called = f"in {clean(line.callee)}" if line.callee and not below else ""
    gain = f"{if_free(line)} if free" if if_free(line) else ""
    return Line(
        share=text.percent(line.share),
        where=text.place(place, base),
        path=text.link(place),
        source=clean((line.source or line.function).strip()),
        note=" · ".join(part for part in (role, called) if part),
        gain=gain,
        share_of=share_of(line),
        below=below,
    )


def hottest(report: Report) -> list[HotLine]:
    """Return the lines that bear on the verdict, in the order of the report: by what they cost the run.

    Of a starved run those that are not the model's, of one that mostly starts the start-up's, else the training's own. The
    line that the first finding blames is among them. Lines whose shares are of the same whole are together."""
    lines = [line for line in shown_lines(report.hot_lines) if line.share >= SMALLEST_LINE]
    blamed = [line for line in lines if report.findings and _blames(report.findings[0], line)][:1]
    bearing = [line for line in lines if line not in blamed and _bears(line, report)]
    kept = [*blamed, *bearing][:SHOWN_LINES] if report.verdict.bound != "startup" else bearing[:SHOWN_LINES]
    chosen = [line for line in lines if line in kept]
    kinds = list(dict.fromkeys(map(share_of, chosen)))
    return sorted(chosen, key=lambda line: (kinds.index(share_of(line)), -cost_of(line)))


def _bears(line: HotLine, report: Report) -> bool:
    bound = report.verdict.bound
    if bound == "startup":
        return line.activity == "startup"
    if line.activity in (("importing",) if not report.loaders else ("importing", "startup")):
        return False
    if bound in ("input", "unknown") and report.loaders:
        return _loads(line) or not _is_the_models(line)
    return not _loads(line)


def _is_the_models(line: HotLine) -> bool:
    """Say whether most of a line's time is a forward or backward pass, or the optimizer; without stacks, torch's."""
    if line.model_share is None:
        return line.callee is not None and line.callee.is_torch
    return line.model_share >= MOSTLY


def _blames(finding: Finding, line: HotLine) -> bool:
    return finding.where is not None and (finding.where.file, finding.where.line) == (line.file, line.line)


def _loads(line: HotLine) -> bool:
    """Say whether a line makes batches, or is of a process that does."""
    return line.process_role == "worker" or line.activity in ("fetch", "collate", "serialise")


def lines_note(report: Report) -> str:
    """Return what the shares of the hot lines are of, and how far to trust them."""
    kinds = {share_of(line) for line in hottest(report)}
    if not kinds:
        return ""
    quality = report.stacks
    whole = f"{kinds.pop()} · " if len(kinds) == 1 else ""
    trust = "" if quality.trust == "high" else f", {quality.trust} trust"
    return f"{whole}{text.count(quality.samples, 'sample')}, {quality.sampler}{trust}"


def loaders(report: Report) -> list[Loader]:
    """Return the loaders; the same loader of several ranks is one row."""
    groups: dict[tuple[object, ...], list[LoaderProfile]] = {}
    for loader in report.loaders:
        groups.setdefault(
            (loader.role, loader.dataset, loader.created_where, loader.workers, loader.batch_size), []
        ).append(loader)
    # The one that the verdict is about comes first, then the busiest.
    ordered = sorted(groups.values(), key=lambda group: (all(x.id != report.primary for x in group), -group[0].seconds))
    hidden = len(ordered) - SHOWN_LOADERS
    rows = [_loader(group, report.primary) for group in ordered[:SHOWN_LOADERS]]
    return rows + ([Loader((f"and {hidden} more", *[""] * (len(LOADER_HEADER) - 1)), "")] if hidden > 0 else [])


def _loader(group: list[LoaderProfile], chosen: str | None) -> Loader:
    loader = next((each for each in group if each.id == chosen), group[0])
    times = f" ×{len(group)}" if len(group) > 1 else ""
    cells = (
        loader.role + times,
        clean(loader.dataset),
        str(loader.workers),
        text.DASH if loader.batch_size is None else f"{loader.batch_size:,}",
        text.DASH if loader.relative else f"{loader.batches:,}",
        text.figures(loader.samples_per_s),
        text.percent(loader.waited_share.median if loader.waited_share else None),
    )
    return Loader(cells, _breakdown(loader))


def _breakdown(loader: LoaderProfile) -> str:
    fetch = loader.fetch
    if fetch is None:
        return ""
    wall = fetch.wall_ms.median
    parts = [(op.share, _stage(op)) for op in loader.operations]
    named = {op.kind for op in loader.operations}
    if wall > 0 and "collate" not in named:
        parts.append((fetch.collate_ms / wall, "collate"))
    if wall > 0 and fetch.serialise_ms is not None and "serialise" not in named:
        parts.append((fetch.serialise_ms / wall, "serialise"))
    shown = sorted((part for part in parts if part[0] >= 0.01), reverse=True)[:5]
    listed = " · ".join(f"{name} {text.percent(share)}" for share, name in shown)
    cost = cost_of_batch(loader)
    return f"{cost}{': ' if cost and listed else ''}{listed}"


def cost_of_batch(loader: LoaderProfile) -> str:
    """Return what making a batch takes, in a few words."""
    fetch = loader.fetch
    if fetch is None or loader.relative:
        return ""
    cpu = f", {text.milliseconds(fetch.cpu_ms)} of it CPU" if fetch.cpu_ms is not None else ""
    return f"{text.milliseconds(fetch.wall_ms.median)} per batch{cpu}"


def _stage(operation: OperationProfile) -> str:
    """Name an operation shortly: a collate function without the modules that it lies in."""
    name = clean(operation.name)
    return name.rpartition(".")[2] if operation.kind == "collate" else name


def cpu(machine: MachineProfile) -> list[Fact]:
    """Return the machine's cores and who used them; nothing when that was not measured."""
    if machine.usable_cores is None or machine.run_cores is None:
        return []
    parts = [f"{text.figures(machine.run_cores, 2)} of {text.figures(machine.usable_cores)} cores used by the run"]
    if machine.other_cores is not None:
        parts.append(f"{text.figures(machine.other_cores, 2)} by others")
    if machine.spare_cores is not None:
        parts.append(f"{text.figures(machine.spare_cores, 2)} idle")
    if machine.throttled_share:
        parts.append(f"throttled by the cgroup {text.percent(machine.throttled_share)} of the time")
    return [Fact("CPU", " · ".join(parts))]


def _device(device: DeviceProfile) -> Fact:
    parts = [f"busy {text.percent(device.busy)}" if device.busy is not None else "busy not measured"]
    if device.sm_active is not None:
        parts.append(f"SM active {text.percent(device.sm_active)}")
    if device.memory_used_bytes is not None and device.memory_total_bytes:
        parts.append(f"{text.size(device.memory_used_bytes)} of {text.size(device.memory_total_bytes)}")
    if device.power_w is not None:
        limit = f" of {device.power_limit_w:.0f}" if device.power_limit_w else ""
        parts.append(f"{device.power_w:.0f}{limit} W")
    if device.temperature_c is not None:
        parts.append(f"{device.temperature_c:.0f} °C")
    parts += [
        f"{clean(why)} {text.percent(share)} of the time"
        for why, share in device.throttle.items()
        if share >= 0.01 and why != "idle"
    ]
    return Fact(f"GPU {device.index}", " · ".join(parts), clean(device.name))


def devices(report: Report) -> list[Fact]:
    """Return the GPUs, or why there is none."""
    shown, hidden = report.devices[:SHOWN_DEVICES], len(report.devices) - SHOWN_DEVICES
    facts = [_device(device) for device in shown] or [_no_device(report)]
    return facts + ([Fact("", f"and {text.count(hidden, 'more GPU')}")] if hidden > 0 else [])


def _no_device(report: Report) -> Fact:
    reasons = [gap.reason for gap in report.gaps if gap.source == "nvml"]
    return Fact("GPU", "none seen", clean(reasons[0]) if reasons else "")
