"""Text for plotly, which reads tags, entities, `%{…}` and `$…$` in it: foreign words come out as they are."""

from __future__ import annotations

import html
import textwrap

from gpuwatch.views.text import clean

# Of the HTML page's light theme (assets/style.css).
INK, SOFT, RULE, SHADE = "#1a1e23", "#57606b", "#e2e4e7", "#f1f2f3"
WORK, WAIT, BAND = "#3b78b8", "#e06c1b", 0.22


def literal(words: object) -> str:
    """Return foreign text that plotly shows as it is."""
    safe = html.escape(clean(words), quote=False)
    # A pair of dollars would be a formula where MathJax is loaded, a brace after a percent sign a value.
    return safe.replace("$", "&#36;").replace("{", "&#123;")


def wrapped(words: str, width: int) -> tuple[str, int]:
    """Return foreign text in lines of at most `width` characters, and how many lines."""
    lines = textwrap.wrap(clean(words), width) or [""]
    return "<br>".join(literal(line) for line in lines), len(lines)


def soft(safe: str, size: int = 11) -> str:
    """Return text that is safe already, in the quieter colour."""
    return f'<span style="color:{SOFT};font-size:{size}px">{safe}</span>'


def transparent(colour: str, opacity: float) -> str:
    """Return a `#rrggbb` colour that lets through what is below it."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def reading(unit: str) -> str:
    """Return how plotly writes a value of that unit: the end of a d3 format, and what follows the number."""
    if unit == "share":
        return ":.1%}"
    if unit == "bytes":
        return ":.3~s}B"
    return f":,.4~r}} {literal(unit)}".rstrip()
