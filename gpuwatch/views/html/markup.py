"""Elements that escape whatever is put into them: text from a run (paths, names, source) never becomes markup."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

VOID = frozenset({"meta", "br", "hr", "rect", "line", "path", "polygon", "polyline", "col", "link"})


class Markup(str):
    """Text that is markup already; everything else is escaped on its way into an element."""


def el(name: str, *children: Any, **attributes: Any) -> Markup:
    """Return an element. `class_` and `for_` lose their underscore, others turn `_` into `-`; None and False are left out."""
    opening = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}"
    if name in VOID and not children:
        return Markup(f"{opening}/>")
    return Markup(f"{opening}>{content(children)}</{name}>")


def content(given: Any) -> Markup:
    """Return what is given as markup: None is nothing, sequences are joined, strings are escaped."""
    if given is None or given is False:
        return Markup("")
    if isinstance(given, Markup):
        return given
    if isinstance(given, str):
        return Markup(html.escape(_printable(given)))
    if isinstance(given, Iterable):
        return Markup("".join(content(item) for item in given))
    return Markup(html.escape(str(given)))


def table(head: list[Any], rows: list[list[Any]], caption: str, numeric: Iterable[int] = ()) -> Markup:
    """Return a scrollable table; `numeric` columns are right-aligned."""
    right = set(numeric)
    cells = [[el("td", cell, class_="n" if at in right else None) for at, cell in enumerate(row)] for row in rows]
    heads = [el("th", name, scope="col", class_="n" if at in right else None) for at, name in enumerate(head)]
    body = el("tbody", [el("tr", row) for row in cells])
    inner = el("table", el("caption", caption, class_="visually-hidden"), el("thead", el("tr", heads)), body)
    return el("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def facts(pairs: Sequence[tuple[str, Any]]) -> Markup:
    """Return names and values as a list of definitions."""
    return el("dl", [el("div", el("dt", name), el("dd", value)) for name, value in pairs], class_="facts")


def heat(share: float, said: str) -> Markup:
    """Return a share as text with a bar below it."""
    bar = el("span", style=f"width:{min(1.0, max(0.0, share)) * 100:.0f}%", class_="fill")
    return el("span", el("b", said), bar, class_="heat")


def _attribute(key: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(_printable(str(value)), quote=True)}"'


def _printable(value: str) -> str:
    """Replace what a file in UTF-8 cannot hold, a browser would drop, or that turns the direction of text."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\N{REPLACEMENT CHARACTER}"
        for c in value
    )
