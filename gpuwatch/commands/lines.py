"""`gpuwatch lines`: the source lines that cost the most, with the code round them."""

from __future__ import annotations

import click

from gpuwatch.commands.recorded import RUN_HELP, dir_option, json_option, load, print_json


@click.command("lines", help=f"Show the source lines that cost the most.\n\n{RUN_HELP}")
@click.argument("run", required=False)
@dir_option
@click.option("-n", "--number", type=click.IntRange(1), default=10, show_default=True, help="How many lines.")
@click.option(
    "--role", type=click.Choice(["worker", "trainer"]), help="Only lines of loader workers, or of the training process."
)
@click.option("--stack", is_flag=True, help="Show the calls that led to each line.")
@json_option
def command(run: str | None, base: str | None, number: int, role: str | None, stack: bool, as_json: bool) -> None:
    report = load(run, base)
    chosen = [line for line in report.hot_lines if role in (None, line.process_role)][:number]
    if as_json:
        from gpuwatch.views.json import plain

        print_json(
            {
                "schema": "gpuwatch.lines/1",
                "run": report.run.id,
                "stacks": plain(report.stacks),
                "hot_lines": plain(chosen),
            }
        )
        return
    from gpuwatch.views import lines, terminal

    on = terminal.screen()
    terminal.show(lines.render(report, chosen, on.width, stack), on=on)
