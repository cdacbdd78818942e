"""`gpuwatch report`: the card of a run again, or the same report as HTML, JSON or Markdown."""

from __future__ import annotations

import click

from gpuwatch.commands.recorded import RUN_HELP, dir_option, find, load, write_file
from gpuwatch.errors import NotARun, RunNotFound


@click.command("report", help=f"Show a run's card again; write it as HTML, JSON or Markdown.\n\n{RUN_HELP}")
@click.argument("run", required=False)
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
@click.option("--training", type=int, metavar="N", help="Of a run with several trainings, report on number N.")
def command(
    run: str | None,
    base: str | None,
    html: str | None,
    json_file: str | None,
    markdown: str | None,
    training: int | None,
) -> None:
    if run is None:
        run, json_file, markdown = _meant(base, json_file, markdown)
    report = load(run, base, timeline=html is not None, training=training)
    if html:
        from gpuwatch.views.html import render as render_html

        write_file(html, render_html(report))
    if json_file:
        from gpuwatch.views.json import dumps, to_dict

        write_file(json_file, dumps(to_dict(report)) + "\n")
    if markdown:
        from gpuwatch.views.markdown import render as render_markdown

        write_file(markdown, render_markdown(report))
    if not (html or json_file or markdown):
        from gpuwatch.views import card, terminal

        on = terminal.screen()
        terminal.show(card.render(report, on.width, on.color), on=on)
    for name in (html, json_file, markdown):
        if name and name != "-":
            click.echo(f"gpuwatch: wrote {name}", err=True)


def _meant(base: str | None, json_file: str | None, markdown: str | None) -> tuple[str | None, str | None, str | None]:
    """Return (RUN, JSON file, Markdown file) of `report --json RUN`: a run is not the file to write to."""
    if json_file not in (None, "-") and _is_run(json_file, base):
        return json_file, "-", markdown
    if markdown not in (None, "-") and _is_run(markdown, base):
        return markdown, json_file, "-"
    return None, json_file, markdown


def _is_run(value: str | None, base: str | None) -> bool:
    try:
        return find(value, base).is_dir()
    except (RunNotFound, NotARun):
        return False
