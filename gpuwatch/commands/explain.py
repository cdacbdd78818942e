"""`gpuwatch explain`: the page of a finding, which is the docstring of its rule."""

from __future__ import annotations

import difflib
import inspect
from types import ModuleType
from typing import TYPE_CHECKING

import click

from gpuwatch.commands.recorded import json_option, print_json
from gpuwatch.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command(
    "explain",
    help="Explain a finding: what it means, how it is measured, when it is wrong, what to do.\n\nWithout FINDING: the list.",
)
@click.argument("finding", required=False)
@json_option
def command(finding: str | None, as_json: bool) -> None:
    from gpuwatch.views import terminal

    pages = _pages()
    if finding is None:
        listed = {name: _title(rule) for name, rule in pages.items()}
        if as_json:
            print_json(
                {
                    "schema": "gpuwatch.findings/1",
                    "findings": [{"id": name, "title": title} for name, title in listed.items()],
                }
            )
        else:
            terminal.show(_list(listed))
        return
    name = _known(finding, pages)
    if as_json:
        print_json(
            {
                "schema": "gpuwatch.finding/1",
                "id": name,
                "title": _title(pages[name]),
                "sections": sections(pages[name]),
            }
        )
    else:
        on = terminal.screen()
        terminal.show(_page(name, pages[name], min(on.width, 100)), on=on)


def _pages() -> dict[str, ModuleType]:
    from gpuwatch.rules import RULES, rule_id

    return {rule_id(rule): rule for rule in RULES}


def _known(finding: str, pages: dict[str, ModuleType]) -> str:
    name = finding.strip().lower().replace("_", "-")
    if name in pages:
        return name
    near = difflib.get_close_matches(name, pages, 1, cutoff=0.5) or [page for page in pages if name and name in page]
    hint = f"Did you mean `gpuwatch explain {near[0]}`?" if near else "`gpuwatch explain` lists them"
    raise UsageError(f"no finding {finding!r}", hint)


def _title(rule: ModuleType) -> str:
    return (inspect.getdoc(rule) or "").partition("\n")[0]


def sections(rule: ModuleType) -> dict[str, str]:
    """Return a rule's page: heading -> text, paragraphs parted by an empty line."""
    page: dict[str, list[str]] = {}
    heading = ""
    for line in (inspect.getdoc(rule) or "").splitlines()[1:]:
        if line and not line.startswith(" "):
            heading = line.strip()
            page[heading] = []
        elif heading:
            page[heading].append(line.strip())
    return {name: "\n".join(lines).strip() for name, lines in page.items()}


def _page(name: str, rule: ModuleType, width: int) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = [Text(name, "bold"), Text(_title(rule))]
    for heading, body in sections(rule).items():
        parts += [Text(), Text(heading, "bold")]
        for number, paragraph in enumerate(body.split("\n\n")):
            parts += [Text()] if number else []
            parts.append(Padding(Text(" ".join(paragraph.split())), (0, 0, 0, 2)))
    return Padding(Group(*parts), (1, 2), expand=False) if width < 100 else Padding(Group(*parts), (1, 2))


def _list(listed: dict[str, str]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, title in listed.items():
        table.add_row(Text(name, "bold"), Text(title))
    return table
