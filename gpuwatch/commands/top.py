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


@click.command(
    "top", help=f"Watch a run live, or replay a finished one.\n\nDefaults to the newest active run. {RUN_HELP}"
)
@click.argument("run", required=False)
@dir_option
@click.option("--once", is_flag=True, help="Print the panels once and end.")
def command(run: str | None, base: str | None, once: bool) -> None:
    from gpuwatch.commands.live_feed import Feed

    feed = Feed(_running_or(run, base))
    if once:
        _print_once(feed)
    elif sys.stdout.isatty() and sys.stdin.isatty():
        from gpuwatch.commands.live_terminal import watch

        watch(feed)
    else:
        _print_lines(feed)


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
