"""The dashboard's panels: functions from a frame to a rich renderable, the same in the app, in tests and in `--once`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gpuwatch.model import Finding, Lane
from gpuwatch.views import text
from gpuwatch.views.live.charts import BAD, GOOD, QUIET, WAIT, WORK, Area, history, meter, parts_bar
from gpuwatch.views.live.frame import Frame, columns, spans_in, typical, values_in

PHASE_STYLES = {
    "input wait": WAIT, "forward": WORK, "backward": "#3570ad", "optimizer": "#8ab6e3", "other in-step": "#9db4ca",
    "evaluation": "#9a82d6", "loader startup": "#c8a234", "startup": QUIET, "between loops": "#a6adb5", "shutdown": "#5d6670",
}
BOUND_STYLES = {"input": WAIT, "compute": GOOD, "unknown": QUIET}
CONFIDENCE = {"high": "high confidence", "medium": "medium confidence", "low": "low confidence", "borderline": "borderline"}
SORTS = ("busiest", "number", "slowest")


def header(frame: Frame, width: int) -> Text:
    """Return the line at the top: which run, for how long, in what state."""
    run = frame.report.run
    state = "running" if frame.live else text.ending(run.exit_code, run.signal, run.state)
    moment = f" · at {text.duration(frame.now_s)}" if frame.view.at_s is not None else ""
    right = f"{text.duration(frame.report.seconds)} · {state}{moment}{' · paused' if frame.view.paused else ''}"
    room = max(8, width - len(right) - 12)
    left = text.shorten(text.clean(shlex.join(run.command)), room)
    drawn = Text.assemble(("gpuwatch", "bold"), "  ", left)
    return drawn + Text(" " * max(1, width - drawn.cell_len - len(right))) + Text(right, "dim")


def verdict(frame: Frame, width: int, height: int = 3) -> RenderableType:
    """Return the verdict so far: headline, reason, and what it would be worth."""
    said = frame.report.verdict
    lines = [Text(said.headline, f"bold {BOUND_STYLES.get(said.bound, WORK)}", no_wrap=height < 4, overflow="ellipsis")]
    facts = [CONFIDENCE[said.confidence]]
    if said.input_wait_share:
        facts.append(f"waiting {text.share_range(said.input_wait_share)} of each step")
    if said.speedup_if_input_free and said.bound == "input":
        facts.append(f"{text.gain(said.speedup_if_input_free)} if data were free")
    scope = "whole run" if not frame.live else "so far"
    lines.append(Text(f"{scope}: {' · '.join(facts)}", "dim", no_wrap=True, overflow="ellipsis"))
    if said.reason and height > 2:
        lines.append(Text(said.reason, overflow="ellipsis", no_wrap=height < 5))
    return Group(*lines)


def phases(frame: Frame, width: int, height: int = 2) -> RenderableType:
    """Return where the window's time went, and the whole run's phases below it."""
    window = _window_parts(frame)
    lines: list[RenderableType] = []
    if window:
        lines += [parts_bar(window, width), _legend(window, width)]
    else:
        lines.append(Text("no training step in this window", "dim"))
    if height >= 4 and frame.report.phases:
        shown = [(phase.name, phase.share, PHASE_STYLES.get(phase.name, QUIET)) for phase in frame.report.phases if phase.share > 0]
        lines += [parts_bar(shown, width), _legend(shown, width)]
    return Group(*lines)


def _window_parts(frame: Frame) -> list[tuple[str, float, str]]:
    start, end = frame.window
    steps, waits = frame.lanes("step time"), frame.lanes("input wait")
    if not steps or not waits:
        return []
    stepped = sum(_sum(values_in(lane, start, end)) for lane in steps) / len(steps) / 1e3
    waited = sum(_sum(values_in(lane, start, end)) for lane in waits) / len(waits) / 1e3
    if stepped <= 0:
        return []
    whole = max(end - start, stepped)
    return [("waiting", waited / whole, WAIT), ("training", (stepped - waited) / whole, WORK), ("outside steps", 1 - stepped / whole, QUIET)]


def _sum(values: Sequence[float | None]) -> float:
    return sum(value for value in values if value is not None and value == value)


def _legend(parts: Sequence[tuple[str, float, str]], width: int) -> Text:
    drawn = Text(no_wrap=True, overflow="ellipsis")
    for name, share, style in sorted(parts, key=lambda part: -part[1]):
        if share >= 0.005:
            drawn.append("■ ", style).append(f"{name} {text.percent(share)}   ")
    return drawn


def steps(frame: Frame, width: int, height: int = 5) -> RenderableType:
    """Return the steps of the window: time at work below, time waiting on top."""
    start, end = frame.window
    step, wait = _first(frame.lanes("step time")), _first(frame.lanes("input wait"))
    if step is None or wait is None:
        return Text("no step yet", "dim")
    count = max(4, width)
    whole, waited = columns(step, start, end, count), columns(wait, start, end, count)
    lower = [None if a is None else max(0.0, a - (b or 0.0)) for a, b in zip(whole, waited, strict=True)]
    known = sorted(value for value in whole if value is not None)
    if not known:
        return Text("no step in this window", "dim")
    top = min(known[-1], 3 * known[len(known) // 2])
    now = Text.assemble("step ", (text.milliseconds(_last(whole)), "bold"), ", of it waiting ", (text.milliseconds(_last(waited)), f"bold {WAIT}"),
                        (f"   scale to {text.milliseconds(top)}" if width >= 60 else "", "dim"), no_wrap=True, overflow="ellipsis")
    return Group(now, Area(lower, waited, max(1, height - 1), top))


def _first(lanes: list[Lane]) -> Lane | None:
    return lanes[0] if lanes else None


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def gpus(frame: Frame, width: int, height: int = 4) -> RenderableType:
    """Return a row per GPU: busy with its history, SM active, memory, power, what slows it down."""
    start, end = frame.window
    busy = frame.lanes("GPU busy")
    if not busy and not frame.report.devices:
        return Text("No GPU was measured: the run is on the CPU, or NVML is not there (gpuwatch doctor).", "dim")
    groups = sorted({lane.group for lane in busy} or {f"GPU {device.index}" for device in frame.report.devices}, key=lambda group: _worst(frame, group))
    room = max(6, min(60, width - 48))
    table = _grid()
    for group in groups[: max(1, height)]:
        table.add_row(*_gpu_row(frame, group, start, end, room, width))
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

    busy = _first(frame.lanes("GPU busy", group))
    drawn = history(columns(busy, start, end, room), 100.0) if busy else Text("·" * room, "dim")
    slowed = {label for lane in frame.lanes("throttling", group) for _, _, label in spans_in(lane, start, end)}
    cells = [Text(group, "bold"), drawn, Text(now("GPU busy", "{:.0f}% busy")), Text(now("SM active", "{:.0f}% SM"))]
    if width >= 64:
        cells += [Text(now("GPU memory", "{:.1f} GiB")), Text(now("power", "{:.0f} W"))]
    if slowed:
        cells.append(Text(", ".join(sorted(slowed)), BAD))
    return cells


def machine(frame: Frame, width: int, height: int = 3) -> RenderableType:
    """Return the machine: CPU in use, pressure, memory."""
    start, end = frame.window
    room = max(6, min(60, width - 26))
    table = _grid()
    rows = (("CPU busy", "CPU busy", 100.0, "{:.0f}%"), ("CPU pressure", "CPU stalls", 100.0, "{:.0f}%"), ("I/O pressure", "I/O stalls", 100.0, "{:.0f}%"),
            ("memory used", "memory", None, "{:.1f} GiB"), ("shared memory", "/dev/shm", None, "{:.1f} GiB"))
    for name, label, top, form in rows[: max(1, height)]:
        lane = _first(frame.lanes(name))
        if lane is None:
            continue
        drawn = columns(lane, start, end, room)
        last = _last(drawn)
        highest = top or max((value for value in drawn if value is not None), default=1.0)
        table.add_row(Text(label), history(drawn, highest, WAIT if "stalls" in label else WORK), Text(form.format(last) if last is not None else text.DASH, "bold"))
    return table if table.row_count else Text("no sample of the machine yet", "dim")


def workers(frame: Frame, width: int, height: int = 4) -> RenderableType:
    """Return a row per loader worker: at work or waiting, its share at work, batches and time per batch."""
    lanes = frame.lanes("worker") or frame.lanes("loading in the trainer")
    if not lanes:
        return Text("No worker yet. With num_workers=0 the training process makes its batches itself.", "dim")
    several = len({lane.group for lane in lanes}) > 1
    told = sorted((_worker(frame, lane) for lane in lanes), key=_worker_order(frame.view.sort))
    room = max(6, min(60, width - 38 - (8 if several else 0)))
    table = _grid()
    for lane, shares, busy, batches, ms in told[: max(1, height)]:
        name = f"{lane.group} {lane.name}" if several else lane.name
        strip = history([shares(at, room) for at in range(room)], 1.0)
        table.add_row(Text(text.clean(name)), strip, Text(f"{text.percent(busy)} at work"), Text(f"{batches} batches" if width >= 66 else ""), Text(f"{text.milliseconds(ms)} each", "dim"))
    hidden = len(told) - max(1, height)
    return Group(table, Text(f"and {hidden} more", "dim")) if hidden > 0 and height > 4 else table


def _worker(frame: Frame, lane: Lane):  # type: ignore[no-untyped-def]
    start, end = frame.window
    spans = [span for span in spans_in(lane, start, end) if span[2] != "sending"]
    work = [(a, b) for a, b, label in spans if label != "waiting"]
    known = sum(b - a for a, b, _ in spans)
    busy = min(1.0, sum(b - a for a, b in work) / known) if known > 0 else None
    middle = typical([(b - a) * 1e3 for a, b in work])

    def share(at: int, count: int) -> float | None:
        a, b = start + (end - start) * at / count, start + (end - start) * (at + 1) / count
        inside = [(max(a, p), min(b, q), label) for p, q, label in spans if p < b and q > a]
        if not inside:
            return None
        return min(1.0, sum(q - p for p, q, label in inside if label != "waiting") / max(1e-9, sum(q - p for p, q, _ in inside)))

    return lane, share, busy, len(work), middle


def _worker_order(sort: str):  # type: ignore[no-untyped-def]
    def number(name: str) -> int:
        return int("".join(c for c in name if c.isdigit()) or 0)

    def order(row):  # type: ignore[no-untyped-def]
        lane, _, busy, _, ms = row
        if sort == "number":
            return lane.group, number(lane.name)
        return (-(ms or 0.0) if sort == "slowest" else -(busy or 0.0)), lane.group, number(lane.name)

    return order


def findings(frame: Frame, width: int, height: int = 3, selected: int | None = None) -> RenderableType:
    """Return the findings so far, the first to fix first."""
    found = frame.report.findings
    if not found:
        return Text("Nothing found yet." if frame.live else "Nothing found to blame.", "dim")
    table = _grid()
    for at, finding in enumerate(found[: max(1, height)]):
        style = "reverse" if at == selected else ""
        mark = Text("● ", BAD if finding.severity == "critical" else WAIT if finding.severity == "warning" else QUIET)
        gain = Text(f"{text.factor(finding.speedup.predicted)}" if finding.speedup else "", f"bold {GOOD}")
        said = Text(text.clean(finding.summary), style, no_wrap=True, overflow="ellipsis")
        table.add_row(mark, said, gain, Text(finding.confidence, "dim"))
    table.columns[1].ratio = 1
    table.expand = True
    return table


def lines(frame: Frame, width: int, height: int = 3, selected: int | None = None) -> RenderableType:
    """Return the lines that cost most, as they appear."""
    hot = frame.report.hot_lines
    if not hot:
        return Text(f"No lines yet: {frame.report.stacks.note or 'the first samples come once the training is steady'}", "dim")
    table = _grid()
    for at, line in enumerate(hot[: max(1, height)]):
        style = "reverse" if at == selected else ""
        where = f"{text.shorten_path(text.relative(text.clean(line.file), frame.report.run.cwd), 28)}:{line.line}"
        source = Text(text.clean((line.source or line.function).strip()), style, no_wrap=True, overflow="ellipsis")
        table.add_row(Text(text.percent(line.share), "bold"), meter(line.share, 6, WAIT), Text(where, WORK), source)
    table.columns[3].ratio = 1
    table.expand = True
    return table


def finding_detail(finding: Finding, root: str) -> RenderableType:
    """Return everything that a finding says."""
    table = _grid()
    for item in finding.evidence:
        limit = f"limit {text.value(item.threshold, item.unit)}" if item.threshold is not None else ""
        table.add_row(Text(item.metric, "dim"), Text(text.value(item.value, item.unit), "bold"), Text(" · ".join(part for part in (limit, item.note or "") if part), "dim"))
    parts: list[RenderableType] = [Text(text.clean(finding.summary), "bold"), Text(f"{finding.id} · {finding.severity} · {CONFIDENCE[finding.confidence]}", "dim"), Text(), table, Text(),
                                   Text(text.clean(finding.advice))]
    if finding.edit:
        parts += [Text(), Text(finding.edit, WORK)]
    if finding.speedup:
        parts += [Text(), Text.assemble((text.gain(finding.speedup), f"bold {GOOD}"), f" predicted, from the {finding.speedup.basis}")]
    if finding.where:
        parts += [Text(), Text.assemble(("where ", "dim"), text.place(finding.where, root))]
    if finding.verify:
        parts += [Text(), Text.assemble(("prove it ", "dim"), finding.verify)]
    return Group(*parts)


def line_detail(frame: Frame, at: int) -> RenderableType:
    """Return everything about one hot line."""
    line = frame.report.hot_lines[at]
    role = "loader worker" if line.process_role == "worker" else "training process"
    facts = [f"{text.percent(line.share)} of the {role}'s work", f"{text.duration(line.seconds)}", f"{line.samples} samples"]
    if line.waited_share is not None:
        facts.append(f"{text.percent(line.waited_share)} while its batch was awaited")
    if line.speedup_if_free:
        facts.append(f"{text.factor(line.speedup_if_free)} if it were free")
    parts: list[RenderableType] = [Text(f"{text.clean(line.file)}:{line.line}", f"bold {WORK}"), Text(f"in {line.function}" + (f", {line.callee}" if line.callee else ""), "dim"), Text(),
                                   Text((line.source or "").strip()), Text(), Text(" · ".join(facts))]
    if line.stack:
        parts += [Text(), Text("stack", "dim"), *(Text(text.clean(frame_)) for frame_ in line.stack)]
    return Group(*parts)


def plain_line(frame: Frame) -> str:
    """Return the state in one line, for a log or a pipe."""
    said, window = frame.report.verdict, {name: share for name, share, _ in _window_parts(frame)}
    parts = [text.duration(frame.now_s), text.clean(said.headline)]
    step = _first(frame.lanes("step time"))
    if step:
        middle = typical(values_in(step, *frame.window))
        parts.append(f"step {text.milliseconds(middle)}" if middle is not None else "no step lately")
    if window:
        parts.append(f"waiting {text.percent(window['waiting'])} of the last {text.duration(frame.window[1] - frame.window[0])}")
    busy = [value for lane in frame.lanes("GPU busy") if (value := typical(values_in(lane, *frame.window))) is not None]
    if busy:
        parts.append(f"GPU busy {min(busy):.0f}%" if len(busy) == 1 else f"GPUs busy {min(busy):.0f}-{max(busy):.0f}%")
    if frame.report.findings:
        parts.append(f"first: {frame.report.findings[0].id}")
    return " · ".join(parts)


def snapshot(frame: Frame, width: int) -> RenderableType:
    """Return all panels one below the other, for `--once`."""
    blocks = (("Verdict", verdict(frame, width, 5)), ("Time", phases(frame, width, 4)), ("Steps", steps(frame, width, 6)), ("GPUs", gpus(frame, width, 16)),
              ("Machine", machine(frame, width, 5)), ("Workers", workers(frame, width, 16)), ("Findings", findings(frame, width, 8)), ("Lines", lines(frame, width, 8)))
    drawn: list[RenderableType] = [header(frame, width)]
    for title, body in blocks:
        drawn += [Text(f"── {title} ".ljust(width, "─"), "dim"), body]
    return Group(*drawn)


def _grid() -> Table:
    return Table.grid(padding=(0, 2, 0, 0), pad_edge=False)

