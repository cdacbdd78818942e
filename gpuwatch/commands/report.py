"""`gpuwatch report`: the card of a run again, or the same report as HTML, JSON, Markdown or SARIF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuwatch.commands.recorded import (
    RUN_HELP,
    dir_option,
    find,
    load,
    load_job,
    load_traces,
    runs_named,
    traces_named,
    write_file,
)
from gpuwatch.errors import NotARun, RunNotFound, UsageError

if TYPE_CHECKING:
    from gpuwatch.model.report import Report

JOB_HELP = (
    "Several RUNs are the nodes of one job: the report has the ranks of all of them in order, on one clock. They belong"
    " together by `gpuwatch run --job NAME`, torchrun's run id, Slurm's job and step, or the address at which the ranks meet."
)
TRACE_HELP = (
    "TRACE is a file that torch.profiler wrote (export_chrome_trace; plain or gzip), a folder with one for each rank, or an"
    " `nsys export --type sqlite`: the card says what the GPU did, and why it idled."
)


@click.command(
    "report",
    help=f"Show a run's card again, or a GPU trace's; write it as HTML, JSON, Markdown or SARIF.\n\n{RUN_HELP}\n\n{JOB_HELP}"
    f"\n\n{TRACE_HELP}",
)
@click.argument("runs", metavar="[RUN... | TRACE...]", nargs=-1)
@dir_option
@click.option("--html", metavar="FILE", help="Write the interactive report to FILE.")
@click.option(
    "--json", "json_file", metavar="[FILE]", is_flag=False, flag_value="-", help="Write JSON to FILE, or to stdout."
)
@click.option(
    "--markdown",
    metavar="[FILE]",
    is_flag=False,
    flag_value="-",
    help="Write Markdown for a pull request's comment to FILE, or to stdout.",
)
@click.option(
    "--sarif",
    metavar="[FILE]",
    is_flag=False,
    flag_value="-",
    help="Write the findings as SARIF, for GitHub's code scanning and editors, to FILE, or to stdout.",
)
@click.option("--training", type=int, metavar="N", help="Of a run with several trainings, report on number N.")
def command(
    runs: tuple[str, ...],
    base: str | None,
    html: str | None,
    json_file: str | None,
    markdown: str | None,
    sarif: str | None,
    training: int | None,
) -> None:
    run = runs[0] if runs else None
    if run is None:
        run, (json_file, markdown, sarif) = _meant(base, json_file, markdown, sarif)
    report = _report(runs[1:], run, base, html is not None, training)
    if html:
        from gpuwatch.views.html import render as render_html

        write_file(html, render_html(report))
    if json_file:
        from gpuwatch.views.json import dumps, to_dict

        write_file(json_file, dumps(to_dict(report)) + "\n")
    if markdown:
        from gpuwatch.views.markdown import render as render_markdown

        write_file(markdown, render_markdown(report))
    if sarif:
        write_file(sarif, _sarif(report))
    if not (html or json_file or markdown or sarif):
        from gpuwatch.views import card, terminal

        on = terminal.screen()
        terminal.show(card.render(report, on.width, on.color), on=on)
    for name in (html, json_file, markdown, sarif):
        if name and name != "-":
            click.echo(f"gpuwatch: wrote {name}", err=True)


def _report(more: tuple[str, ...], run: str | None, base: str | None, timeline: bool, training: int | None) -> Report:
    """Return the report of a run, of the runs that the nodes of one job recorded, or of traces. Raises UsageError."""
    if not more or run is None:
        return load(run, base, timeline=timeline, training=training, tell=False)
    names = [run, *more]
    if traces := traces_named(names):
        return load_traces(traces, timeline)
    if any(traces_named([name]) for name in names):
        raise UsageError("traces and runs are no one report", "Name runs of one job, or trace files that exist")
    return load_job(runs_named(names, base), timeline)


def _meant(base: str | None, *files: str | None) -> tuple[str | None, tuple[str | None, ...]]:
    """Return (RUN, files) of `report --json RUN`: a run is not the file to write to."""
    for at, file in enumerate(files):
        if file not in (None, "-") and _is_run(file, base):
            return file, (*files[:at], "-", *files[at + 1 :])
    return None, files


def _sarif(report: Report) -> str:
    from gpuwatch.rules import all_rules
    from gpuwatch.store.identity import working_tree
    from gpuwatch.views.json import dumps
    from gpuwatch.views.sarif import to_dict

    folder = Path(report.run.cwd)
    pages = {rule.id: (rule.title, _text_of(rule.sections())) for rule in all_rules()}
    return dumps(to_dict(report, str(working_tree(folder) or folder), pages)) + "\n"


def _text_of(sections: dict[str, str]) -> str:
    return "\n\n".join(f"{heading}\n{text}" for heading, text in sections.items())


def _is_run(value: str | None, base: str | None) -> bool:
    if traces_named([value] if value else []) or (value and Path(value).is_dir()):
        return True  # no folder can be written to
    try:
        return find(value, base).is_dir()
    except (RunNotFound, NotARun):
        return False
