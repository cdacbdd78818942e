"""`gpuwatch runs`: the recorded runs, oldest first, from what their folders say; no run is analysed for it.

`--pack` makes the spool of a finished run small; every verb reads packed runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuwatch.commands.recorded import base_folder, dir_option, find, json_option, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gpuwatch.model.recording import RunInfo


@click.command("runs", help="List the recorded runs, oldest first.")
@dir_option
@json_option
@click.option("-n", "--last", type=click.IntRange(1), metavar="N", help="Only the last N.")
@click.option("--pack", metavar="RUN", help="Compress the files of a finished run; every verb reads it as before.")
def command(base: str | None, as_json: bool, last: int | None, pack: str | None) -> None:
    from gpuwatch.store import folder

    if pack is not None:
        _pack(pack, base, as_json)
        return
    where = base_folder(base)
    entries = [_entry(path) for path in folder.list_runs(where)[-(last or 0) :]]
    if as_json:
        print_json({"schema": "gpuwatch.runs/1", "dir": str(where), "runs": entries})
    elif not entries:
        click.echo(f"No runs in {where}. Record one with `gpuwatch run -- COMMAND`.", err=True)
    else:
        from gpuwatch.views import terminal

        on = terminal.screen()
        terminal.show(_table(entries, on.width), on=on)


def _pack(run: str, base: str | None, as_json: bool) -> None:
    from gpuwatch.errors import GpuwatchError
    from gpuwatch.store import archive, folder
    from gpuwatch.views import text

    path = find(run, base)
    if folder.read_info(path).state == "running":
        raise GpuwatchError(f"{path.name} is still running", "Pack it when it has ended")
    try:
        before, after = archive.pack(path)
    except OSError as error:
        raise GpuwatchError(
            f"{path.name} cannot be packed: {error.strerror or error}", "What was not packed stays as it was"
        ) from error
    if as_json:
        print_json({"schema": "gpuwatch.pack/1", "id": path.name, "bytes_before": before, "bytes_after": after})
    elif before:
        click.echo(f"Packed {path.name}: {text.size(before)} are now {text.size(after)}.")
    else:
        click.echo(f"{path.name} has nothing to pack (it is packed already, or empty).")


def _entry(path: Path) -> dict[str, Any]:
    from gpuwatch.errors import NotARun
    from gpuwatch.store import folder
    from gpuwatch.views.json import started

    try:
        info = folder.read_info(path)
    except NotARun as error:
        return {"id": path.name, "path": str(path), "problem": str(error)}
    return {
        "id": path.name,
        "name": info.name,
        "path": str(path),
        "state": info.state,
        "started": started(info).isoformat(),
        "duration_s": _duration(info),
        "status": {"exit_code": info.exit_code, "signal": info.signal},
        "command": list(info.command),
        "host": info.host,
        "attached": info.attached is not None,
    }


def _duration(info: RunInfo) -> float | None:
    return (info.ended_ns - info.started_ns) / 1e9 if info.ended_ns is not None else None


def _table(entries: list[dict[str, Any]], width: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim", width=width, show_edge=False)
    for name in ("run", "started", "took", "ended", "command"):
        wide = name == "command"
        table.add_column(
            name,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if name == "took" else "left",
            ratio=1 if wide else None,
        )
    for entry in entries:
        table.add_row(*(Text(cell) for cell in _cells(entry)))
    return table


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    from datetime import datetime

    from gpuwatch.views import text

    if "problem" in entry:
        return (text.clean(entry["id"]), "", "", "unreadable", text.clean(entry["problem"]))
    when = datetime.fromisoformat(entry["started"]).astimezone().strftime("%d %b %H:%M")
    ended = text.ending(entry["status"]["exit_code"], entry["status"]["signal"], entry["state"])
    ended = "attached" if entry["attached"] and entry["state"] == "finished" else ended
    command = text.clean(shlex.join(entry["command"]))
    return text.clean(entry["id"]), when, text.duration(entry["duration_s"]), ended, command
