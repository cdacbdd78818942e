"""The page as a whole: sections in their order, the charts' data and code, one file and no request."""

from __future__ import annotations

from importlib import resources
from string import Template

from gpuwatch.model.report import Report
from gpuwatch.views import text
from gpuwatch.views.html import findings, lines, loaders, ranks, tables, traced_windows, verdict
from gpuwatch.views.html.lanes import Lanes, prepare
from gpuwatch.views.html.markup import Markup, content, el, table
from gpuwatch.views.html.pack import Packed, pack, script_json
from gpuwatch.views.html.pictures import static_lanes, statistics_text
from gpuwatch.views.html.windows import shown
from gpuwatch.views.json import to_dict
from gpuwatch.views.verdict_text import headline

LARGEST_BYTES = 2_480_000
# What the lanes get at least, when a report's text takes the rest.
LEAST_FOR_LANES = 60_000
ROWS_OF_A_FAMILY = 16
SCRIPTS = ("page", "store", "figures", "draw", "rows", "lanes")
NAVIGATION = (
    ("why", "Why"),
    ("what-to-do", "What to do"),
    ("phases", "Time"),
    ("timeline", "Timeline"),
    ("lines", "Lines"),
    ("traced", "Traced steps"),
    ("loaders", "Loaders"),
    ("ranks", "Ranks & devices"),
    ("experiments", "Experiments"),
    ("run", "Run"),
)


def render(report: Report) -> str:
    """Return the report as one self-contained HTML page."""
    lanes = prepare(report.timeline)
    sections = _sections(report, lanes)
    data = script_json(to_dict(report))
    taken = sum(len(part.encode()) for part in (sections, data)) + 80_000
    packed = pack(lanes, max(LEAST_FOR_LANES, LARGEST_BYTES - taken))
    return _fill(report, sections, data, packed, lanes)


def _fill(report: Report, sections: Markup, data: str, packed: Packed, lanes: Lanes) -> str:
    marked = [shown(finding, report, lanes) for finding in report.findings]
    index = packed.index | {
        "findings": [
            {"families": item.families, "windows": [[round(a, 3), round(b, 3)] for a, b in item.windows]}
            for item in marked
        ]
    }
    title = content(f"gpuwatch: {headline(report.verdict)}")
    return fill(
        "page.html",
        title,
        asset("style.css"),
        body=sections,
        report=data,
        lanes=packed.blob,
        index=script_json(index),
        **{f"{name}_js": asset(f"{name}.js") for name in SCRIPTS},
    )


def _sections(report: Report, lanes: Lanes) -> Markup:
    parts = [
        verdict.verdict_card(report),
        findings.why(report),
        findings.what_to_do(report),
        tables.phases(report),
        _timeline(lanes),
        lines.hot_lines(report),
        traced_windows.section(report),
        loaders.loaders(report),
        ranks.ranks_and_devices(report),
        tables.experiments(report),
        tables.the_run(report),
    ]
    links = [el("a", name, href=f"#{target}") for target, name in NAVIGATION if _is_there(target, report)]
    return content([verdict.header(report), el("nav", links, aria_label="Sections"), el("main", parts)])


def _is_there(section: str, report: Report) -> bool:
    """Say whether a report has a section that others lack."""
    if section == "traced":
        return bool(report.traced and report.traced.windows)
    return section != "experiments" or bool(report.trials or report.experiments)


def _timeline(lanes: Lanes) -> Markup:
    if not lanes.families:
        return el("section", el("h2", "Timeline"), el("p", "Nothing was recorded over time."), id="timeline")
    hint = "Drag to zoom, double-click for all of it. With the keyboard: ← → move the cursor, + − zoom, 0 shows all."
    body = [
        el(
            "p",
            "Time since the run started. Line: the median. Band: from lowest to highest. ",
            el("span", hint, class_="needs-js"),
            class_="soft",
        ),
        el("div", id="controls", hidden=True),
        el("div", static_lanes(lanes), id="lanes"),
        _as_table(lanes),
    ]
    return el("section", el("h2", "Timeline"), body, id="timeline", class_="wide")


def _as_table(lanes: Lanes) -> Markup:
    """Return the lanes in figures, for those who do not see the picture."""
    rows = [
        [family.title, member.name, statistics_text(family, member)]
        for family in lanes.families
        for member in family.members[:ROWS_OF_A_FAMILY]
    ]
    marks = [
        [text.clean(mark.of.title), mark.label, f"at {text.duration(mark.start_s)}"]
        for mark in lanes.marks[:ROWS_OF_A_FAMILY]
    ]
    return el(
        "details",
        el("summary", "The same in figures"),
        table(["lane", "of", "what was measured"], rows + marks, "Lanes of the timeline in figures"),
    )


def fill(name: str, title: str, style: str, **parts: str) -> str:
    """Return a page with its parts; all pages have one head, which says what a page may load and run: nothing from elsewhere."""
    head = Template(asset("head.html")).substitute(title=title, style=style)
    return Template(asset(name)).substitute(head=head, **parts)


def asset(name: str) -> str:
    """Return the text of a file beside these modules."""
    return resources.files("gpuwatch.views.html").joinpath("assets").joinpath(name).read_text(encoding="utf-8")
