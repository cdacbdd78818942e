"""`gpuwatch check`: the gate for CI; exit 3 when it trips."""

from __future__ import annotations

import click

from gpuwatch.commands.recorded import RUN_HELP, dir_option, json_option, load, print_json

TRIPPED = 3


@click.command(
    "check", help=f"Fail (exit 3) when a run crosses a limit, e.g. --fail-on 'input_wait>10%'.\n\n{RUN_HELP}"
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
@json_option
def command(run: str | None, base: str | None, expression: str, as_json: bool) -> int:
    from gpuwatch.compare.gate import parse

    gate = parse(expression)
    report = load(run, base)
    results = gate.evaluate(report)
    tripped = any(result.trips for result in results)
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
    else:
        for result in results:
            click.echo(f"{'TRIPPED' if result.trips else 'ok     '}  {result.text}")
    return TRIPPED if tripped else 0
