"""The card at the end of a run: verdict, why, what to do, where the time went, and the tables behind it.

`prepare` turns a report into rows of plain text (what tests look at); `render` draws them with rich.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gpuwatch.model import (
    DeviceProfile,
    Finding,
    Gap,
    HotLine,
    LoaderProfile,
    MachineProfile,
    Phase,
    RankProfile,
    Report,
    Trial,
)
from gpuwatch.views import text
from gpuwatch.views.text import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

Tone = Literal["bad", "good", "unsure"]
SHOWN_ACTIONS, SHOWN_LINES, SHOWN_LOADERS, SHOWN_RANKS, SHOWN_DEVICES, SHOWN_NOTES = 3, 3, 4, 8, 8, 4
SMALLEST_PHASE, SMALLEST_LINE = 0.005, 0.02


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of evidence."""

    label: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """One finding as something to do."""

    id: str
    summary: str
    advice: str
    edit: str
    where: str
    path: str
    gain: str
    verify: str
    confidence: str
    severity: str


@dataclass(frozen=True, slots=True)
class Slice:
    """One phase of the bar."""

    name: str
    share: float
    seconds: str
    percent: str


@dataclass(frozen=True, slots=True)
class Line:
    """One hot line."""

    share: str
    where: str
    path: str
    source: str
    note: str
    gain: str


@dataclass(frozen=True, slots=True)
class Loader:
    """One loader: its cells, and what a batch is made of."""

    cells: tuple[str, ...]
    breakdown: str


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that the card shows, as text."""

    run: str
    command: str
    ended: str
    tone: Tone
    badge: str
    headline: str
    reason: str
    confidence: str
    why: tuple[Fact, ...]
    actions: tuple[Action, ...]
    more: str
    nothing: str
    tried: tuple[tuple[str, ...], ...]
    phases: tuple[Slice, ...]
    phases_of: str
    ranks: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...]
    lines_note: str
    loaders: tuple[Loader, ...]
    machine: tuple[Fact, ...]
    notes: tuple[str, ...]
    cost: str
    next: str


LOADER_HEADER = ("", "dataset", "workers", "batch", "batches", "samples/s", "wait")
RANK_HEADER = ("rank", "host", "device", "steps", "step", "wait")
TRIAL_HEADER = ("remedy", "before", "after", "gain", "predicted", "outputs")


def prepare(report: Report) -> Card:
    """Return the card's rows: cleaned of control characters, numbers in people's units, nothing drawn yet."""
    run, base = report.run, report.run.cwd
    badge, headline = _headline(report)
    return Card(
        run=clean(f"{run.id}  {run.name}" if run.name and run.name not in run.id else run.id),
        command=clean(shlex.join(run.command)),
        ended=f"{text.ending(run.exit_code, run.signal, run.state)} · {text.duration(report.seconds)}",
        tone=_tone(report),
        badge=badge,
        headline=headline,
        reason=_reason(report),
        confidence=report.verdict.confidence,
        why=tuple(_why(report)),
        actions=tuple(_action(finding, base) for finding in report.findings[:SHOWN_ACTIONS]),
        more=_more(report),
        nothing=_nothing(report),
        tried=tuple(_trial(trial) for trial in report.trials),
        phases=tuple(_slice(phase) for phase in report.phases if phase.share >= SMALLEST_PHASE),
        phases_of=_phases_of(report),
        ranks=tuple(_rank(rank) for rank in report.ranks[:SHOWN_RANKS]) if len(report.ranks) > 1 else (),
        lines=tuple(_line(line, base) for line in _hottest(report)),
        lines_note=_lines_note(report),
        loaders=tuple(_loaders(report)),
        machine=(*_cpu(report.machine), *_devices(report)),
        notes=tuple(_notes(report)),
        cost=_cost(report),
        next=_next(report),
    )


def render(report: Report, width: int = 100, color: bool = True) -> RenderableType:
    """Return the card as a rich renderable of that width; without colour the phase bar's parts differ in shape."""
    from gpuwatch.views.card_drawing import draw

    return draw(prepare(report), width, color)


