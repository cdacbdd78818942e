"""The windows of torch.profiler on the page: operators of each part of the step, devices, batches that were late."""

from __future__ import annotations

from gpuwatch.model.report import Report
from gpuwatch.model.traced_windows import TracedWindow
from gpuwatch.views import text, traced_windows
from gpuwatch.views.html.markup import Markup, el, facts, heat, table
from gpuwatch.views.text import clean
from gpuwatch.views.verdict_text import sentence


def section(report: Report) -> Markup | None:
    """Return the section; None for a run without windows."""
    window = traced_windows.newest(report)
    if window is None:
        return None
    pairs = [
        (fact.label, f"{fact.text}{f' ({fact.note})' if fact.note else ''}")
        for fact in traced_windows.facts(report)
        if fact.label not in {part.part for part in window.parts}
    ]
    body = [
        el("p", sentence(traced_windows.heading(report, window)) + ".", class_="soft"),
        facts(pairs) if pairs else None,
        _operators(window),
    ]
    return el("section", el("h2", "Traced steps"), body, id="traced")


def _operators(window: TracedWindow) -> Markup | None:
    rows = [
        [
            part.part,
            clean(each.name),
            text.milliseconds(each.ms),
            heat(each.share, text.percent(each.share)),
            text.figures(each.calls),
        ]
        for part in window.parts
        for each in part.operators
    ]
    head = ["part", "operator", "own time a step", "of the part", "calls a step"]
    return table(head, rows, "Operators on the host by their own time", numeric=(2, 3, 4)) if rows else None
