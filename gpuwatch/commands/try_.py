"""`gpuwatch try`: experiments on the user's own training; its results are thrown away, and this says so first."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuwatch.commands.recorded import base_folder, dir_option, print_json
from gpuwatch.errors import UsageError

if TYPE_CHECKING:
    from gpuwatch.experiments.conduct import Conductor
    from gpuwatch.experiments.conduct import Progress as ProgressSeen

EPILOG = """\b
Examples:
  gpuwatch try -- python train.py                    what the last run's findings ask for
  gpuwatch try --ceilings -- python train.py         device alone, loader alone, both
  gpuwatch try --ceilings --cores 1,2,4 -- python train.py
  gpuwatch try --loader --budget 5m -- python train.py
  gpuwatch try --remedies scaled-decode,out-of-order -- python train.py
"""
_BUDGET = re.compile(r"^(\d+(?:\.\d+)?)\s*(s|m|h)?$")
# The part of the budget that recording a first run may take when there is none to take findings from.
RECORD_SHARE = 0.3
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


@click.command(epilog=EPILOG, context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--ceilings", is_flag=True, help="Measure device alone, loader alone and both.")
@click.option("--cores", metavar="N,N", help="Measure the ceilings at these numbers of cores (affinity).")
@click.option("--loader", "sweep", is_flag=True, help="Find the smallest loader setting within 3 % of the best.")
@click.option(
    "--remedies",
    metavar="[NAME,...]",
    is_flag=False,
    flag_value="",
    help="Try remedies; default: those of the last run's findings.",
)
@click.option("--budget", default="3m", show_default=True, metavar="TIME", help="Stop after this time: 90s, 3m, 1h.")
@click.option(
    "--scratch",
    metavar="DIR",
    help="Run the command in this folder, so that files it writes by relative paths land there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")
@dir_option
@click.argument("arguments", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    ceilings: bool,
    cores: str | None,
    sweep: bool,
    remedies: str | None,
    budget: str,
    scratch: str | None,
    as_json: bool,
    base: str | None,
    arguments: tuple[str, ...],
) -> None:
    """Try changes on your own training and report what each was worth.

    The command runs in experiment mode: batches are repeated, skipped and swapped, so whatever it trains is void.
    Files that it writes are written as always, unless --scratch sends them elsewhere.
    """
    from gpuwatch.experiments.conduct import conduct

    seconds = _seconds(budget)
    wanted = _Wanted(arguments, base_folder(base), seconds, _cores(cores), ceilings or bool(cores), sweep, remedies)
    folder = _scratch(scratch)
    click.echo("gpuwatch: an experiment: what this training computes is void, keep none of its checkpoints", err=True)
    with _Shown() as shown:
        experiment = conduct(arguments, wanted.base, seconds, wanted.run, shown.show, folder)
    if as_json:
        from gpuwatch.views.json import plain

        print_json(plain(experiment))
        return
    from gpuwatch.views import experiment as view
    from gpuwatch.views import terminal

    terminal.show(view.render(experiment), on=terminal.screen())


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which experiments; none named means the ceilings, then the remedies that the last run's findings ask for."""

    command: tuple[str, ...]
    base: Path
    budget_s: float
    cores: list[int]
    ceilings: bool
    sweep: bool
    remedies: str | None

    def run(self, conductor: Conductor) -> None:
        """Run what is wanted, one after the other."""
        everything = not (self.ceilings or self.sweep or self.remedies is not None)
        if self.ceilings or everything:
            conductor.ceilings(self.cores or [_all_cores()])
        if self.sweep:
            conductor.sweep(_all_cores())
        if self.remedies is not None or everything:
            self._remedies(conductor)

    def _remedies(self, conductor: Conductor) -> None:
        from gpuwatch.experiments import earlier, remedies

        conductor.tell("looking for an earlier run")
        report = earlier.find(self.command, self.base)
        if report is None:
            conductor.tell("recording a first run")
            report = earlier.make(self.command, self.base, min(self.budget_s * RECORD_SHARE, conductor.left_s))
        names = [name.strip() for name in (self.remedies or "").split(",") if name.strip()]
        wanted = remedies.named(names, report) if names else remedies.asked_for(report) if report else []
        if wanted:
            conductor.remedies(wanted)
        elif report is None:
            conductor.note(
                "no run of this command tells enough to fit a remedy to it; `gpuwatch run` it for longer, or give more --budget"
            )
        else:
            conductor.note(
                "the last run's findings ask for no remedy that gpuwatch can apply; name some with --remedies"
            )


def _all_cores() -> int:
    return len(os.sched_getaffinity(0))


def _cores(text: str | None) -> list[int]:
    """Return the core counts of `--cores 1,2,4`. Raises UsageError."""
    if text is None:
        return []
    most = _all_cores()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and 1 <= int(part) <= most for part in parts):
        raise UsageError(f"--cores {text}: numbers from 1 to {most} (the cores of this process), e.g. --cores 1,{most}")
    return sorted({int(part) for part in parts})


def _seconds(text: str) -> float:
    """Return the seconds of `90s`, `3m`, `1h`. Raises UsageError."""
    match = _BUDGET.match(text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"--budget {text}: a time such as 90s, 3m or 1h")
    return float(match[1]) * _UNITS[match[2]]


def _scratch(text: str | None) -> Path | None:
    """Return the folder to run in, made if it is not there. Raises UsageError."""
    if text is None:
        return None
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--scratch {text}: {error.strerror}") from error
    return Path(text)


class _Shown:
    """The progress on stderr: a bar on a terminal, a line per experiment elsewhere."""

    def __enter__(self) -> _Shown:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, TextColumn("[dim]{task.fields[last]}"), console=console, transient=True)
        self._task = self._bar.add_task("starting the training", total=None, last="")
        self._plain = not console.is_terminal
        self._doing = ""
        if not self._plain:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: ProgressSeen) -> None:
        """Show how far the experiments are."""
        if self._plain:
            if progress.doing != self._doing:
                click.echo(f"gpuwatch: {progress.doing} ...", err=True)
            self._doing = progress.doing
            return
        last = progress.result
        text = (
            ""
            if last is None
            else f"{last.arm} " + (f"{last.step_ms:.3g} ms a step" if last.step_ms else f"{last.note}")
        )
        self._bar.update(
            self._task, description=progress.doing, total=progress.planned, completed=progress.done, last=text
        )
