"""The list of the rules, the page of one, and how one came to its outcome on a run, from plain data."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gpuwatch.views import text

STATES = {"there": "✓", "missing": "✗", "not so": "·"}


def listing(listed: list[dict[str, str]]) -> RenderableType:
    """Draw the ids of all rules with their titles."""
    table = _table()
    for rule in listed:
        table.add_row(Text(rule["id"], "bold"), Text(rule["title"]))
    return table


def page(data: dict[str, Any]) -> RenderableType:
    """Draw a rule's page, and the thresholds with their reasons."""
    parts: list[RenderableType] = [Text(data["id"], "bold"), Text(data["title"])]
    for heading, body in data["sections"].items():
        parts += [Text(), Text(heading, "bold")]
        for number, paragraph in enumerate(body.split("\n\n")):
            parts += [Text()] if number else []
            parts.append(_indented(Text(" ".join(paragraph.split()))))
    if data["thresholds"]:
        parts += [Text(), Text("Thresholds", "bold"), _indented(_thresholds(data["thresholds"]))]
    return Padding(Group(*parts), (1, 2), expand=False)


def evaluation(data: dict[str, Any]) -> RenderableType:
    """Draw how a rule came to its outcome: its needs, the numbers compared, the outcome."""
    outcome = data["outcome"]
    parts: list[RenderableType] = [Text.assemble((data["id"], "bold"), f" on run {data['run']}"), Text(data["title"])]
    parts += [Text(), Text("Needs", "bold"), _indented(_needs(data["needs"]))]
    if data["comparisons"]:
        parts += [Text(), Text("Compared", "bold"), _indented(_compared(data["comparisons"]))]
    said = f"{outcome['state']}: {outcome['text']}" if outcome["text"] else outcome["state"]
    parts += [Text(), Text("Outcome", "bold"), _indented(Text(said))]
    return Padding(Group(*parts), (1, 2), expand=False)


def _needs(needs: list[dict[str, Any]]) -> RenderableType:
    if not needs:
        return Text("none")
    table = _table()
    for need in needs:
        value = {"missing": f"missing: {need['value']}", "not so": "not the case"}.get(need["state"], "")
        shown = value or ("" if need["value"] is None else _number(need["value"]))
        table.add_row(Text(STATES[need["state"]]), Text(need["what"]), Text(shown))
    return table


def _compared(comparisons: list[dict[str, Any]]) -> RenderableType:
    table = _table()
    for one in comparisons:
        limit = f"{one['sign']} {_number(one['limit'])} {one['unit']}"
        holds = "yes" if one["holds"] else "no"
        table.add_row(
            Text(one["threshold"], "bold"),
            Text(_number(one["value"])),
            Text(limit),
            Text(holds),
            Text(one["why"], "dim"),
        )
    return table


def _thresholds(thresholds: list[dict[str, Any]]) -> RenderableType:
    table = _table()
    for one in thresholds:
        table.add_row(
            Text(one["name"], "bold"), Text(f"{_number(one['value'])} {one['unit']}"), Text(one["why"], "dim")
        )
    return table


def _number(value: Any) -> str:
    return text.figures(value, 3) if isinstance(value, float) else str(value)


def _indented(part: RenderableType) -> RenderableType:
    return Padding(part, (0, 0, 0, 2))


def _table() -> Table:
    return Table.grid(padding=(0, 2, 0, 0))
