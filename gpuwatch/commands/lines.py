"""`gpuwatch lines`: the source lines that cost the most, with the code round them."""

from __future__ import annotations

import click

from gpuwatch.commands.recorded import RUN_HELP, dir_option, json_option, load, print_json
from gpuwatch.errors import UsageError

EPILOG = """\b
Examples:
  gpuwatch lines                                        the newest run's lines
  gpuwatch lines --stack --role worker baseline
  gpuwatch lines --exact -- python train.py             time its hot functions line by line
  gpuwatch lines --exact --function data.py:Photos.__getitem__ -- python train.py
"""


@click.command(
    "lines",
    epilog=EPILOG,
    help=f"Show the source lines that cost the most.\n\n{RUN_HELP}\n\nWith --exact, run COMMAND with line_profiler "
    "on the functions that its last run found hot, in the workers and the training process.",
)
@click.argument("arguments", metavar="[RUN] | -- COMMAND...", nargs=-1, type=click.UNPROCESSED)
@dir_option
@click.option(
    "-n", "--number", type=click.IntRange(1), default=10, show_default=True, help="How many lines of each kind."
)
@click.option(
    "--role", type=click.Choice(["worker", "trainer"]), help="Only lines of loader workers, or of the training process."
)
@click.option("--stack", is_flag=True, help="Show the calls that led to each line.")
@click.option("--exact", is_flag=True, help="Run COMMAND and time functions line by line with line_profiler.")
@click.option(
    "--function",
    "functions",
    metavar="NAME",
    multiple=True,
    help="With --exact: measure this function (file.py:Class.method or module:function); may be repeated.",
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help="With --exact: measure one batch in N.  [default: chosen to keep the slowdown near 10 %]",
)
@json_option
def command(
    arguments: tuple[str, ...],
    base: str | None,
    number: int,
    role: str | None,
    stack: bool,
    exact: bool,
    functions: tuple[str, ...],
    sample: int | None,
    as_json: bool,
) -> int:
    if exact:
        return _exact(arguments, functions, sample, base, as_json)
    if functions or sample:
        raise UsageError("--function and --sample belong to --exact", "gpuwatch lines --exact -- COMMAND")
    if len(arguments) > 1:
        raise UsageError(
            f"one run, not {len(arguments)}", "To time a command's lines: gpuwatch lines --exact -- COMMAND"
        )
    _recorded(arguments[0] if arguments else None, base, number, role, stack, as_json)
    return 0


def _exact(
    arguments: tuple[str, ...], functions: tuple[str, ...], sample: int | None, base: str | None, as_json: bool
) -> int:
    if not arguments:
        raise UsageError("--exact needs the command to run", "gpuwatch lines --exact -- python train.py")
    from gpuwatch.commands.exact import measure

    return measure(arguments, functions, sample, base, as_json)


def _recorded(run: str | None, base: str | None, number: int, role: str | None, stack: bool, as_json: bool) -> None:
    report = load(run, base)
    chosen = [line for line in report.hot_lines if role in (None, line.process_role)]
    if as_json:
        from gpuwatch.views.json import plain

        print_json(
            {
                "schema": "gpuwatch.lines/1",
                "run": report.run.id,
                "stacks": plain(report.stacks),
                "hot_lines": plain(chosen[:number]),
            }
        )
        return
    from gpuwatch.views import lines, terminal

    on = terminal.screen()
    terminal.show(lines.render(report, chosen, on.width, stack, number), on=on)
