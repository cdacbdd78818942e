"""`gpuwatch check`: the gate for CI; exit 3 when it trips."""

from __future__ import annotations

import click

from gpuwatch.commands.recorded import RUN_HELP, dir_option, json_option, load, print_json, write_file

TRIPPED = 3


class Check(click.Command):
    """The command; its help ends with the metrics of the catalogue, which is imported for the help alone."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from gpuwatch.model.metrics import CATALOGUE
        from gpuwatch.words.units import UNITS

        rows = []
        for metric in CATALOGUE:
            if metric.limit:
                older = f" Older name: {', '.join(metric.aliases)}." if metric.aliases else ""
                rows.append((f"{metric.name}  ({UNITS[metric.unit].written})", metric.about + older))
        with formatter.section("Metrics"):
            formatter.write_dl(rows)


@click.command(
    "check", cls=Check, help=f"Fail (exit 3) when a run crosses a limit, e.g. --fail-on 'input_wait>10%'.\n\n{RUN_HELP}"
)
@click.argument("run", required=False)
@dir_option
@click.option(
    "--fail-on",
    "expression",
    required=True,
    metavar="EXPR",
    help="Limits, joined by `or`: METRIC>NUMBER, finding:ID, bound:NAME, severity:LEVEL.",
)
@click.option("--junit", metavar="FILE", help="Write the terms as JUnit XML to FILE, a test for each.")
@json_option
def command(run: str | None, base: str | None, expression: str, junit: str | None, as_json: bool) -> int:
    from gpuwatch.compare.gate import parse

    gate = parse(expression)
    report = load(run, base)
    results = gate.evaluate(report)
    tripped = any(result.trips for result in results)
    if junit:
        from gpuwatch.views.junit import Case, render

        write_file(junit, render(report.run.id, (Case(one.term, one.text, one.trips) for one in results)))
    if as_json:
        terms = [
            {"term": result.term, "holds": result.holds, "trips": result.trips, "text": result.text}
            for result in results
        ]
        print_json(
            {
                "schema": "gpuwatch.check/1",
                "run": report.run.id,
                "expression": expression,
                "tripped": tripped,
                "terms": terms,
            }
        )
    elif junit != "-":
        for result in results:
            click.echo(f"{'TRIPPED' if result.trips else 'ok     '}  {result.text}")
    return TRIPPED if tripped else 0
