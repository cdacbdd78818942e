"""The card as a fragment of HTML, for the output of a notebook's cell: with its own style, no script, and no request.

Everything that carries meaning is text or an inline style, so that it is also read where a viewer takes the style away.
"""

from __future__ import annotations

import linecache
from collections.abc import Sequence

from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.measures import Place
from gpuwatch.model.report import Report
from gpuwatch.views import card, text
from gpuwatch.views.card_content import LOADER_HEADER, Action, Card, Fact, Slice
from gpuwatch.views.card_drawing import PHASE_COLORS
from gpuwatch.views.card_rows import hottest
from gpuwatch.views.html.lanes import prepare
from gpuwatch.views.html.markup import Markup, content, el
from gpuwatch.views.html.page import asset
from gpuwatch.views.html.pictures import static_lanes
from gpuwatch.views.line_tables import below_of, if_free, share_of
from gpuwatch.words.source_code import cell_name

LIVE_LANES, LIVE_FINDINGS, NOTES = 3, 2, 3
# Of a cell with a hot line, these lines are shown before and after it; the rest unfolds.
AROUND = 2
_OTHER_COLOR = "#a8a8a8"


def fragment(report: Report) -> str:
    """Return the card of a run that has ended."""
    drawn = card.prepare(report)
    return _box(
        _head(drawn),
        _verdict(drawn),
        _section("Why", _facts(drawn.why)),
        _section("What to do", _actions(drawn)),
        _section("Where the time went", _phases(drawn.phases), drawn.phases_of),
        _section("Hot lines", _lines(report, drawn.lines_note), drawn.lines_note),
        _section("Loaders", _loaders(drawn)),
        _section("Machine", _facts(drawn.machine)),
        _section("Info", [el("p", f"• {note}", class_="soft") for note in drawn.notes]),
        el("p", drawn.cost, class_="soft foot"),
    )


def panel(report: Report) -> str:
    """Return what is known of a run that goes on: shorter, with the last steps as a picture."""
    drawn = card.prepare(report)
    lanes = prepare(report.timeline)
    reported = [el("p", sentence.summary, " ", _gain(sentence.gain)) for sentence in drawn.actions[:LIVE_FINDINGS]]
    return _box(
        _head(drawn),
        _verdict(drawn),
        _section("So far", _facts(drawn.why)),
        _section("Findings", reported),
        _section("Where the time went", _phases(drawn.phases), drawn.phases_of),
        _section("Hot lines", _lines(report, drawn.lines_note), drawn.lines_note),
        static_lanes(lanes, LIVE_LANES) if lanes.families else None,
    )


def timeline(report: Report) -> str:
    """Return the timeline as a still picture, for where no plotly draws it."""
    lanes = prepare(report.timeline)
    return _box(static_lanes(lanes)) if lanes.families else notice("nothing was recorded over time")


def notice(said: str) -> str:
    """Return one line in the card's box: before there is anything to show, and where nothing can be shown."""
    return _box(el("p", el("b", "gpuwatch"), " ", said, class_="soft"))


def _box(*parts: Markup | None) -> str:
    return el("div", el("style", Markup(asset("notebook.css"))), parts, class_="gpuwatch")


def _head(drawn: Card) -> Markup:
    left = el("span", el("b", "gpuwatch"), " ", el("span", f"{drawn.run} · {drawn.command}", class_="soft"))
    return el("div", left, el("span", drawn.ended, class_="soft"), class_="head")


def _verdict(drawn: Card) -> Markup:
    sure = "" if drawn.confidence in ("high", "borderline") else f" ({drawn.confidence} confidence)"
    claim = el("p", el("b", drawn.badge, class_=drawn.tone), " ", el("b", drawn.headline), class_="claim")
    return content([claim, el("p", f"{drawn.reason}{sure}") if drawn.reason or sure else None])


def _section(name: str, body: Markup | Sequence[Markup] | None, note: str = "") -> Markup | None:
    if not body:
        return None
    return content([el("h4", name, el("span", note, class_="soft") if note else None), body])


