"""`gpuwatch top`: the live dashboard of a run, from another terminal; a replay of one that has ended."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuwatch.commands.recorded import RUN_HELP, dir_option, find

if TYPE_CHECKING:
    from gpuwatch.commands.live_feed import Feed

PLAIN_EVERY_S = 5.0
# A dashboard that is forgotten ends by itself.
LONGEST_S = 12 * 3600.0


@click.command(
    "top", help=f"Watch a run live, or replay a finished one.\n\nDefaults to the newest active run. {RUN_HELP}"
)
@click.argument("run", required=False)
@dir_option
@click.option("--once", is_flag=True, help="Print the panels once and end.")
@click.option(
    "--pid", type=int, metavar="PID", help="Watch a process that was not started by gpuwatch, as attach does."
)
def command(run: str | None, base: str | None, once: bool, pid: int | None) -> None:
    if pid is not None:
        _watch_process(pid, run, base, once)
        return
    from gpuwatch.commands.live_feed import Feed

    feed = Feed(_running_or(run, base))
    if once:
        _print_once(feed)
    elif sys.stdout.isatty() and sys.stdin.isatty():
        from gpuwatch.commands.live_terminal import watch

        watch(feed)
    else:
        _print_lines(feed)


def _watch_process(pid: int, run: str | None, base: str | None, once: bool) -> None:
    """Attach to a process with the dashboard in front; then its card."""
    from gpuwatch.errors import UsageError

    if run is not None or once:
        raise UsageError(
            "--pid takes neither RUN nor --once", f"`gpuwatch attach {pid}` prints the card of a short look"
        )
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise UsageError("top --pid needs a terminal", f"`gpuwatch attach {pid}` looks for 30 s and prints the card")
    from gpuwatch.attach import Options
    from gpuwatch.attach import find as find_training
    from gpuwatch.commands.attach import report, tell
    from gpuwatch.commands.live_attach import attach_live
    from gpuwatch.commands.recorded import base_folder

    target = find_training([pid])
    report(attach_live(target, Options(base_folder(base), seconds=LONGEST_S, tell=tell)), None, None)


def _running_or(run: str | None, base: str | None) -> Path:
    """Return the named run's folder; without a name the newest that is running, else the newest."""
    from gpuwatch.commands.recorded import base_folder
    from gpuwatch.store import folder, liveness

    if run is None:
        for path in sorted(folder.list_runs(base_folder(base)), key=lambda path: path.name, reverse=True):
            if liveness.state(folder.read_info(path), path / "spool") == "running":
                return path
    return find(run, base)


def _print_once(feed: Feed) -> None:
    from gpuwatch.views import terminal
    from gpuwatch.views.live.frame import Frame
    from gpuwatch.views.live.panels import snapshot

    report, live = feed.read()
    on = terminal.screen()
    terminal.show(snapshot(Frame(report, live=live), on.width), on=on)


def _print_lines(feed: Feed) -> None:
    """Print one line every few seconds until the run has ended."""
    from gpuwatch.views.live.frame import Frame
    from gpuwatch.views.live.panels import plain_line

    while True:
        report, live = feed.read()
        click.echo(plain_line(Frame(report, live=live)))
        if not live:
            return
        time.sleep(PLAIN_EVERY_S)
