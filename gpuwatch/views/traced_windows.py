"""A run's own windows of torch.profiler as text: what dominates each part of the step, and why a device stood idle."""

from __future__ import annotations

import shlex

from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.report import Report
from gpuwatch.model.traced_windows import LateBatch, NoWindow, TracedPart, TracedWindow
from gpuwatch.views import text
from gpuwatch.views.card_content import Fact
from gpuwatch.views.text import clean
from gpuwatch.words.gpu_trace import BUSY_CLASSES, CLASSES

SHOWN_OPERATORS, SHOWN_CLASSES, SHOWN_LATE = 3, 3, 3
SMALLEST_OPERATOR, SMALLEST_CLASS = 0.03, 0.01
# Of a step: a shorter gap is none to do something about.
SMALLEST_GAP = 0.05
# A loop that waits less for data, on a device that is busy less, leaves a question that a window answers.
WAITS_LITTLE, BUSY_LITTLE = 0.1, 0.7
MISSING: dict[NoWindow, str] = {
    "profiler": "the script has a profiler of its own",
    "injection": "another tool is injected into the process (nsys, CUPTI)",
    "daemon": "KINETO_USE_DAEMON is set",
    "failed": "torch.profiler failed",
    "killed": "the process ended while its steps were traced, before the trace was whole",
    "ended before": "the training ended before its steps were steady",
}


def newest(report: Report) -> TracedWindow | None:
    """Return the window to show: the last one, in which the training is furthest."""
    windows = report.traced.windows if report.traced else ()
    return max(windows, key=lambda window: window.start_s, default=None)


def heading(report: Report, window: TracedWindow) -> str:
    """Return what the block is about."""
    of = f" of {len(report.traced.windows)} windows" if report.traced and len(report.traced.windows) > 1 else ""
    each = f", {text.milliseconds(window.step_ms)} each" if window.step_ms else ""
    usual = f" (untraced {text.milliseconds(window.usual_ms)})" if window.usual_ms else ""
    which = f"the last{of}: " if of else ""
    return (
        f"{which}{text.count(window.steps, 'step')} by torch.profiler at {text.duration(window.start_s)}{each}{usual}"
    )


def facts(report: Report) -> list[Fact]:
    """Return the lines of the newest window: its parts' operators, its devices, its late batches."""
    window = newest(report)
    if window is None:
        return []
    rows = [_part(part) for part in window.parts]
    rows += [_device(time) for time in window.devices]
    matter = [late for late in window.late if late.gap_ms >= SMALLEST_GAP * (window.step_ms or 0.0)]
    longest = sorted(matter, key=lambda late: -late.gap_ms)[:SHOWN_LATE]
    return rows + [Fact("late", late_text(late, report.run.cwd)) for late in longest]


def _part(part: TracedPart) -> Fact:
    shown = [each for each in part.operators[:SHOWN_OPERATORS] if each.share >= SMALLEST_OPERATOR]
    operators = ", ".join(f"{clean(each.name)} {text.percent(each.share)}" for each in shown)
    return Fact(part.part, f"{text.milliseconds(part.ms)} in operators: {operators}")


def _device(time: GpuTime) -> Fact:
    lost = sorted((each for each in CLASSES if each.key != "compute"), key=lambda each: -time.share(each.key))
    parts = [
        f"{each.title}{'' if each.key in BUSY_CLASSES else ' (idle)'} {text.percent(time.share(each.key))}"
        for each in lost[:SHOWN_CLASSES]
        if time.share(each.key) >= SMALLEST_CLASS
    ]
    unsure = "; the trace does not hold all that ran" if time.unmeasured else ""
    of = f"idle {text.percent(time.idle_share)} of {text.milliseconds(time.span_ms)}"
    return Fact(f"GPU {time.device}", f"{of}{': ' if parts else ''}{', '.join(parts)}{unsure}", clean(time.name or ""))


def late_text(late: LateBatch, base: str) -> str:
    """Return what was late while a device stood idle."""
    whose = f"of worker {late.worker}" if late.worker >= 0 else "of the training process"
    gap = f"the GPU stood idle {text.milliseconds(late.gap_ms)} for batch {late.batch} {whose}"
    making = f" ({text.milliseconds(late.making_ms)})" if late.making_ms else ""
    doing = {
        "making it": f", which was being made{making}",
        "making another": f", which was making another one{making}",
        "handing it over": ", which was made and on its way",
        "unknown": "",
    }[late.doing]
    where = text.place(late.where, base)
    took = f"{text.milliseconds(late.operation_ms)} in " if late.operation_ms else ""
    in_it = f"; {took}{clean(late.operation)}{f', {where}' if where else ''}" if late.operation else ""
    return f"{gap}{doing}{in_it}"


def cost(report: Report) -> str:
    """Return what the windows took; empty where there was none."""
    if report.traced is None or not report.traced.cost_s:
        return ""
    share = f" ({text.percent(report.traced.cost_s / report.seconds, 1)})" if report.seconds > 0 else ""
    return f"GPU trace {text.duration(report.traced.cost_s)}{share}"


def notes(report: Report) -> list[str]:
    """Return why there is no window, what the traces lack, and where a window would say more."""
    found = report.traced
    if found is None:
        return [asked] if (asked := hint(report)) else []
    lines = [line for window in found.windows for line in window.lost]
    if found.missing is None:
        return lines
    detail = f" ({clean(found.detail)})" if found.detail else ""
    more = "" if not found.windows else "further "
    return [f"no {more}GPU trace: {MISSING[found.missing]}{detail}", *lines]


def hint(report: Report) -> str:
    """Return the call that says why a GPU idles in steps that do not wait for data; empty where it would say no more."""
    busy = [device.busy for device in report.devices if device.ranks and device.busy is not None]
    waited = report.verdict.input_wait_share
    in_cell = report.run.in_process is not None and "cell" in report.run.in_process
    if not busy or in_cell or report.traced is not None or report.gpu_time or waited is None:
        return ""
    mean = sum(busy) / len(busy)
    if mean >= BUSY_LITTLE or waited.median >= WAITS_LITTLE:
        return ""
    said = f"the GPU was busy {text.percent(mean)} of a loop that hardly waits for data"
    return f"{said}: `gpuwatch run --gpu-trace -- {clean(shlex.join(report.run.command))}` says why"
