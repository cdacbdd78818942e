"""A summary of many runs as one self-contained page: tables that can be sorted and searched, with links to reports."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from gpuwatch.model.fleet import Fleet
from gpuwatch.views import text
from gpuwatch.views.fleet_rows import Cell, Section, headline, lost_of, name_of, notes, sections, unit
from gpuwatch.views.html.markup import Markup, content, el
from gpuwatch.views.html.page import asset, fill


def render(fleet: Fleet) -> str:
    """Return the summary as one self-contained HTML page."""
    shown = sections(fleet)
    body = content([_header(fleet), _navigation(shown), el("main", _verdict(fleet), [_section(s) for s in shown])])
    return fill(
        "fleet.html",
        content(f"gpuwatch: {headline(fleet)}"),
        asset("style.css") + asset("fleet.css"),
        body=body,
        page_js=asset("page.js"),
        tables_js=asset("tables.js"),
    )


def _header(fleet: Fleet) -> Markup:
    theme = el("button", "Dark", id="theme", type="button", hidden=True)
    places = ", ".join(fleet.places) or fleet.dataset
    return el(
        "header",
        el("div", el("span", "gpuwatch", class_="brand"), theme, class_="top"),
        el("p", el("code", text.clean(places), class_="command"), class_="command-line"),
        el("p", f"{text.count(fleet.runs, 'run')}", class_="soft"),
    )


def _navigation(shown: list[Section]) -> Markup:
    links = [el("a", section.title, href=f"#{section.id}") for section in shown]
    return el("nav", links, aria_label="Sections")


def _verdict(fleet: Fleet) -> Markup:
    numbers = [(text.figures(lost_of(fleet.totals, fleet)), f"{unit(fleet)} lost")]
    if fleet.totals.lost_cost is not None:
        numbers.append((text.figures(fleet.totals.lost_cost), "their cost"))
    if fleet.totals.lost_to:
        numbers.append((_share_of_first(fleet), f"of it to {name_of(fleet.totals.lost_to[0])}"))
    drawn = [
        el("div", el("span", big, class_="big"), el("span", about, class_="about"), class_="number")
        for big, about in numbers
    ]
    return el(
        "section",
        el("h1", headline(fleet)),
        el("div", drawn, class_="numbers") if fleet.runs else None,
        [el("p", note, class_="soft") for note in notes(fleet)],
        _search(),
        id="why",
        class_="verdict",
    )


def _share_of_first(fleet: Fleet) -> str:
    first, total = fleet.totals.lost_to[0], lost_of(fleet.totals, fleet)
    hours = first.gpu_hours if fleet.has_gpus else first.rank_hours
    return text.percent(hours / total if total else None)


def _search() -> Markup:
    field = el("input", type="search", id="search", autocomplete="off", spellcheck="false")
    return el(
        "p",
        el("label", "Search all tables ", field),
        el("span", id="found", role="status"),
        id="searching",
        hidden=True,
    )


def _section(section: Section) -> Markup:
    about = el("p", section.about, class_="soft") if section.about else None
    return el("section", el("h2", section.title), about, _table(section), id=section.id)


def _table(section: Section) -> Markup:
    heads = [
        el("th", name, scope="col", class_="n" if at in section.numeric else None, data_sort=at if name else None)
        for at, name in enumerate(section.head)
    ]
    rows = [el("tr", [_cell(cell, at in section.numeric) for at, cell in enumerate(row)]) for row in section.rows]
    caption = el("caption", section.title, class_="visually-hidden")
    inner = el("table", caption, el("thead", el("tr", heads)), el("tbody", rows), class_="sortable")
    return el("div", inner, class_="scroll", tabindex="0", role="region", aria_label=section.title)


def _cell(cell: Cell, numeric: bool) -> Markup:
    said: str | Markup = el("code", cell.said) if cell.code else cell.said
    target = address(cell.link) if cell.link else None
    if target is not None:
        said = el("a", said, href=target)
    value = f"{cell.value:.9g}" if cell.value is not None else None
    return el("td", said, class_="n" if numeric else None, data_value=value)


def address(link: str) -> str | None:
    """Return where a link may lead: a file, a page beside this one, or a web address; None for anything else."""
    if "://" in link:
        return link if urlsplit(link).scheme in ("http", "https") else None
    path = PurePosixPath(link)
    # A first part with a colon would be a scheme, and the start of a host's name after two slashes.
    return path.as_uri() if path.is_absolute() else f"./{quote(str(path))}"
