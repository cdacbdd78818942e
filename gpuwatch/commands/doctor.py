"""`gpuwatch doctor`: what works on this machine and in the training's Python, what does not, why, and the cure."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuwatch.commands.recorded import base_folder, dir_option, json_option, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gpuwatch.commands.machine_checks import Check

_STYLES = {"works": "green", "limited": "yellow", "missing": "yellow", "broken": "bold red"}
_MARKS = {"works": "✓", "limited": "●", "missing": "○", "broken": "✗"}


@click.command("doctor", help="Say what works on this machine and in the training's Python, what does not, and why.")
@click.option("--python", metavar="PATH", help="The Python that trains (default: the `python` on PATH).")
@dir_option
@json_option
def command(python: str | None, base: str | None, as_json: bool) -> None:
    from gpuwatch.commands import python_checks

    environment = _environment()
    python = python or python_checks.training_python(environment)
    checks = _checks(python, environment, base_folder(base))
    if as_json:
        rows = [dataclasses.asdict(check) for check in checks]
        print_json({"schema": "gpuwatch.doctor/1", "python": python, "checks": rows})
    else:
        from gpuwatch.views import terminal

        on = terminal.screen()
        terminal.show(_table(checks, on.width), on=on)
    sys.exit(1 if any(check.state == "broken" for check in checks) else 0)


def _environment() -> dict[str, str]:
    from gpuwatch.supervise import outside_tool_environment

    return outside_tool_environment(os.environ)


def _checks(python: str, environment: dict[str, str], base: Path) -> list[Check]:
    from gpuwatch.commands import machine_checks as machine
    from gpuwatch.commands.python_checks import python_checks

    trains = python_checks(python, environment)
    looked = [machine.pyspy(python)] if trains[0].state == "works" else []
    return [
        *trains,
        *looked,
        *machine.nvml(),
        *machine.kernel(),
        machine.shared_memory(),
        machine.run_folder(base),
        machine.terminal(),
    ]


def _table(checks: list[Check], width: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from gpuwatch.views import text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), width=width, show_header=False, show_edge=False)
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for check in checks:
        detail = Text(text.clean(check.detail))
        if check.remedy:
            detail.append(f"\n→ {text.clean(check.remedy)}", style="dim")
        table.add_row(Text(f"{_MARKS[check.state]} {check.state}", style=_STYLES[check.state]), check.name, detail)
    return table
