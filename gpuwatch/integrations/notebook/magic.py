"""`%%gpuwatch`: one cell recorded, a panel while it runs, the card and the timeline after it."""

from __future__ import annotations

import argparse
import ast
import os
import shlex
from contextlib import nullcontext
from typing import Any, NoReturn

from gpuwatch.errors import GpuwatchError, UsageError
from gpuwatch.integrations.notebook.live import LivePanel
from gpuwatch.watching import Watch, tell

MAGIC = "%%gpuwatch"


class _Parser(argparse.ArgumentParser):
    """Options of a magic: a wrong one is an error of the cell, not the kernel's end."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{MAGIC}: {message}", self.format_usage().strip())

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError(message or self.format_help())


def _options(line: str) -> argparse.Namespace:
    parser = _Parser(MAGIC, add_help=False)
    parser.add_argument("--name", help="name of the run")
    parser.add_argument("--dir", help="folder that holds the runs")
    parser.add_argument("--rate", type=float, help="samples per second")
    parser.add_argument("--no-stacks", action="store_true", help="no stack samples")
    parser.add_argument("--no-live", action="store_true", help="no panel while the cell runs")
    parser.add_argument("--no-timeline", action="store_true", help="no timeline after it")
    try:
        return parser.parse_args(shlex.split(line))
    except ValueError as error:
        raise UsageError(f"{MAGIC}: {error}") from error


def watch_cell(shell: Any, line: str, cell: str) -> Any:
    """Run a cell recorded, show what was found, and return the value of its last expression. What it raises passes through."""
    __tracebackhide__ = True
    options = _options(line)
    number = _number(shell)
    stacks = False if options.no_stacks else None
    run = Watch(
        options.name, options.dir, options.rate, stacks, command=(_notebook(shell), "cell", str(number)), cell=number
    )
    in_browser = getattr(shell, "kernel", None) is not None
    try:
        with run, LivePanel(run.path) if in_browser and run.path and not options.no_live else nullcontext():
            # The magic's own line is the cell's first: lines keep the numbers that one sees.
            return _execute(shell, f"# {MAGIC} {line}".rstrip() + f"\n{cell}")
    finally:
        _show(run, in_browser, not options.no_timeline)


def _number(shell: Any) -> int:
    """Return the number of the cell that runs: IPython 9.5 and later has counted on by then."""
    inputs = shell.user_ns.get("In")
    return len(inputs) - 1 if isinstance(inputs, list) and len(inputs) > 1 else int(shell.execution_count)


def _notebook(shell: Any) -> str:
    """Return the name of the notebook, as the server or VS Code tells it."""
    told = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return os.path.basename(told) if isinstance(told, str) and told else "notebook"


def _execute(shell: Any, source: str) -> Any:
    """Run a cell's text as IPython runs it, under the name that a cell has."""
    __tracebackhide__ = True
    text = shell.transform_cell(source)
    name = shell.compile.cache(text, _number(shell), raw_code=source)
    tree = shell.transform_ast(shell.compile.ast_parse(text, filename=name))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(shell.compile(tree, name, "exec"), shell.user_global_ns, shell.user_ns)
    if last is None:
        return None
    return eval(shell.compile(ast.Expression(last.value), name, "eval"), shell.user_global_ns, shell.user_ns)


def _show(run: Watch, in_browser: bool, with_timeline: bool) -> None:
    """Show the card, and the timeline below it; what fails there is one line, and the cell's own end stays what it is."""
    if run.path is None:
        return  # said when it was to begin
    try:
        run.show()
        if in_browser and with_timeline and (made := run.report().timeline) is not None and made.lanes:
            _show_timeline(run.report())
    except Exception as error:
        if os.environ.get("GPUWATCH_DEBUG"):
            raise
        what = str(error) if isinstance(error, GpuwatchError) else f"{type(error).__name__}: {error}"
        tell(f"the report failed ({what}); the recording is kept: gpuwatch report {run.path}")


def _show_timeline(report: Any) -> None:
    """Show the timeline with plotly. Where only the viewer may know plotly, it gets a still picture besides, and shows what it
    can: a notebook's server is often installed apart from its kernel."""
    from IPython.display import display

    from gpuwatch.views.html.notebook import timeline
    from gpuwatch.views.plotly_figure import notebook

    drawn = notebook.for_viewer(report)
    if drawn is None:
        notebook.show(report)
    else:
        display({notebook.MIME_TYPE: drawn, "text/html": timeline(report)}, raw=True)
