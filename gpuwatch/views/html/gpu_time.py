"""A traced device's time on the page: one bar from its first to its last activity, and what each part of it is."""

from __future__ import annotations

from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.report import Report
from gpuwatch.views import gpu_time, text
from gpuwatch.views.html.markup import Markup, content, el, facts, table
from gpuwatch.views.html.pictures import bar, slug
from gpuwatch.words.gpu_trace import BUSY_CLASSES, CLASSES


def where_it_went(report: Report, time: GpuTime) -> Markup:
    """Return the section: the judged device's bar with its legend, its evidence, and the other devices."""
    rows = [(each.key, gpu_time.title(each), time.share(each.key), each.about) for each in CLASSES]
    shown = [row for row in rows if row[2] > 0]
    said = ", ".join(f"{title} {text.percent(share)}" for _, title, share, _ in shown)
    legend = [
        [
            content([el("i", class_=f"key {slug(_color(key))}"), title]),
            text.percent(share, 1),
            text.milliseconds(share * time.span_ms),
            about,
        ]
        for key, title, share, about in shown
    ]
    evidence = [
        (fact.label, f"{fact.text}{f' ({fact.note})' if fact.note else ''}") for fact in gpu_time.why(report, time)
    ]
    others = [(fact.label, f"{fact.text} ({fact.note})") for fact in gpu_time.devices(report)]
    body = [
        el("p", f"{gpu_time.slices_of(time)}, each moment counted once.", class_="soft"),
        bar([(_color(key), share) for key, _, share, _ in shown], f"Time of GPU {time.device}: {said}"),
        table(["part", "share", "time", "what it is"], legend, "Parts of the device's time", numeric=(1, 2)),
        facts(evidence),
        [el("h3", "All devices of the traces"), facts(others)] if others else [],
    ]
    return el("section", el("h2", "Where the time went"), body, id="phases")


def _color(key: str) -> str:
    """Return the name of a class's colour: it separates work from idle time."""
    return key if key in BUSY_CLASSES else f"idle {key}"