def _headline(report: Report) -> tuple[str, str]:
    badge, colon, rest = clean(report.verdict.headline).partition(": ")
    if not colon or len(badge) > 24:
        return report.verdict.bound.capitalize(), clean(report.verdict.headline)
    return badge, _sentence(rest)


def _reason(report: Report) -> str:
    reason = clean(report.verdict.reason).rstrip(".")
    # The verdict of a run that could not be judged is its reason: once is enough.
    if not reason or reason in clean(report.verdict.headline):
        return ""
    return _sentence(reason) + "."


def _sentence(words: str) -> str:
    words = clean(words)
    return words[:1].upper() + words[1:]


def _tone(report: Report) -> Tone:
    if report.verdict.bound == "unknown" or report.verdict.confidence == "borderline":
        return "unsure"
    return "good" if report.verdict.bound == "compute" else "bad"


def primary(report: Report) -> LoaderProfile | None:
    """Return the loader that the verdict is about."""
    return next((loader for loader in report.loaders if loader.id == report.primary), None)


def _why(report: Report) -> list[Fact]:
    loader, share = primary(report), report.verdict.input_wait_share
    facts = []
    if share is not None:
        clock = "CUDA events" if report.verdict.clock == "cuda" else "host clock"
        facts.append(Fact("input wait", f"{text.share_range(share)} of the loop's time", f"{clock}, {share.n:,} steps"))
    if loader is not None and loader.step_ms and loader.wait_ms and loader.compute_ms:
        split = f"{text.milliseconds(loader.wait_ms.median)} waiting + {text.milliseconds(loader.compute_ms.median)} computing"
        facts.append(Fact("step", split, "on average"))
    if loader is not None:
        facts += _why_loader(loader)
    if report.verdict.speedup_if_input_free and report.verdict.bound == "input":
        best = report.verdict.speedup_if_input_free
        facts.append(Fact("at best", f"{text.gain(best)} faster if the input cost nothing", clean(best.basis)))
    return facts


def _why_loader(loader: LoaderProfile) -> list[Fact]:
    facts, fetch = [], loader.fetch
    if loader.queue is not None and loader.queue.ready_share is not None:
        facts.append(Fact("queue", f"the next batch was there in {text.percent(loader.queue.ready_share)} of the asks"))
    if fetch is not None and loader.workers and fetch.busy_share is not None:
        count = f"{loader.workers} worker{'s' if loader.workers > 1 else ''}"
        facts.append(
            Fact("workers", f"{count} busy {text.percent(fetch.busy_share)} of the time", _cost_of_batch(loader))
        )
    elif fetch is not None and not loader.workers:
        facts.append(Fact("workers", "none: batches are made in the training process", _cost_of_batch(loader)))
    return facts


def _cost_of_batch(loader: LoaderProfile) -> str:
    fetch = loader.fetch
    if fetch is None:
        return ""
    cpu = f", {text.milliseconds(fetch.cpu_ms)} of it CPU" if fetch.cpu_ms is not None else ""
    return f"{text.milliseconds(fetch.wall_ms.median)} per batch{cpu}"


def _action(finding: Finding, base: str) -> Action:
    return Action(
        id=finding.id,
        summary=_sentence(finding.summary),
        advice=clean(finding.advice),
        edit=clean(finding.edit or ""),
        where=text.place(finding.where, base),
        path=clean(finding.where.file) if finding.where else "",
        gain=text.gain(finding.speedup),
        verify=clean(finding.verify or ""),
        confidence=""
        if finding.confidence == "high"
        else f"{finding.confidence} confidence".replace("borderline confidence", "borderline"),
        severity=finding.severity,
    )


def _more(report: Report) -> str:
    rest = report.findings[SHOWN_ACTIONS:]
    if not rest:
        return ""
    return f"{len(rest)} more: " + ", ".join(finding.id for finding in rest)


