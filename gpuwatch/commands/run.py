"""`gpuwatch run`: the user's own command, recorded; then the card.

The card and every other line of ours go to stderr, always: stdout is the command's alone, so that
`gpuwatch run -- python train.py | tee log` has the same bytes in the log as without gpuwatch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuwatch import config as settings
from gpuwatch.errors import GpuwatchError, UsageError
from gpuwatch.record import Options, Recorded, record
from gpuwatch.records import dataclass
from gpuwatch.supervise import CannotStart, exit_as
from gpuwatch.words.environment import GPU_TRACE, INPUT

if TYPE_CHECKING:
    from gpuwatch.compare.gate import Gate
    from gpuwatch.model.report import Report

GATE_TRIPPED = 3
FAILED_AFTERWARDS = 4
AUTO, MOST_STEPS = "auto", 1000

EPILOG = """\b
Examples:
  gpuwatch run -- python train.py --epochs 3
  gpuwatch run --name baseline --html out.html -- bash train.sh
  gpuwatch run -- torchrun --nproc-per-node=2 train.py
  gpuwatch run --fail-on 'input_wait>10% or finding:too-few-workers' -- python train.py
  gpuwatch run --gpu-trace -- python train.py     why the GPU idles inside the step
  gpuwatch run --input data.loader:Batches.__next__ -- python train.py     a loader of your own

\b
Exit status: the command's own (same code, same signal); 126/127 when it cannot be
started; after it ended with 0: 3 when --fail-on trips, 4 when the report failed. When
nothing could be recorded: 4 if --html, --json or --fail-on was given, else 0.
"""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to happen after the command has ended; `lost`: something else was wanted by settings that are wrong."""

    html: str | None
    json: str | None
    quiet: bool
    gate: Gate | None
    lost: bool


