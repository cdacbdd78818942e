"""The lines that cost most, with their source."""

from __future__ import annotations

from collections.abc import Sequence

from gpuwatch.model.hot_lines import HotLine, StackQuality
from gpuwatch.model.measures import Place
from gpuwatch.model.report import Report
from gpuwatch.views import text
from gpuwatch.views.html.markup import Markup, el, heat
from gpuwatch.views.line_tables import Section, below_of, if_free, sections, share_of
from gpuwatch.views.verdict_text import sentence

LINES, MOST_LINES = 8, 40
SMALL_LINE = 0.02
# What a process of that role does anyway: not worth a word.
USUAL = ("fetch", "step", "compute", "")


def hot_lines(report: Report) -> Markup:
    """Return the lines that cost most, with their source: one list for each thing that shares are of."""
    if not report.hot_lines:
        body: object = el("p", f"No lines: {report.stacks.note}.")
    else:
        body = [el("p", _trust(report.stacks), class_="soft")]
        body += [part for section in sections(report.hot_lines) for part in _section(section, report.run.cwd)]
    return el("section", el("h2", "Lines that cost most"), body, id="lines")


def _section(section: Section, root: str) -> list[Markup]:
    first = [line for line in section.lines if line.share >= SMALL_LINE][:LINES]
    rest = [line for line in section.lines if line not in first][:MOST_LINES]
    shown = [el("p", sentence(share_of(section.lines[0])) + ".", class_="soft"), _line_list(first, root)]
    if rest:
        shown.append(el("details", el("summary", text.count(len(rest), "more line")), _line_list(rest, root)))
    return shown


def _line_list(lines: Sequence[HotLine], root: str) -> Markup:
    return el("ol", [_hot_line(line, root) for line in lines], class_="lines")


def _trust(stacks: StackQuality) -> str:
    if not stacks.samples:
        return stacks.note
    said = stacks.note or f"{text.count(stacks.samples, 'sample')} by {stacks.sampler}"
    return f"{said}; {stacks.trust} trust."


def _whose(line: HotLine) -> str:
    role = "loader worker" if line.process_role == "worker" else "training process"
    return role if line.activity in USUAL else f"{role}, {line.activity}"


def _hot_line(line: HotLine, root: str) -> Markup:
    path = text.place(Place(line.file, line.line), root)
    gain = f"{if_free(line)} if it were free" if if_free(line) else None
    about = [
        line.function,
        below_of(line, root) or (f"in {line.callee}" if line.callee else None),
        _whose(line),
        gain,
    ]
    share = heat(line.share, text.percent(line.share))
    code = el("pre", el("code", line.source.strip()), class_="source") if line.source else None
    stack = (
        el("details", el("summary", "full stack"), el("pre", "\n".join(map(text.call, line.stack))))
        if line.stack
        else None
    )
    where = el(
        "p", el("code", path), el("span", " · ".join(part for part in about if part), class_="soft"), class_="where"
    )
    return el("li", share, el("div", where, code, stack))
