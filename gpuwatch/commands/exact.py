"""`gpuwatch lines --exact`: run the command once more, its hot functions timed line by line."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuwatch.commands.recorded import base_folder, print_json
from gpuwatch.errors import GpuwatchError, RunNotFound, Unavailable, UsageError

if TYPE_CHECKING:
    from gpuwatch.analyze.lines.exact_lines import Plan
    from gpuwatch.model.exact_lines import ExactPass
    from gpuwatch.model.report import Report

_PYTHON = re.compile(r"^python(\d+(\.\d+)?)?$")
_LOOK_S = 60.0
ADD = "Add it there: `uv pip install line_profiler`, `uv add --dev line_profiler`, or `pip install line_profiler`"


def measure(
    command: tuple[str, ...], functions: Sequence[str], sample: int | None, base: str | None, as_json: bool
) -> int:
    """Run the command with its hot (or the named) functions measured, show them, return the command's status.

    Raises UsageError, RunNotFound, Unavailable."""
    from gpuwatch.analyze.lines.exact_lines import merge, read_tables
    from gpuwatch.experiments import earlier
    from gpuwatch.record import Options, record
    from gpuwatch.supervise import CannotStart, Stdio, exit_as

    folder = base_folder(base)
    report = earlier.find(command, folder)
    plan = [named(function) for function in functions] or hot(report)
    _check(_python(report, folder, command))
    how = f"one batch in {sample}" if sample else "batches now and then"
    _tell(f"measuring {how}, line by line: " + ", ".join(_name(reported) for reported in plan))
    options = Options(
        folder,
        stacks=False,
        environment=environment(plan, sample),
        experiment={"exact": plan},
        stdio=Stdio(stdout=2) if as_json else None,
        tell=_tell,
    )
    try:
        recorded = record(command, options)
    except CannotStart as error:
        _tell(str(error))
        return error.exit_code
    if recorded.path is None:
        raise GpuwatchError("nothing could be measured without a run folder", "Give a folder with --dir")
    before = report.hot_lines if report else ()
    found = merge(recorded.path.name, plan, sample, read_tables(recorded.path), before)
    _show(found, as_json)
    status = exit_as(recorded.ended)
    return status or (1 if found.missing else 0)


def named(text: str) -> dict[str, Any]:
    """Return the plan's entry for `file.py:Class.method` or `module:function`. Raises UsageError."""
    place, colon, function = text.rpartition(":")
    if not colon or not place or not function or not all(part.isidentifier() for part in function.split(".")):
        raise UsageError(f"--function {text}: name it file.py:Class.method, file.py:function or module:function")
    if not place.endswith(".py"):
        return {"module": place, "function": function}
    if not Path(place).is_file():
        raise UsageError(f"--function {text}: there is no file {place}")
    return {"file": str(Path(place).absolute()), "function": function}


def hot(report: Report | None) -> Plan:
    """Return the functions that a run found hot. Raises RunNotFound or GpuwatchError with what to do instead."""
    from gpuwatch.analyze.lines.exact_lines import pick

    naming = "name functions: --function file.py:Class.method"
    if report is None:
        raise RunNotFound(
            "no finished run of this command tells which functions are hot",
            f"Record one with `gpuwatch run -- COMMAND`, or {naming}",
        )
    plan = pick(report.hot_lines)
    if not plan:
        raise GpuwatchError(
            f"run {report.run.id} found no function of your own that costs 5 % or more",
            f"To measure one all the same, {naming}",
        )
    return plan


def environment(plan: Plan, sample: int | None) -> dict[str, str]:
    """Return what the command's environment needs for the hook to measure the plan."""
    switches = [switch for switch in os.environ.get("GPUWATCH_HOOK", "").split(",") if switch not in ("", "exact")]
    reported = {"sample": sample, "functions": plan}
    return {"GPUWATCH_HOOK": ",".join([*switches, "exact"]), "GPUWATCH_EXACT": json.dumps(reported)}


def _python(report: Report | None, base: Path, command: tuple[str, ...]) -> str | None:
    """Return the Python that trains: the one that did last time, or the command's own; None when not known."""
    for rank in report.ranks if report else ():
        for spool in (base / report.run.id / "spool").glob(f"{rank.pid}-*.jsonl") if report else ():
            try:
                with spool.open("rb") as file:
                    found = json.loads(file.readline()).get("executable")
            except (OSError, ValueError, AttributeError):
                continue
            if found:
                return str(found)
    return command[0] if _PYTHON.match(Path(command[0]).name) else None


def _check(python: str | None) -> None:
    """Look whether the training's Python has line_profiler, before hours of training. Raises Unavailable."""
    if python is None:
        return
    try:
        done = subprocess.run([python, "-c", "import line_profiler"], capture_output=True, timeout=_LOOK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return  # the hook will tell
    if done.returncode and b"line_profiler" in done.stderr:
        raise Unavailable(*_missing(python))


def _missing(python: str) -> tuple[str, str]:
    return f"line_profiler is not in the training's environment ({python})", ADD


def _show(found: ExactPass, as_json: bool) -> None:
    if found.missing:
        _tell(str(Unavailable(*_missing(", ".join(found.pythons)))))
    elif not found.functions:
        _tell("no line was measured")
    if as_json:
        from gpuwatch.views.json import plain

        print_json({"schema": "gpuwatch.exact/1", **plain(found)})
        return
    if found.missing:
        return
    from gpuwatch.views import exact, terminal

    on = terminal.screen()
    terminal.show(exact.render(found, os.getcwd(), on.width), on=on)


def _name(reported: dict[str, Any]) -> str:
    return f"{Path(reported['file']).name if reported.get('file') else reported['module']}:{reported['function']}"


def _tell(line: str) -> None:
    click.echo(f"gpuwatch: {line}", err=True)
