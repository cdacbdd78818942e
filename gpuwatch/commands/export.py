"""`gpuwatch export`: a run for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuwatch.commands import export_figure
from gpuwatch.commands.recorded import RUN_HELP, dir_option, load, run_folder, write_file
from gpuwatch.errors import GpuwatchError, UsageError

if TYPE_CHECKING:
    from gpuwatch.model.report import Report

ENDINGS = {
    "perfetto": "perfetto.json",
    "speedscope": "speedscope.json",
    "csv": "csv",
    "parquet": "parquet",
    "plotly": "plotly.html",
    "prometheus": "prom",
}
OPENED_BY = {"perfetto": "https://ui.perfetto.dev", "speedscope": "https://www.speedscope.app"}


@click.command(
    "export",
    help=f"""Write a run for other tools.

    \b
    perfetto    spans and counters as a trace (ui.perfetto.dev, chrome://tracing), with the windows of
                `gpuwatch run --gpu-trace` where they were
    speedscope  hot lines with their stacks (www.speedscope.app)
    csv         every series of the timeline: group, lane, unit, time, value
    parquet     the same; needs pyarrow
    plotly      the timeline as an interactive page, or by the ending of -o: .json (the figure, for
                plotly.io), .png, .svg, .pdf (these need kaleido)
    prometheus  the run's metrics as text, e.g. for node_exporter's textfile collector

    {RUN_HELP}""",
)
@click.argument("run", required=False)
@dir_option
@click.option("--to", "kind", required=True, type=click.Choice(sorted(ENDINGS)), help="The format.")
@click.option("-o", "--output", metavar="FILE", help="Where to (default: RUN.FORMAT here; - for stdout).")
def command(run: str | None, base: str | None, kind: str, output: str | None) -> None:
    if kind == "parquet":
        _need_pyarrow()
    if kind == "plotly" and output:
        export_figure.check(output)
    report = load(run, base, timeline=kind in ("perfetto", "csv", "parquet", "plotly"))
    recorded = _recorded(report, run, base) if kind == "perfetto" and report.traced else []
    if kind == "speedscope" and not report.hot_lines:
        raise GpuwatchError(
            f"run {report.run.id} has no hot lines to export",
            report.stacks.note or "`gpuwatch doctor` says whether stacks can be sampled here",
        )
    target = output or f"{report.run.id}.{ENDINGS[kind]}"
    if kind == "parquet":
        _write_parquet(report, target)
    elif kind == "plotly":
        export_figure.write(report, target)
    else:
        write_file(target, _text(report, kind, recorded))
    if target != "-":
        opened = f" (open it at {OPENED_BY[kind]})" if kind in OPENED_BY else ""
        click.echo(f"gpuwatch: wrote {target}{opened}", err=True)


def _recorded(report: Report, run: str | None, base: str | None) -> list[dict[str, Any]]:
    """Return the events of the run's own windows of torch.profiler, in microseconds of the run."""
    from gpuwatch.traces.windows import events_of, files_of

    found: list[dict[str, Any]] = []
    files = files_of(run_folder(run, base))
    for window in report.traced.windows if report.traced else ():
        if window.file in files and window.clock_us is not None:
            found += events_of(files[window.file], window.clock_us)
    return found


def _text(report: Report, kind: str, recorded: list[dict[str, Any]]) -> str:
    if kind == "perfetto":
        from gpuwatch.views.perfetto import render as render_trace

        return render_trace(report, recorded)
    if kind == "speedscope":
        from gpuwatch.views.speedscope import render
    elif kind == "prometheus":
        from gpuwatch.views.prometheus import render
    else:
        from gpuwatch.views.series import render
    return render(report)


def _need_pyarrow() -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise GpuwatchError(
            "parquet needs pyarrow, which is not installed here", "Install pyarrow beside gpuwatch, or use --to csv"
        )


def _write_parquet(report: Report, target: str) -> None:
    import pyarrow
    import pyarrow.parquet

    from gpuwatch.views.series import COLUMNS, rows

    if target == "-":
        raise UsageError("parquet cannot be written to stdout", "Give a file with -o")
    columns = list(zip(*rows(report), strict=True)) or [()] * len(COLUMNS)
    table = pyarrow.table({name: list(column) for name, column in zip(COLUMNS, columns, strict=True)})
    try:
        pyarrow.parquet.write_table(table, Path(target), compression="zstd")
    except OSError as error:
        raise GpuwatchError(f"{target} cannot be written: {error}", "Name another file") from error