def _nothing(report: Report) -> str:
    if report.verdict.bound == "compute":
        best = report.verdict.speedup_if_input_free
        most = f": even one that cost nothing would make the run {_won(best.predicted)} faster" if best else ""
        return f"Leave the input pipeline alone{most}."
    if report.findings:
        return ""
    asked, blind = len(report.clear), len(report.not_evaluated)
    if not asked:
        return "No rule could look at this run; `gpuwatch doctor` says what can be measured here."
    return f"No rule found a cause: {asked} clear, {blind} could not look (`gpuwatch report --json` says why)."


def _won(speedup: float) -> str:
    won = speedup - 1
    return "less than 1%" if won < 0.01 else text.percent(won)


def _trial(trial: Trial) -> tuple[str, ...]:
    unit = clean(trial.unit)
    ratio = f"{text.factor(trial.ratio.median)} ({text.factor(trial.ratio.low).rstrip('×')}–{text.factor(trial.ratio.high).rstrip('×')})"
    return (
        clean(trial.remedy),
        text.value(trial.before.median, unit),
        text.value(trial.after.median, unit),
        f"{trial.verdict}, {ratio}" if trial.verdict != "failed" else f"failed: {clean(trial.note)}",
        text.factor(trial.predicted) if trial.predicted is not None else text.DASH,
        clean(trial.outputs),
    )


def _slice(phase: Phase) -> Slice:
    return Slice(clean(phase.name), phase.share, text.duration(phase.seconds), text.percent(phase.share))


def _phases_of(report: Report) -> str:
    seconds = sum(phase.seconds for phase in report.phases)
    over = f", mean of {len(report.ranks)} ranks" if len(report.ranks) > 1 else ""
    return f"{text.duration(seconds)}{over}" if report.phases else ""


def _rank(rank: RankProfile) -> tuple[str, ...]:
    return (
        str(rank.rank),
        clean(rank.host),
        clean(rank.device or "cpu"),
        f"{rank.steps:,}",
        text.milliseconds(rank.step_ms.median) if rank.step_ms else text.DASH,
        text.share_range(rank.wait_share),
    )


def _line(line: HotLine, base: str) -> Line:
    where = f"{text.relative(clean(line.file), base)}:{line.line}"
    role = "" if line.process_role == "worker" else "trainer"
    note = " · ".join(part for part in (role, f"in {clean(line.callee)}" if line.callee else "") if part)
    gain = f"{text.factor(line.speedup_if_free)} if free" if line.speedup_if_free is not None else ""
    return Line(
        text.percent(line.share), where, clean(line.file), clean((line.source or line.function).strip()), note, gain
    )


def _hottest(report: Report) -> list[HotLine]:
    """Return the lines that bear on the verdict: the loader's for a starved run, else the training's own."""
    starved = report.verdict.bound in ("input", "unknown")
    bearing = [line for line in report.hot_lines if _loads(line) == starved and line.share >= SMALLEST_LINE]
    return bearing[:SHOWN_LINES]


def _loads(line: HotLine) -> bool:
    return line.process_role == "worker" or line.activity in ("fetch", "collate", "send")


def _lines_note(report: Report) -> str:
    if not _hottest(report):
        return ""
    quality = report.stacks
    trust = "" if quality.trust == "high" else f", {quality.trust} trust: {clean(quality.note)}"
    return f"share of its process's work · {quality.samples:,} samples, {quality.sampler}{trust}"


def _loaders(report: Report) -> list[Loader]:
    groups: dict[tuple[object, ...], list[LoaderProfile]] = {}
    for loader in report.loaders:
        groups.setdefault(
            (loader.role, loader.dataset, loader.created_where, loader.workers, loader.batch_size), []
        ).append(loader)
    return [_loader(group, report.primary) for group in list(groups.values())[:SHOWN_LOADERS]]