def _facts(facts: Sequence[Fact]) -> Markup | None:
    if not facts:
        return None
    pairs = [[el("dt", fact.label), el("dd", fact.text, " ", el("span", fact.note, class_="soft"))] for fact in facts]
    return el("dl", pairs)


def _actions(drawn: Card) -> Markup:
    steps = el("ol", [_action(action) for action in drawn.actions]) if drawn.actions else None
    said = [line for line in (drawn.nothing, drawn.more, drawn.together, *drawn.also) if line]
    return content([steps, [el("p", line, class_="soft") for line in said]])


def _action(action: Action) -> Markup:
    about = " · ".join(part for part in (action.where, action.id, action.confidence) if part)
    proof = [el("p", "prove it: ", el("code", action.verify), class_="soft")] if action.verify else None
    edit = el("pre", el("code", action.edit)) if action.edit else None
    said = el("p", el("b", action.summary), " ", _gain(action.gain))
    return el("li", said, el("p", action.advice), edit, el("p", about, class_="soft"), proof)


def _gain(gain: str) -> Markup | None:
    return el("span", gain, class_="gain") if gain else None


def _phases(slices: Sequence[Slice]) -> Markup | None:
    if not slices:
        return None
    parts = [
        el("span", title=f"{one.name} {one.percent}", style=f"width:{100 * one.share:.2f}%;background:{_color(one)}")
        for one in slices
    ]
    legend = [
        el("span", el("i", style=f"background:{_color(one)}"), f"{one.name} {one.percent} · {one.seconds}")
        for one in slices
    ]
    return content([el("div", parts, class_="bar"), el("div", legend, class_="legend")])


def _color(one: Slice) -> str:
    return PHASE_COLORS.get(one.name, _OTHER_COLOR)


def _lines(report: Report, note: str) -> Markup | None:
    found = hottest(report)
    return el("ol", [_line(line, report.run.cwd, note) for line in found], class_="lines") if found else None


def _line(line: HotLine, base: str, note: str) -> Markup:
    place = text.place(Place(line.file, line.line), base)
    free = f"{if_free(line)} if free" if if_free(line) else None
    of = "" if share_of(line) in note else share_of(line)  # said of all lines already
    about = (of, below_of(line, base) or (f"in {line.callee}" if line.callee else None), free)
    where = el("p", el("code", place), " ", el("span", " · ".join(part for part in about if part), class_="soft"))
    return el("li", el("span", text.percent(line.share), class_="share"), el("div", where, _source(line)))


def _source(line: HotLine) -> Markup | None:
    """Return the line's text; of a notebook's cell, which no editor opens, the lines around it and all of them."""
    cell = [text.clean(one.rstrip("\n")) for one in linecache.getlines(line.file)] if cell_name(line.file) else []
    if not 0 < line.line <= len(cell):
        return el("pre", el("code", line.source.strip())) if line.source else None
    first, after = max(0, line.line - 1 - AROUND), line.line + AROUND
    near = _numbered(cell, first, after, line.line)
    whole = el("details", el("summary", f"all of {cell_name(line.file)}"), _numbered(cell, 0, len(cell), line.line))
    return content([near, whole if first > 0 or after < len(cell) else None])


def _numbered(cell: Sequence[str], first: int, after: int, hot: int) -> Markup:
    width = len(str(min(after, len(cell))))
    rows = [
        el("span", f"{number:>{width}}  {said}\n", class_="hot" if number == hot else None)
        for number, said in enumerate(cell[first:after], first + 1)
    ]
    return el("pre", el("code", rows))


def _loaders(drawn: Card) -> Markup | None:
    if not drawn.loaders:
        return None
    head = el("tr", [el("th", name) for name in LOADER_HEADER])
    rows = [el("tr", [el("td", cell) for cell in loader.cells]) for loader in drawn.loaders]
    made = [el("p", loader.breakdown, class_="soft") for loader in drawn.loaders if loader.breakdown]
    return content([el("table", el("thead", head), el("tbody", rows)), made])
