"""The list of the rules, the page of one, and how one came to its outcome on a run, from plain data."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gpuwatch.views import text

MARKS = {"met": "✓", "missing": "✗", "not met": "·"}
SEVERITIES = {"critical": "Critical", "warning": "A warning", "info": "For information"}
HOLDS = {"yes": "yes", "no": "no", "borderline": "borderline: the interval is on both sides"}


def listing(listed: list[dict[str, str]]) -> RenderableType:
    """Draw the ids of all rules with their titles."""
    table = _table()
    for rule in listed:
        table.add_row(Text(rule["id"], "bold"), Text(rule["title"]))
    return table


def page(data: dict[str, Any]) -> RenderableType:
    """Draw a rule's page: its text, needs, thresholds with their reasons, what it hides, the fixes."""
    parts: list[RenderableType] = [Text(data["id"], "bold"), Text(data["title"])]
    for heading, body in data["sections"].items():
        paragraphs = [Text(" ".join(paragraph.split())) for paragraph in body.split("\n\n")]
        parts += _section(heading, *_spaced(paragraphs))
    parts += _section("Needs", *map(Text, data["needs"]))
    parts += _section("Thresholds", *([_thresholds(data["thresholds"])] if data["thresholds"] else []))
    parts += _section("Hides, because it explains them", *_listed(data["hides"]))
    parts += _section("Fixes that gpuwatch try can measure", *_listed(data["remedies"]))
    return _framed(parts)


def evaluation(data: dict[str, Any]) -> RenderableType:
    """Draw how a rule came to its outcome: its needs, the numbers compared, the outcome."""
    parts: list[RenderableType] = [Text.assemble((data["id"], "bold"), f" on run {data['run']}"), Text(data["title"])]
    parts += _section("Needs", *([_needs(data["needs"])] if data["needs"] else []))
    parts += _section("Compared", *([_compared(data["comparisons"])] if data["comparisons"] else []))
    parts += _section("Outcome", *map(Text, _said(data["outcome"])))
    return _framed(parts)


def _said(outcome: dict[str, Any]) -> list[str]:
    if outcome["state"] == "clear":
        return ["Nothing found: the rule had what it needs, and its thresholds were not met."]
    if outcome["state"] != "finding":
        return [f"Not evaluated: {outcome['text']}."]
    causes = outcome["hidden_by"]
    explain = "explains" if len(causes) == 1 else "explain"
    hidden = [f"It is not on the card: {' and '.join(causes)} {explain} it."] if causes else []
    return [f"Found: {outcome['text']}.", _how_sure(outcome["severity"], outcome["confidence"]), *hidden]


def _how_sure(severity: str, confidence: str) -> str:
    sure = "Borderline" if confidence == "borderline" else f"{confidence.capitalize()} confidence"
    return f"{SEVERITIES[severity]}. {sure}."


def _needs(needs: list[dict[str, Any]]) -> RenderableType:
    table = _table()
    for need in needs:
        table.add_row(Text(MARKS[need["state"]]), Text(need["what"]), Text(_value(need)))
    return table


def _value(need: dict[str, Any]) -> str:
    if need["state"] == "missing":
        return "missing" if need["value"] == need["what"] else f"missing: {need['value']}"
    if need["state"] == "not met":
        return "no"
    return "" if need["value"] is None else _number(need["value"])


def _compared(comparisons: list[dict[str, Any]]) -> RenderableType:
    """Draw each comparison on a line, and the reason for its threshold on the next: so it fits any width."""
    table = _table()
    for one in comparisons:
        spread = "" if one["low"] is None else f" ({_number(one['low'])} to {_number(one['high'])})"
        made = f"{_number(one['value'])}{spread} {one['sign']} {_number(one['limit'])} {one['unit']}"
        table.add_row(Text(one["threshold"], "bold"), Text(f"{made}: {HOLDS[one['holds']]}"))
        table.add_row(Text(), Text(one["why"], "dim"))
    return table


def _thresholds(thresholds: list[dict[str, Any]]) -> RenderableType:
    table = _table()
    for one in thresholds:
        table.add_row(Text(one["name"], "bold"), Text(f"{_number(one['value'])} {one['unit']}"))
        table.add_row(Text(), Text(one["why"], "dim"))
    return table


def _listed(names: list[str]) -> list[RenderableType]:
    return [Text(", ".join(names))] if names else []


def _spaced(paragraphs: list[Text]) -> list[RenderableType]:
    return [part for number, paragraph in enumerate(paragraphs) for part in ([Text()] if number else []) + [paragraph]]


def _section(heading: str, *parts: RenderableType) -> list[RenderableType]:
    """Return a heading with its parts below it, indented; nothing where there are none."""
    return [Text(), Text(heading, "bold"), *(Padding(part, (0, 0, 0, 2)) for part in parts)] if parts else []


def _framed(parts: list[RenderableType]) -> RenderableType:
    return Padding(Group(*parts), (1, 2), expand=False)


def _number(value: Any) -> str:
    return text.figures(value, 3) if isinstance(value, float) else str(value)


def _table() -> Table:
    return Table.grid(padding=(0, 2, 0, 0))