def _loader(group: list[LoaderProfile], chosen: str | None) -> Loader:
    loader = next((each for each in group if each.id == chosen), group[0])
    times = f" ×{len(group)}" if len(group) > 1 else ""
    cells = (
        loader.role + times,
        clean(loader.dataset),
        str(loader.workers),
        text.DASH if loader.batch_size is None else f"{loader.batch_size:,}",
        f"{loader.batches:,}",
        text.figures(loader.samples_per_s),
        text.percent(loader.wait_share.median if loader.wait_share else None),
    )
    return Loader(cells, _breakdown(loader))


def _breakdown(loader: LoaderProfile) -> str:
    fetch = loader.fetch
    if fetch is None:
        return ""
    wall = fetch.wall_ms.median
    parts = [(op.share, clean(op.name)) for op in loader.operations]
    named = {op.kind for op in loader.operations}
    if wall > 0 and "collate" not in named:
        parts.append((fetch.collate_ms / wall, "collate"))
    if wall > 0 and fetch.serialise_ms is not None and "serialise" not in named:
        parts.append((fetch.serialise_ms / wall, "serialise"))
    shown = sorted((part for part in parts if part[0] >= 0.01), reverse=True)[:5]
    listed = " · ".join(f"{name} {text.percent(share)}" for share, name in shown)
    return f"{_cost_of_batch(loader)}{': ' if listed else ''}{listed}"


def _cpu(machine: MachineProfile) -> list[Fact]:
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


def _devices(report: Report) -> list[Fact]:
    shown, hidden = report.devices[:SHOWN_DEVICES], len(report.devices) - SHOWN_DEVICES
    facts = [_device(device) for device in shown] or [_no_device(report)]
    return facts + ([Fact("", f"and {hidden} more GPUs")] if hidden > 0 else [])


def _no_device(report: Report) -> Fact:
    reasons = [gap.reason for gap in report.gaps if gap.source == "nvml"]
    return Fact("GPU", "none seen", clean(reasons[0]) if reasons else "")


def _notes(report: Report) -> list[str]:
    named = any(finding.id == "not-instrumented" for finding in report.findings)
    notes = [clean(problem) for problem in report.problems]
    notes += [
        f"not measured: {clean(lost.command)} ({clean(lost.reason)}). {clean(lost.remedy)}"
        for lost in report.unentered
        if not named
    ]
    notes += [_gap(gap, report.seconds) for gap in report.gaps if gap.source != "nvml" or report.devices]
    if report.overhead.dropped_events:
        notes.append(f"{report.overhead.dropped_events:,} events were lost (disk full?)")
    hidden = len(notes) - SHOWN_NOTES
    return notes[:SHOWN_NOTES] + ([f"and {hidden} more (gpuwatch report --json)"] if hidden > 0 else [])


def _gap(gap: Gap, whole: float) -> str:
    seconds = (gap.end_ns - gap.start_ns) / 1e9
    how_long = f" for {text.duration(seconds)}" if seconds < 0.99 * whole else ""
    return f"no {clean(gap.source)} data{how_long}: {clean(gap.reason)}"


def _cost(report: Report) -> str:
    cost, parts = report.overhead, []
    if cost.hook_us_per_step is not None:
        steps = [rank.step_ms.median for rank in report.ranks if rank.step_ms]
        part = f" ({cost.hook_us_per_step / 10 / max(steps):.2g}%)" if steps and max(steps) > 0 else ""
        parts.append(f"{text.figures(cost.hook_us_per_step, 2)} µs a step{part}")
    if cost.sampler_cpu_share is not None:
        parts.append(f"sampler {cost.sampler_cpu_share * 100:.2g}% of a core")
    parts.append(f"{text.size(cost.spool_bytes)} recorded")
    return " · ".join(parts)


def _next(report: Report) -> str:
    verbs = ["gpuwatch report --html FILE"]
    verbs += ["gpuwatch lines"] if report.hot_lines else []
    verbs += [f"gpuwatch explain {report.findings[0].id}"] if report.findings else ["gpuwatch doctor"]
    return " · ".join(verbs)
