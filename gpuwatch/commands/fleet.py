"""`gpuwatch fleet`: many runs, nodes and nights summarised: what they lost, to what, by whom and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuwatch.commands.recorded import base_folder, json_option, print_json, write_file

if TYPE_CHECKING:
    from gpuwatch.fleet.collect import Collected
    from gpuwatch.fleet.dataset import Dataset
    from gpuwatch.fleet.engines.base import Engine
    from gpuwatch.fleet.filters import Condition
    from gpuwatch.model.fleet import Fleet

# Runs that the page lists: it can be searched.
RUNS_OF_PAGE = 500


@click.command(
    "fleet",
    help="""Summarise many runs: GPU hours, what was lost to what, by user, project, script, commit, node and cause.

    PLACE is a folder that holds run folders at any depth, or a URL of one that fsspec can open (s3://bucket/runs); by default
    the folder of `gpuwatch runs`. Each run is read once: what was read is kept in a Parquet dataset, and only runs that are new or
    have changed are read again. Needs duckdb, pyarrow and fsspec: pip install 'gpuwatch[fleet]'.""",
)
@click.argument("places", metavar="[PLACE...]", nargs=-1)
@click.option(
    "--parquet",
    metavar="FOLDER",
    help="Keep the dataset there, for others to read; without a PLACE, summarise what it has. (Default: in your cache.)",
)
@json_option
@click.option("--html", metavar="FILE", help="Write the summary as a page to FILE.")
@click.option(
    "--reports",
    type=click.IntRange(0, RUNS_OF_PAGE),
    default=0,
    metavar="N",
    help="With --html: write the reports of the N runs that lost most beside it.",
)
@click.option("--price", type=click.FloatRange(0), metavar="PER_GPU_HOUR", help="Say in money what was lost.")
@click.option(
    "--where",
    "wanted",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Only runs with it, e.g. user=alice, job=4711, commit=3f2a, project='img*'. Several must all hold.",
)
@click.option("--since", metavar="WHEN", help="Only runs started since then: 2026-11-20, 36h, 7d, 2w.")
@click.option("--top", type=click.IntRange(1, 1000), default=10, metavar="N", help="Rows of each table (default: 10).")
@click.option(
    "--engine",
    default="pool",
    metavar="ENGINE",
    help="What reads runs: pool (processes here), dask or ray (here, or on the cluster of dask:ADDRESS, ray:ADDRESS).",
)
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Runs read at once, here (default: one per core).")
def command(
    places: tuple[str, ...],
    parquet: str | None,
    as_json: bool,
    html: str | None,
    reports: int,
    price: float | None,
    wanted: tuple[str, ...],
    since: str | None,
    top: int,
    engine: str,
    workers: int | None,
) -> None:
    from gpuwatch.fleet.engines import engine_named
    from gpuwatch.fleet.filters import conditions, place_condition, since_condition
    from gpuwatch.fleet.needs import need
    from gpuwatch.fleet.summary import Asked, summarise

    filters = [*conditions(wanted), *since_condition(since)]
    for library in ("duckdb", "pyarrow.parquet"):
        need(library)
    reader = engine_named(engine, workers or len(os.sched_getaffinity(0)))
    dataset = _dataset(parquet)
    where, found, collected = _collected(places, parquet, dataset, reader)
    asked = Asked(where, wanted, since, engine, price, top, max(top, RUNS_OF_PAGE if html else 0))
    chosen: list[Condition] = [*place_condition(found), *filters]
    fleet = summarise(dataset, chosen, asked, collected)
    if html:
        _write_page(fleet, html, reports)
    if as_json:
        from gpuwatch.views.fleet_json import to_dict

        print_json(to_dict(replace(fleet, costliest=fleet.costliest[:top])))
    elif not html:
        from gpuwatch.views import fleet_table, terminal

        on = terminal.screen()
        terminal.show(fleet_table.render(fleet, on.width), on=on)


def _dataset(parquet: str | None) -> Dataset:
    from gpuwatch.fleet.dataset import Dataset

    if parquet is not None:
        return Dataset(Path(parquet))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Dataset(cache / "gpuwatch" / "fleet")


def _collected(
    places: Sequence[str], parquet: str | None, dataset: Dataset, reader: Engine
) -> tuple[tuple[str, ...], tuple[str, ...], Collected]:
    """Return the places, as the dataset names them, and what was read at them; of a dataset by itself nothing is."""
    from gpuwatch.fleet.collect import Collected, collect
    from gpuwatch.fleet.places import named

    if not places and parquet is not None:
        return (), (), Collected(0, 0)
    where = tuple(places) or (str(base_folder(None)),)
    collected = collect(where, dataset, reader, _progress())
    if not collected.read and not collected.unchanged:
        click.echo(f"gpuwatch: no run in {', '.join(where)}", err=True)
    return where, tuple(map(named, where)), collected


def _progress() -> Callable[[int, int], None]:
    """Return what says on a terminal how far the reading is."""
    if not sys.stderr.isatty():
        return lambda done, of: None

    def say(done: int, of: int) -> None:
        end = "\n" if done == of else ""
        click.echo(f"\rgpuwatch: {done:,} of {of:,} runs read{end}", nl=False, err=True)

    return say


def _write_page(fleet: Fleet, html: str, reports: int) -> None:
    from gpuwatch.views.html.fleet import render

    if reports and html != "-":
        fleet = _with_reports(fleet, Path(html), reports)
    write_file(html, render(fleet))
    if html != "-":
        click.echo(f"gpuwatch: wrote {html}", err=True)


def _with_reports(fleet: Fleet, page: Path, most: int) -> Fleet:
    """Write the reports of the runs that lost most beside the page; return the summary with the links to them."""
    from gpuwatch.commands.recorded import load
    from gpuwatch.errors import GpuwatchError
    from gpuwatch.fleet.places import is_url
    from gpuwatch.store.folder import tidy_name
    from gpuwatch.views.html import render

    folder = page.with_name(f"{page.stem}-reports")
    runs = list(fleet.costliest)
    for n, run in enumerate(runs[:most]):
        if is_url(run.run):
            continue
        target = folder / f"{n + 1}-{tidy_name(Path(run.run).name)}.html"
        try:
            folder.mkdir(exist_ok=True)
            report = load(run.run, None, timeline=True, training=run.training if run.training > 1 else None, tell=False)
            write_file(str(target), render(report))
        except (GpuwatchError, OSError) as error:
            click.echo(f"gpuwatch: no report of {run.run}: {error}", err=True)
            continue
        runs[n] = replace(run, report=f"{folder.name}/{target.name}")
    return replace(fleet, costliest=tuple(runs))
