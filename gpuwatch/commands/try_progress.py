"""What `gpuwatch try` shows while it runs, on stderr: a bar with a running table on a terminal, lines elsewhere.

Plans and notes are lines in both; elsewhere each round's estimates are too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gpuwatch.words.units import milliseconds

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gpuwatch.experiments.conductor import Progress
    from gpuwatch.experiments.session import Result

STARTING = "starting the training"


class Shown:
    """Shows progress until it is left; then the terminal is as it was."""

    def __enter__(self) -> Shown:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Bar(*columns, TextColumn("[dim]{task.fields[last]}"), console=console)
        self._task = self._bar.add_task(STARTING, total=None, last="")
        self._live = Live(self._bar, console=console, transient=True, refresh_per_second=4)
        self._plain = not console.is_terminal
        self._doing = ""
        if not self._plain:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._plain:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Show how far the experiments are, and what is known."""
        if progress.line:
            self._echo(progress.line)
        if self._plain:
            if progress.doing != self._doing:
                self._echo(f"{progress.doing} ...")
            self._doing = progress.doing
            if estimates := _estimates(progress):
                self._echo(estimates)
            return
        doing = progress.doing if progress.done or not progress.planned else f"{progress.doing}: {STARTING}"
        self._bar.update(
            self._task,
            description=doing,
            total=progress.planned or None,
            completed=progress.done,
            last=_said(progress.result),
        )
        self._live.update(_with_table(self._bar, progress))

    def _echo(self, line: str) -> None:
        """Show a line that stays; on a terminal above the bar."""
        if self._plain:
            click.echo(f"gpuwatch: {line}", err=True)
        else:
            self._live.console.print(f"gpuwatch: {line}", markup=False, highlight=False)


def _estimates(progress: Progress) -> str:
    from gpuwatch.views import experiment as view

    known = [trial for trial in progress.known.trials if trial.id in progress.round_of]
    return "; ".join(view.estimate(trial) for trial in (*known, *progress.beside))


def _with_table(bar: RenderableType, progress: Progress) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding

    from gpuwatch.views import experiment as view

    tables = view.tables(progress.known)
    return Group(*(Padding(table, (1, 2, 0, 2)) for table in tables), Padding(bar, (1, 2, 0, 2)))


def _said(result: Result | None) -> str:
    if result is None or result.kind in ("close", "compare"):
        return ""
    return f"{result.arm} " + (f"{milliseconds(result.step_ms)} a step" if result.step_ms else f"{result.note}")
