"""Run a study from its command line: begin, tell progress, print and write what it came to."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from rich import box
from rich.console import Console
from rich.table import Table as Drawn

from study import figures
from study.options import Options, cores, parse, parser
from study.result import Named, Result, Table

MARKS = {True: "[green]✔ reproduced    [/]", False: "[red]✘ not reproduced[/]", None: "[yellow]? not judged    [/]"}
# Where no terminal says how wide it is.
WIDTH = 130
_told = Console(stderr=True)


def main(study: str, title: str, paper: str, description: str | None, work: Callable[[Options, Result], None]) -> None:
    """Run a study: read its options, work, print its tables and claims, write its JSON and its page."""
    options = parse(parser(description))
    started, others = time.monotonic(), Others()
    result = Result(study, title, paper, options.size, "")
    try:
        work(options, result)
    except KeyboardInterrupt:
        raise SystemExit(f"{study}: interrupted; nothing is written") from None
    result.seconds = time.monotonic() - started
    result.machine, result.other_cores = machine(), round(others.cores(), 2)
    if result.figures:
        figures.write_pngs(result, options.out)
    show(result)
    result.write(options.out)
    written = options.out / f"{study}.html"
    written.write_text(figures.page(result), encoding="utf-8")
    print(f"\n{written}")


def tell(text: str) -> None:
    """Say on stderr what is being done."""
    _told.print(f"  {text}", style="dim", markup=False, highlight=False)


class Others:
    """The cores that other programs use from now on."""

    def __init__(self) -> None:
        self.began, self.started = self._used(), time.monotonic()

    def cores(self) -> float:
        """Return the mean since it was made."""
        return max((self._used() - self.began) / (time.monotonic() - self.started), 0.0)

    @staticmethod
    def _used() -> float:
        """Return the seconds of CPU that all programs but this one and its ended children used."""
        times = psutil.cpu_times()
        own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(times[:3]) + times.irq + times.softirq - own


def machine() -> str:
    """Return what this runs on, in a line."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{cores()} cores, {device}, Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}, {time.strftime('%Y-%m-%d')}"


def command(script: Path, *arguments: object) -> list[str]:
    """Return the call of a training script with this Python."""
    return [sys.executable, str(script), *map(str, arguments)]


def show(result: Result) -> None:
    """Print a result: tables, what gpuwatch said, then a line per claim."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(f"\n[bold]{result.title}[/]\n{result.paper}\n[dim]{result.conditions}[/]")
    for table in result.tables:
        console.print(_drawn(table))
        if table.note:
            console.print(table.note, style="dim", markup=False)
    for named in result.named:
        console.print(f"\ngpuwatch on {named.script}: ", named.headline, style="bold", markup=False)
        for line in _said(named):
            console.print(f"  {line}", markup=False)
    console.print()
    for claim in result.claims:
        console.print(f"{MARKS[claim.held]} ", end="")
        console.print(f"{claim.text} ({claim.published}): {claim.here}", markup=False)
    for note in result.notes:
        console.print(note, style="dim", markup=False)


def _said(named: Named) -> list[str]:
    said = [f"{i}: {summary}" for i, summary in zip(named.findings, named.summaries, strict=True)]
    return [*said, *named.hot_lines, *named.trials]


def _drawn(table: Table) -> Drawn:
    drawn = Drawn(title=table.title, box=box.SIMPLE, title_justify="left")
    for name in table.columns:
        drawn.add_column(name)
    for row in table.rows:
        drawn.add_row(*row)
    return drawn
