"""`gpuwatch attach`: the card of a training that is running already; without one, the trainings that run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuwatch.commands.recorded import base_folder, print_json, write_file
from gpuwatch.errors import GpuwatchError, UsageError
from gpuwatch.words.units import count, duration

if TYPE_CHECKING:
    from gpuwatch.attach import Options, Target
    from gpuwatch.model.report import Report
    from gpuwatch.sources.running import Running

_NICE, _TICKS = 10, 1000

EPILOG = """\b
Examples:
  gpuwatch attach                      list the trainings that run, and their numbers
  gpuwatch attach 4711                 watch process 4711 for 30 s, then the card
  gpuwatch attach 4711 --seconds 10 --html out.html
  gpuwatch attach 4711 --live          with the dashboard meanwhile (see also top --pid)
  gpuwatch attach --gpu 0              what computes on GPU 0
  gpuwatch attach --slurm 88123        the ranks of a Slurm job on this node

\b
The number of a launcher (torchrun, accelerate, bash, uv) leads to its ranks. Ctrl-C ends the
look early, with what is known. Stacks of other users' processes need root, and so do those of
one's own where kernel.yama.ptrace_scope is 1 or more.
"""


@click.command("attach", epilog=EPILOG)
@click.argument("pid", type=int, required=False)
@click.option("--gpu", type=int, metavar="N", help="Attach to what computes on GPU N, as NVML numbers them.")
@click.option("--cgroup", metavar="PATH", help="Attach to the trainings of a control group (a container's).")
@click.option("--slurm", metavar="JOB", help="Attach to the trainings of a Slurm job on this node.")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=30.0, show_default=True, help="How long to look.")
@click.option("--name", metavar="NAME", help="Name the run.")
@click.option("--dir", "base", metavar="DIR", help="Keep run folders in DIR.  [default: .gpuwatch]")
@click.option("--html", metavar="FILE", help="Write the HTML report.")
@click.option(
    "--json", "json_file", metavar="[FILE]", is_flag=False, flag_value="-", help="Write JSON to FILE, or to stdout."
)
@click.option("--live", is_flag=True, help="Show the live dashboard meanwhile; q ends the look.")
@click.option("--no-stacks", is_flag=True, help="Take no stack samples: only what /proc and NVML tell.")
@click.option("--no-locals", is_flag=True, help="Read no variables of the loader's frames: no steps per second.")
def command(
    pid: int | None,
    gpu: int | None,
    cgroup: str | None,
    slurm: str | None,
    seconds: float,
    name: str | None,
    base: str | None,
    html: str | None,
    json_file: str | None,
    live: bool,
    no_stacks: bool,
    no_locals: bool,
) -> None:
    """Find out why the GPU of a training waits that is running already.

    Watches its processes for a while, without stopping them, writing into them or sending them anything; then shows
    the card. The run folder is like any other: report, lines, diff, export and runs work on it.
    """
    pids = _pids(pid, gpu, cgroup, slurm)
    if not pids:
        _show_trainings(json_file)
        return
    from gpuwatch import attach as attaching

    target = attaching.find(pids)
    for line in (*target.notes, *(f"{why.reason}. {why.remedy}" for why in target.refused.values())):
        tell(line)
    options = attaching.Options(
        base_folder(base), name, seconds, stacks=not no_stacks, read_locals=not no_locals, tell=tell
    )
    report(_look(target, options, live), html, json_file)


def _look(target: Target, options: Options, live: bool) -> Path:
    """Watch a training, with a progress bar or with the dashboard, and return the run folder."""
    if live and sys.stdin.isatty() and sys.stdout.isatty():
        from gpuwatch.commands.live_attach import attach_live

        return attach_live(target, options)
    from gpuwatch.attach import attach

    if live:
        tell("--live needs a terminal; the look goes on without the dashboard")
    with _Progress(options.seconds, len(target.ranks)) as progress:
        return attach(target, replace(options, progress=progress.at))


def tell(line: str) -> None:
    """Say one line on stderr."""
    click.echo(f"gpuwatch: {line}", err=True)


class _Progress:
    """How much of the look is over: a bar on a terminal, else one line."""

    def __init__(self, seconds: float, ranks: int) -> None:
        self._seconds, self._at = seconds, 0
        what = count(ranks, "process", "processes")
        self._label = f"watching {what} for {duration(seconds)} (Ctrl-C ends early)"
        self._bar: Any = None

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty():
            self._bar = click.progressbar(length=_TICKS, label=self._label, file=sys.stderr, show_eta=False)
            self._bar.__enter__()
        else:
            tell(self._label)
        return self

    def at(self, seconds: float) -> None:
        """Note that so many seconds are over."""
        if self._bar is not None:
            at = int(_TICKS * seconds / self._seconds)
            self._bar.update(at - self._at)
            self._at = at

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()


def _pids(pid: int | None, gpu: int | None, cgroup: str | None, slurm: str | None) -> list[int]:
    """Return the processes that the call names; none where it names nothing. Raises GpuwatchError."""
    given = [value for value in (pid, gpu, cgroup, slurm) if value is not None]
    if len(given) > 1:
        raise UsageError("PID, --gpu, --cgroup and --slurm exclude each other", "Give one of them")
    if pid is not None:
        return [pid]
    if not given:
        return []
    from gpuwatch.commands import attach_by

    if gpu is not None:
        return attach_by.gpu(gpu)
    return attach_by.cgroup(cgroup) if cgroup is not None else attach_by.slurm(str(slurm))


def _show_trainings(json_file: str | None) -> None:
    from gpuwatch.attach import list_trainings

    found = list_trainings()
    if json_file:
        print_json({"schema": "gpuwatch.trainings/1", "trainings": [_entry(each) for each in found]})
    elif not found:
        tell(
            "no training of yours runs here: no Python process has torch loaded. Start one with `gpuwatch run -- COMMAND`"
        )
    else:
        _print_table(found)
        tell("`gpuwatch attach PID` looks at one of them for 30 s")


def _entry(training: Running) -> dict[str, Any]:
    from gpuwatch.sources import running
    from gpuwatch.words.masking import mask_arguments

    age_s = (time.monotonic_ns() - training.start_ns) / 1e9
    return {
        "pid": training.pid,
        "age_s": round(age_s, 1),
        "cpu_cores": round(training.cpu_ns / 1e9 / max(age_s, 0.1), 2),
        "rss_bytes": training.rss_bytes,
        "gpus": list(running.nvidia_devices(training.pid)),
        "cwd": running.working_folder(training.pid),
        "command": list(mask_arguments(training.command)),
    }


def _print_table(found: Collection[Running]) -> None:
    import shlex

    from rich.table import Table
    from rich.text import Text

    from gpuwatch.views import terminal, text

    on = terminal.screen()
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim", width=on.width, show_edge=False)
    for name in ("pid", "age", "cores", "memory", "gpu", "command"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=1 if name == "command" else None)
    for entry in map(_entry, found):
        gpus = ",".join(map(str, entry["gpus"])) or text.DASH
        cells = (str(entry["pid"]), text.duration(entry["age_s"]), f"{entry['cpu_cores']:.1f}")
        command = text.clean(shlex.join(entry["command"]))
        table.add_row(*map(Text, (*cells, text.size(entry["rss_bytes"]), gpus, command)))
    terminal.show(table, on=on)


def report(path: Path, html: str | None, json_file: str | None) -> None:
    """Analyse and show; where that fails the recording is kept."""
    # The training goes on meanwhile, and may need all cores. Not while samples are taken: those of a sampler that has to wait
    # for a core would be of the moments in which the training needs none.
    os.nice(_NICE)
    from gpuwatch.build_report import build
    from gpuwatch.store.reader import read

    try:
        made = build(read(path), with_timeline=html is not None)
        _write(made, html, json_file)
    except GpuwatchError:
        raise
    except Exception as error:
        if os.environ.get("GPUWATCH_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise GpuwatchError(f"the report failed ({what})", f"The recording is kept: gpuwatch report {path}") from error
    tell(f"kept in {path}")


def _write(report: Report, html: str | None, json_file: str | None) -> None:
    if html:
        from gpuwatch.views.html import render as render_html

        write_file(html, render_html(report))
        tell(f"wrote {html}")
    if json_file:
        from gpuwatch.views.json import dumps, to_dict

        write_file(json_file, dumps(to_dict(report)) + "\n")
    if json_file != "-":
        from gpuwatch.views import card, terminal

        on = terminal.screen()
        terminal.show(card.render(report, on.width, on.color), on=on)
