"""The dashboard's panels: functions from a frame to a rich renderable, the same in the app, in tests and in `--once`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from gpuwatch.model.measures import Place
from gpuwatch.views import text
from gpuwatch.views.live.charts import BAD, GOOD, QUIET, WAIT, WORK, Area, meter, parts_bar
from gpuwatch.views.live.devices import gpus, machine
from gpuwatch.views.live.frame import Frame, first, last, step_columns, typical, values_in
from gpuwatch.views.live.rows import Rows
from gpuwatch.views.live.workers import workers
from gpuwatch.views.verdict_text import explanation, headline
from gpuwatch.words.lanes import GPU_BUSY, INPUT_WAIT, STEP

PHASE_STYLES = {
    "input wait": WAIT,
    "forward": WORK,
    "backward": "#3570ad",
    "optimizer": "#8ab6e3",
    "other in-step": "#9db4ca",
    "evaluation": "#9a82d6",
    "rollout": "#b3a14a",
    "loader startup": "#c8a234",
    "startup": QUIET,
    "between loops": "#a6adb5",
    "shutdown": "#5d6670",
}
BOUND_STYLES = {"input": WAIT, "cpu": WAIT, "compute": GOOD, "unknown": QUIET}
CONFIDENCE = {
    "high": "high confidence",
    "medium": "medium confidence",
    "low": "low confidence",
    "borderline": "borderline",
}


def header(frame: Frame, width: int) -> Text:
    """Return the line at the top: which run, for how long, in what state."""
    run = frame.report.run
    state = "running" if frame.live else text.ending_of(run)
    moment = f" · at {text.duration(frame.now_s)}" if frame.view.at_s is not None else ""
    right = f"{text.duration(frame.report.seconds)} · {state}{moment}{' · paused' if frame.view.paused else ''}"
    room = max(8, width - len(right) - 12)
    left = text.shorten(text.clean(shlex.join(run.command)), room)
    drawn = Text.assemble(("gpuwatch", "bold"), "  ", left)
    return drawn + Text(" " * max(1, width - drawn.cell_len - len(right))) + Text(right, "dim")


def verdict(frame: Frame, width: int, height: int = 3) -> RenderableType:
    """Return the verdict so far: headline, reason, and what it would be worth."""
    said = frame.report.verdict
    lines = [
        Text(headline(said), f"bold {BOUND_STYLES.get(said.bound, WORK)}", no_wrap=height < 4, overflow="ellipsis")
    ]
    facts = [CONFIDENCE[said.confidence]] if said.bound != "unknown" else []
    if said.input_wait_share:
        facts.append(f"waiting {text.share_range(said.input_wait_share)} of each step")
    if said.speedup_if_input_free and said.bound in ("input", "cpu"):
        facts.append(f"{text.gain(said.speedup_if_input_free)} if data were free")
    if facts:
        lines.append(Text(f"{frame.scope}: {' · '.join(facts)}", "dim", no_wrap=True, overflow="ellipsis"))
    why = explanation(said)
    if why and height > 2:
        lines.append(Text(why, overflow="ellipsis", no_wrap=height < 5))
    return Group(*lines)


def phases(frame: Frame, width: int, height: int = 2) -> RenderableType:
    """Return where the window's time went, and the whole run's phases below it."""
    window = _window_parts(frame)
    lines: list[RenderableType] = []
    if window:
        lines += [
            parts_bar(window, width),
            _legend(f"last {text.duration(frame.window[1] - frame.window[0])} ", window),
        ]
    elif not frame.report.run.attached:
        lines.append(Text("no training step in this window", "dim"))
    if height >= 4 and frame.report.phases:
        shown = [
            (phase.name, phase.share, PHASE_STYLES.get(phase.name, QUIET))
            for phase in frame.report.phases
            if phase.share > 0
        ]
        lines += [parts_bar(shown, width), _legend(f"{frame.scope} ", shown)]
    return Group(*lines)


def _window_parts(frame: Frame) -> list[tuple[str, float, str]]:
    start, end = frame.window
    steps, waits = frame.lanes(STEP), frame.lanes(INPUT_WAIT)
    if not steps or not waits:
        return []
    stepped = sum(_sum(values_in(lane, start, end)) for lane in steps) / len(steps) / 1e3
    waited = sum(_sum(values_in(lane, start, end)) for lane in waits) / len(waits) / 1e3
    if stepped <= 0:
        return []
    whole = max(end - start, stepped)
    return [
        ("waiting", waited / whole, WAIT),
        ("training", (stepped - waited) / whole, WORK),
        ("outside steps", 1 - stepped / whole, QUIET),
    ]


def _sum(values: Sequence[float | None]) -> float:
    return sum(value for value in values if value is not None and value == value)


def _legend(of: str, parts: Sequence[tuple[str, float, str]]) -> Text:
    drawn = Text(no_wrap=True, overflow="ellipsis").append(of, "dim")
    for name, share, style in sorted(parts, key=lambda part: -part[1]):
        if share >= 0.005:
            drawn.append("■ ", style).append(f"{name} {text.percent(share)}  ")
    return drawn


def steps(frame: Frame, width: int, height: int = 5) -> RenderableType:
    """Return the steps of the window: time at work below, time waiting on top."""
    start, end = frame.window
    step, wait = first(frame.lanes(STEP)), first(frame.lanes(INPUT_WAIT))
    if step is None or wait is None:
        return Text("single steps need events: gpuwatch run" if frame.report.run.attached else "no step yet", "dim")
    count = max(4, width)
    pairs = step_columns(step, wait, start, end, count)
    whole, waited = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    lower = [None if a is None else max(0.0, a - (b or 0.0)) for a, b in zip(whole, waited, strict=True)]
    known = sorted(value for value in whole if value is not None)
    if not known:
        return Text("no step in this window", "dim")
    top = min(known[-1], 3 * known[len(known) // 2])
    now = Text.assemble(
        "step ",
        (text.milliseconds(last(whole)), "bold"),
        ", of it waiting ",
        (text.milliseconds(last(waited)), f"bold {WAIT}"),
        (f"   scale to {text.milliseconds(top)}" if width >= 60 else "", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )
    return Group(now, Area(lower, waited, max(1, height - 1), top))


def findings(frame: Frame, width: int, height: int = 3, selected: int | None = None) -> RenderableType:
    """Return the findings so far, the first to fix first."""
    found = frame.report.findings
    if not found:
        return Text("Nothing found yet." if frame.live else "Nothing found to blame.", "dim")
    table = Rows(wide=1)
    reported = found[: max(1, height)]
    advised = lines_each(len(reported), height) == 2
    for at, finding in enumerate(reported):
        mark = Text(
            "▸" if at == selected else "●",
            BAD if finding.severity == "critical" else WAIT if finding.severity == "warning" else QUIET,
        )
        gain = Text(f"{text.factor(finding.speedup.predicted)}" if finding.speedup else "", f"bold {GOOD}")
        said = Text(text.clean(finding.summary), "bold" if at == selected else "", no_wrap=True, overflow="ellipsis")
        table.add(mark, said, gain, Text(finding.confidence, "dim"))
        if advised:
            table.add("", Text(f"→ {text.clean(finding.advice)}", "dim", no_wrap=True, overflow="ellipsis"), "", "")
    return table


def lines_each(count: int, height: int) -> int:
    """Return how many lines a finding takes: its advice goes below it where there is room."""
    return 2 if height >= 2 * count else 1


def lines(frame: Frame, width: int, height: int = 3, selected: int | None = None) -> RenderableType:
    """Return the lines that cost most, as they appear."""
    hot = frame.hot_lines
    if not hot:
        return Text(
            f"No lines yet: {frame.report.stacks.note or 'the first samples come once the training is steady'}", "dim"
        )
    table = Rows(wide=4)
    for at, line in enumerate(hot[: max(1, height)]):
        style = "bold" if at == selected else ""
        where = text.shorten_path(text.place(Place(line.file, line.line), frame.report.run.cwd), 28)
        source = Text(text.clean((line.source or line.function).strip()), style, no_wrap=True, overflow="ellipsis")
        share = f"{'▸' if at == selected else ' '}{text.percent(line.share)}"
        role = Text(line.process_role if line.activity in ("fetch", "step", "") else line.activity, "dim")
        table.add(Text(share, "bold"), meter(line.share, 6, WAIT), role, Text(where, WORK), source)
    return table


def plain_line(frame: Frame) -> str:
    """Return the state in one line, for a log or a pipe."""
    said, window = frame.report.verdict, {name: share for name, share, _ in _window_parts(frame)}
    parts = [text.duration(frame.now_s), headline(said)]
    step = first(frame.lanes(STEP))
    if step:
        middle = typical(values_in(step, *frame.window))
        parts.append(f"step {text.milliseconds(middle)}" if middle is not None else "no step lately")
    if window:
        parts.append(
            f"waiting {text.percent(window['waiting'])} of the last {text.duration(frame.window[1] - frame.window[0])}"
        )
    busy = [value for lane in frame.lanes(GPU_BUSY) if (value := typical(values_in(lane, *frame.window))) is not None]
    if busy:
        parts.append(f"GPU busy {min(busy):.0f}%" if len(busy) == 1 else f"GPUs busy {min(busy):.0f}-{max(busy):.0f}%")
    if frame.report.findings:
        parts.append(f"first: {frame.report.findings[0].id}")
    return " · ".join(parts)


def snapshot(frame: Frame, width: int) -> RenderableType:
    """Return all panels one below the other, for `--once`."""
    blocks = (
        ("Verdict", verdict(frame, width, 5)),
        ("Time", phases(frame, width, 4)),
        ("Steps", steps(frame, width, 6)),
        ("GPUs", gpus(frame, width, 16)),
        ("Machine", machine(frame, width, 5)),
        ("Workers", workers(frame, width, 16)),
        ("Findings", findings(frame, width, 8)),
        ("Lines", lines(frame, width, 8)),
    )
    drawn: list[RenderableType] = [header(frame, width)]
    for title, body in blocks:
        drawn += [Text(f"── {title} ".ljust(width, "─"), "dim"), body]
    return Group(*drawn)
