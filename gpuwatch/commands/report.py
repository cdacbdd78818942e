"""`gpuwatch report`: the card of a run again, or the same report as HTML, JSON or Markdown."""

from __future__ import annotations

import click

from gpuwatch.commands.recorded import RUN_HELP, dir_option, load, write_file


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
