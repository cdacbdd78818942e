"""gpuwatch finds out why a GPU waits.

    report = gpuwatch.load("20261120-120000")     # a run's name, id or folder; None for the newest
    report.verdict.bound, report.findings[0].advice
    gpuwatch.to_dict(report)                      # the `--json` contract
    gpuwatch.figure(report).show()                # the timeline, with plotly
    with gpuwatch.watch() as run:                 # in a training: record this part of it; then run.report()
    for batch in gpuwatch.input(my_batches()):    # in a training: an iterator of your own as its input pipeline
    gpuwatch.step()                               # in a training: a step has ended, where no torch optimizer tells

The layers, imports pointing down only:

    commands | integrations       one file per verb of the command line | notebooks
    watching                      `with gpuwatch.watch()`: a recording from inside
    experiments | fleet           `gpuwatch try`: ceilings, loader sweep, remedies | many runs: read, kept, summarised
    views | build_report, compare | record    pictures of a Report | Recording -> Report, two of them | running a command
    rules                         a folder each: one rule and its cases
    diagnosis                     what rules share; the engine that runs and ranks them; the verdict
    analyze                       Recording -> Profile, a folder for each question
    store | sources | traces | supervise    run folders | what is sampled | GPU traces | child process, signals, tty
    model, words, errors          data classes and the metric catalogue, the vocabulary, errors for people
    hook                          what enters the user's process: standard library only, writes the event log
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gpuwatch.model.report import Report

__all__ = [
    "Finding",
    "GpuwatchError",
    "Report",
    "Verdict",
    "figure",
    "input",
    "load",
    "step",
    "to_dict",
    "watch",
]

# Where the public data classes are declared: those above, and what their fields are made of.
_MODEL = {
    "Evidence": "findings",
    "Finding": "findings",
    "Place": "measures",
    "Report": "report",
    "Speedup": "findings",
    "Verdict": "findings",
}

# What a training's own code may call.
_MARKS = ("input", "step")


def load(run: str | None = None, directory: str = ".gpuwatch") -> Report:
    """Return the report of a run, with its timeline: its name, id or folder; None for the newest below `directory`.

    Raises RunNotFound and NotARun (both GpuwatchError), with one line that says what to do.
    """
    from pathlib import Path

    from gpuwatch.build_report import build
    from gpuwatch.store import folder, reader

    return build(reader.read(folder.resolve(run, Path(directory)), alone=False))


def to_dict(report: Report) -> dict[str, Any]:
    """Return a report as the public JSON contract `gpuwatch.report/1` (views/report.schema.json)."""
    from gpuwatch.views import json

    return json.to_dict(report)


def figure(report: Report) -> Figure:
    """Return the timeline of a report as a plotly figure: aligned rows over the seconds of the run.

        report = gpuwatch.load("baseline")
        drawn = gpuwatch.figure(report)           # shown as it is by a notebook, st.plotly_chart, wandb.Plotly
        drawn.update_layout(font_family="Georgia").write_html("baseline.html")
        drawn.update_xaxes(range=[30, 60])        # all rows share one axis of time

    Raises GpuwatchError for a report without a timeline; those of `load` have one.
    """
    from gpuwatch.views import plotly_figure

    return plotly_figure.figure(report)


def load_ipython_extension(shell: Any) -> None:
    """Have `%%gpuwatch` in a notebook: IPython calls this for `%load_ext gpuwatch`."""
    from gpuwatch.integrations.notebook import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take it away again: for `%unload_ext gpuwatch`."""
    from gpuwatch.integrations.notebook import unload

    unload(shell)


def __getattr__(name: str) -> Any:
    """Import the data classes when they are asked for: `import gpuwatch` alone stays cheap."""
    from importlib import import_module

    if name in _MODEL:
        return getattr(import_module(f"gpuwatch.model.{_MODEL[name]}"), name)
    if name == "watch":
        return import_module("gpuwatch.watching").watch
    if name in _MARKS:
        return getattr(import_module("gpuwatch.marks"), name)
    if name == "GpuwatchError":
        return import_module("gpuwatch.errors").GpuwatchError
    raise AttributeError(f"module 'gpuwatch' has no attribute {name!r}")
