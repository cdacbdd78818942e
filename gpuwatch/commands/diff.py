"""`gpuwatch diff`: two runs side by side, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gpuwatch.commands.recorded import RUN_HELP, dir_option, json_option, load, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gpuwatch.compare.two_runs import Comparison, Row


@click.command(
    "diff",
    help=f'Compare two runs, with intervals; "inconclusive" is an answer.\n\n{RUN_HELP.replace("RUN is", "A and B are each").replace("; the newest run by default", "")}',
)
@click.argument("a")
@click.argument("b")
@dir_option
@json_option
def command(a: str, b: str, base: str | None, as_json: bool) -> None:
    from gpuwatch.compare.two_runs import compare

    found = compare(load(a, base), load(b, base))
    if as_json:
        from gpuwatch.views.json import plain

        print_json({"schema": "gpuwatch.diff/1", **plain(found)})
        return
    from gpuwatch.views import terminal

    on = terminal.screen()
    terminal.show(_draw(found), on=on)


def _draw(found: Comparison) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from gpuwatch.views.text import clean

    parts: list[RenderableType] = [
        Text(found.headline, "bold"),
        Text(f"A  {clean(found.a)}\nB  {clean(found.b)}", "dim"),
    ]
    parts += [Text(f"{caveat}.") for caveat in found.caveats]
    if found.setup:
        parts += [
            Text("\nSet up differently", "bold"),
            _table(("", "A", "B"), [tuple(map(clean, row)) for row in found.setup], right=()),
        ]
    parts += _block("Measured", found.rows)
    parts += _block("Phases (one value a run: shown, not judged)", found.phases)
    parts += _block("Operations, per sample (one value a run: shown, not judged)", found.operations)
    changes = (("gone in B", found.findings_gone), ("new in B", found.findings_new), ("in both", found.findings_both))
    reported: list[tuple[str, ...]] = [(name, ", ".join(ids)) for name, ids in changes if ids]
    parts += [Text("\nFindings", "bold"), _table(("", ""), reported, right=())] if reported else []
    return Padding(Group(*parts), (1, 2))


def _block(name: str, rows: tuple[Row, ...]) -> list[RenderableType]:
    from rich.text import Text

    if not rows:
        return []
    return [Text(f"\n{name}", "bold"), _table(("", "A", "B", "B / A", ""), [_cells(row) for row in rows], right=(1, 2))]


def _cells(row: Row) -> tuple[str, ...]:
    from gpuwatch.views import text

    change = ""
    if row.change is not None and row.unit == "share":
        low, high = row.change.low * 100, row.change.high * 100
        change = f"{row.change.median * 100:+.1f} points ({low:+.1f} to {high:+.1f})"
    elif row.change is not None:
        change = f"{row.change.median:.2f} ({row.change.low:.2f}–{row.change.high:.2f})"
    elif row.a and row.b is not None:
        change = f"{row.b / row.a:.2f}"
    outcome = "" if row.outcome == "not judged" else row.outcome
    return (text.clean(row.name), text.value(row.a, row.unit), text.value(row.b, row.unit), change, outcome)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]], right: tuple[int, ...]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.show_header = any(header)
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