@click.command(epilog=EPILOG, context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--live", is_flag=True, default=None, help="Show the live dashboard while the command runs.")
@click.option("--html", metavar="FILE", help="Write the HTML timeline at the end.")
@click.option("--json", "json_", metavar="FILE", help="Write the report as JSON at the end.")
@click.option("--name", metavar="NAME", help="Name the run.")
@click.option(
    "--job", metavar="NAME", help="The job that this run is part of, where several nodes record one training."
)
@click.option("--dir", "directory", metavar="DIR", help="Keep run folders in DIR.  [default: .gpuwatch]")
@click.option("--fail-on", metavar="EXPR", help="Exit with 3 when a limit is crossed, e.g. 'input_wait>10%'.")
@click.option("--quiet", is_flag=True, default=None, help="Show no card.")
@click.option("--no-stacks", is_flag=True, help="Take no stack samples: no hot lines.")
@click.option("--rate", metavar="HZ", type=float, help="Samples of GPU, CPU and processes per second.  [default: 1]")
@click.option(
    "--gpu-trace",
    metavar="[auto|N]",
    is_flag=False,
    flag_value=AUTO,
    help="Have torch.profiler record a few steady steps (N steps, once), and once more when the GPU idles.",
)
@click.option(
    "--input",
    "inputs",
    metavar="PLACE",
    multiple=True,
    help="Measure an iterator of your own as the input: module:Class.__next__ or module:function.",
)
@click.argument("arguments", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    live: bool | None,
    html: str | None,
    json_: str | None,
    name: str | None,
    job: str | None,
    directory: str | None,
    fail_on: str | None,
    quiet: bool | None,
    no_stacks: bool,
    rate: float | None,
    gpu_trace: str | None,
    inputs: tuple[str, ...],
    arguments: tuple[str, ...],
) -> int:
    """Wrap any training command: python, python -m, a shell script, torchrun, accelerate, uv run.

    Everything after -- is started as it is. No edit to your code; the card comes when the command has ended.
    """
    flags = {
        "live": live,
        "html": html,
        "json": json_,
        "dir": directory,
        "fail_on": fail_on,
        "quiet": quiet,
        "rate": rate,
    }
    config = settings.load(_cwd(), os.environ, stacks=False if no_stacks else None, **flags)
    for problem in config.problems:
        tell(f"{problem} (left out)")
    wanted = _wanted(config, html, json_, fail_on)
    options = Options(
        Path(config.dir),
        name,
        rate=config.rate,
        stacks=config.stacks,
        environment={**_traced(gpu_trace), **_named(inputs)},
        gpu_trace=gpu_trace,
        job=job,
        tell=tell,
    )
    try:
        recorded = _live(arguments, options) if config.live else record(arguments, options)
    except CannotStart as error:
        tell(str(error))
        return error.exit_code
    code = _afterwards(recorded, wanted)
    ended = recorded.ended
    return code if ended.exit_code == 0 else exit_as(ended)


def _traced(gpu_trace: str | None) -> dict[str, str]:
    """Return what asks the hook for windows of torch.profiler. Raises UsageError."""
    if gpu_trace is None:
        return {}
    if gpu_trace != AUTO and not (gpu_trace.isdecimal() and 1 <= int(gpu_trace) <= MOST_STEPS):
        raise UsageError(f"--gpu-trace must be {AUTO} or a number of steps from 1 to {MOST_STEPS}, not {gpu_trace!r}")
    # Kineto tells of each window on stderr, which is the command's.
    quiet = {} if "KINETO_LOG_LEVEL" in os.environ else {"KINETO_LOG_LEVEL": "99"}
    return {GPU_TRACE.name: gpu_trace, **quiet}


def _named(inputs: tuple[str, ...]) -> dict[str, str]:
    """Return what has the hook measure iterators that it does not know. Raises UsageError."""
    for place in inputs:
        module, _, name = place.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
            hint = "For a class in the script itself: --input __main__:Batches.__next__"
            raise UsageError(f"--input must be module:Class.__next__ or module:function, not {place!r}", hint)
    return {INPUT.name: ",".join(inputs)} if inputs else {}


def tell(line: str) -> None:
    """Say one line of ours, on stderr, if anybody still listens there."""
    try:
        click.echo(f"gpuwatch: {line}", err=True)
    except OSError:
        pass  # `| head` has enough, or the disk under the log is full: neither is the command's trouble


def _cwd() -> Path:
    try:
        return Path.cwd()
    except OSError:
        return Path("/")


def _wanted(config: settings.Config, html: str | None, json_: str | None, fail_on: str | None) -> _Wanted:
    """Check before the start what would otherwise fail hours later. Raises UsageError for what the call itself says."""
    files: dict[str, str | None] = {"--html": config.html, "--json": config.json}
    lost = False
    for option, given in (("--html", html), ("--json", json_)):
        error = _cannot_write(option, files[option])
        if error and given is not None:
            raise error
        if error:
            # A wrong setting must not keep the training from starting.
            tell(f"{error} (from the settings; a successful command will exit with status 4)")
            files[option], lost = None, True
    gate = None
    if config.fail_on is not None:
        from gpuwatch.compare.gate import parse

        try:
            gate = parse(config.fail_on)
        except UsageError as error:
            if fail_on is not None:
                raise
            # Nor may it pass for a gate that held.
            tell(f"{error} (from the settings; a successful command will exit with status 4)")
    lost = lost or (config.fail_on is not None and gate is None)
    return _Wanted(files["--html"], files["--json"], config.quiet, gate, lost)


def _cannot_write(option: str, file: str | None) -> UsageError | None:
    if file == "-":
        return UsageError(
            f"{option} -: stdout belongs to the command", "Give a file, or use `gpuwatch report --json` afterwards"
        )
    if file is not None and not _parent(file).is_dir():
        return UsageError(f"{option} {file}: there is no folder {Path(file).parent}")
    return None


def _parent(file: str) -> Path:
    return (_cwd() / file).parent


def _live(arguments: tuple[str, ...], options: Options) -> Recorded:
    try:
        from gpuwatch.commands.live_run import record_live
    except ImportError as error:
        tell(f"no live dashboard here ({error}); the command runs without it")
        return record(arguments, options)
    return record_live(arguments, options)


def _afterwards(recorded: Recorded, wanted: _Wanted) -> int:
    """Analyse and show; return 0, 3 or 4. Whatever fails here is one line, never an end of the run's own status."""
    asked = bool(wanted.html or wanted.json or wanted.gate or wanted.lost)
    if recorded.path is None:
        # The training went well and was told to be unrecorded; only a file or a gate that somebody waits for is a failure.
        if asked:
            tell("nothing was recorded, so there is no HTML, JSON or gate; free some space or name a folder with --dir")
        return FAILED_AFTERWARDS if asked else 0
    if not recorded.path.is_dir():
        tell("the run folder was removed while the command ran: there is nothing to report")
        return FAILED_AFTERWARDS if asked else 0
    if wanted.quiet and not asked:
        _make_traces_small(recorded.path)
        return 0
    try:
        _make_traces_small(recorded.path)
        return _report(recorded.path, wanted)
    except KeyboardInterrupt:
        tell(f"report interrupted; the recording is kept: gpuwatch report {recorded.path}")
    except Exception as error:
        if os.environ.get("GPUWATCH_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        tell(f"the report failed ({what}); the recording is kept: gpuwatch report {recorded.path}")
    return FAILED_AFTERWARDS


def _make_traces_small(path: Path) -> None:
    """Keep of the run's own GPU traces what a report reads; their first form stays where that fails."""
    if not (path / "traces").is_dir():
        return
    try:
        from gpuwatch.traces.windows import make_small

        make_small(path)
    except Exception as error:
        tell(f"the GPU traces could not be made smaller ({type(error).__name__}: {error})")


def _report(path: Path, wanted: _Wanted) -> int:
    from gpuwatch.build_report import build
    from gpuwatch.store.jobs import read_run

    report = build(read_run(path), with_timeline=wanted.html is not None)
    if not wanted.quiet:
        try:
            show(report)
        except BrokenPipeError:
            pass  # the reader has enough; files and gate are still wanted
    failed = [_write(report, "HTML timeline", wanted.html, _html), _write(report, "JSON", wanted.json, _json)]
    if wanted.gate is not None and _trips(wanted.gate, report):
        return GATE_TRIPPED
    return FAILED_AFTERWARDS if any(failed) or wanted.lost else 0


def show(report: Report) -> None:
    """Draw the card on stderr."""
    from gpuwatch.views import card, terminal

    screen = terminal.screen(sys.stderr)
    terminal.show(card.render(report, screen.width, screen.color), sys.stderr, screen)


def _html(report: Report) -> str:
    from gpuwatch.views.html import render

    return render(report)


def _json(report: Report) -> str:
    from gpuwatch.views.json import dumps, to_dict

    return dumps(to_dict(report)) + "\n"


def _write(report: Report, what: str, file: str | None, render: Callable[[Report], str]) -> bool:
    """Write one view to its file; return whether that failed."""
    if file is None:
        return False
    from gpuwatch.commands.recorded import write_file

    try:
        write_file(file, render(report))
    except GpuwatchError as error:
        tell(str(error))
        return True
    tell(f"{what}: {file}")
    return False


def _trips(gate: Gate, report: Report) -> bool:
    tripped = [result for result in gate.evaluate(report) if result.trips]
    for result in tripped:
        tell(f"--fail-on tripped: {result.text}")
    return bool(tripped)
