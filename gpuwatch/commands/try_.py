"""`gpuwatch try`: experiments on the user's own training; its results are thrown away, and this says so first.

`--json` prints one object, `gpuwatch.experiment/1`, the fields of `model.Experiment`; intervals are {median, low, high, n}:

id, command, started_wall_ns, seconds   the experiment; its folder is `<dir>/<id>`
ceilings     [{cores, end_to_end, device, loader, limit}]      batches per second
balance_cores                                                  cores at which loader and device would be even, or null
sweep        [{workers, prefetch, threads, loader_rate, loop_rate, startup_s, memory_per_worker_bytes, knee, note}]
edit                                                           the edit to the knee, or null: it is there already
trials       [{id, remedy, finding, before, after, unit, ratio, verdict, outputs, edit, predicted, note}]
             verdict: helps | no difference | hurts | inconclusive | failed; ratio: before / after, above 1 is faster;
             before, after, ratio: null when not measured, note says why
answer       {remedies, before, after, unit, ratio, outputs, predicted, edits, left_out} or null: the remedies that help,
             measured as one change; left_out: [{remedy, reason, beside}], those that help only alone
patch        {file, root, remedies, missing} or null: where the answer is written as a diff of the files below root;
             missing: [{remedy, why}], those that no program can make; file: null when that is all of them
             --check: one trial, `patch`, of whole runs
notes        [sentence]                                        what ended early, and why
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuwatch.commands.recorded import base_folder, dir_option, print_json
from gpuwatch.errors import UsageError
from gpuwatch.records import dataclass

if TYPE_CHECKING:
    from gpuwatch.experiments.conductor import Conductor

EPILOG = """\b
Examples:
  gpuwatch try -- python train.py                    what the findings ask for, then the ceilings
  gpuwatch try --ceilings -- python train.py         device alone, loader alone, both
  gpuwatch try --ceilings --cores 1,2,4 -- python train.py
  gpuwatch try --loader --budget 5m -- python train.py
  gpuwatch try --remedies scaled-decode,out-of-order,workers=8 -- python train.py
  gpuwatch try --patch fix.patch -- python train.py  what helps as a diff, for git apply
  gpuwatch try --check fix.patch -- python train.py  confirm it: bare and patched, in turns
  gpuwatch try --fresh -- python train.py            not going on where the last call ended
  gpuwatch try --remedies fused-optimizer,gc-freeze -- python train.py
  gpuwatch try --scratch /tmp/void -- python train.py --out checkpoints

\b
Remedies: persistent-workers, out-of-order, pinned-memory, more-prefetch, single-threaded-workers,
  scaled-decode, faster-decoder, shrink-first, resize-before-float, cache-items, batched-fetch,
  packed-batches, uint8-batches, prefetched-sampler, worker-affinity, workers=N
  in the training step: trainer-threads=N, gc-freeze, foreach-optimizer, fused-optimizer, zero-grad-to-none,
  channels-last, and on a GPU non-blocking-copies
"""
_BUDGET = re.compile(r"^(\d+(?:\.\d+)?)\s*(s|m|h)?$")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


@click.command(epilog=EPILOG, context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--ceilings", is_flag=True, help="Measure device alone, loader alone and both.")
@click.option("--cores", metavar="N,N", help="Measure the ceilings at these numbers of cores (affinity).")
@click.option("--loader", "sweep", is_flag=True, help="Find the smallest loader setting within 3 % of the best.")
@click.option(
    "--remedies",
    metavar="[NAME,...]",
    is_flag=False,
    flag_value="",
    help="Try remedies; default: those of the findings.",
)
@click.option(
    "--budget",
    default="5m",
    show_default=True,
    metavar="TIME",
    help="Stop after this time, or before it once all is known: 90s, 3m, 1h.",
)
@click.option(
    "--scratch",
    metavar="DIR",
    help="Run the command in this folder, so that files it writes by relative paths land there.",
)
@click.option(
    "--patch",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write what helps as a unified diff of your files, which stay as they are.",
)
@click.option(
    "--check",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Run the command bare and with this patch, in turns and from its start, in copies of this folder.",
)
@click.option("--fresh", is_flag=True, help="Measure again what an earlier call has measured of this command and code.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")
@dir_option
@click.argument("arguments", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    ceilings: bool,
    cores: str | None,
    sweep: bool,
    remedies: str | None,
    budget: str,
    scratch: str | None,
    patch: str | None,
    check: str | None,
    fresh: bool,
    as_json: bool,
    base: str | None,
    arguments: tuple[str, ...],
) -> None:
    """Try changes on your own training and report what each was worth.

    The command runs in experiment mode: batches are repeated, skipped and swapped, so its results are invalid.
    Files that it writes are written as always, unless --scratch sends them elsewhere. What is measured: the loop as it
    is, in turns with the loop after one change. The remedies are those of an earlier run's findings (seeds, names,
    epochs and folders of results may differ) or, without one, of the first seconds of this training. The one with the
    largest predicted gain is first, and it stops when all is known. Those that help are then applied together and
    measured as one change: that is the answer. Ctrl-C ends it with what is known by then; the same call goes on from
    there as long as the code is the same.
    """
    from gpuwatch.commands.try_progress import Shown
    from gpuwatch.experiments.conduct import conduct
    from gpuwatch.experiments.wanted import Wanted

    seconds, names = _seconds(budget), _names(remedies)
    if check:
        other = {"--ceilings": ceilings, "--cores": cores, "--loader": sweep, "--remedies": remedies is not None}
        _alone(check, {**other, "--scratch": scratch, "--patch": patch})
    wanted = Wanted(
        arguments,
        base_folder(base),
        _cores(cores),
        _all_cores(),
        ceilings or bool(cores),
        sweep,
        names,
        fresh,
        _new_file(patch),
    )
    place = _scratch(scratch, arguments)
    click.echo("gpuwatch: experiment mode: results of this run are invalid; do not keep its checkpoints", err=True)
    if place.note:
        click.echo(f"gpuwatch: {place.note}", err=True)
    with Shown() as shown:
        experiment = conduct(
            place.command, wanted.base, seconds, _checked(check, arguments) if check else wanted.run, shown.show, place.cwd,
            arguments, place.environment, resumable=not check,
        )  # fmt: skip
    if as_json:
        from gpuwatch.experiments.kept import SCHEMA
        from gpuwatch.views.json import plain

        print_json({"schema": SCHEMA, **plain(experiment)})
        return
    from gpuwatch.views import experiment as view
    from gpuwatch.views import terminal

    terminal.show(view.render(experiment), on=terminal.screen())


def _alone(file: str, others: dict[str, object]) -> None:
    """Raise UsageError where --check names no file, or another option is given beside it."""
    if not Path(file).is_file():
        raise UsageError(f"--check {file}: there is no such file", "Write one with gpuwatch try --patch FILE")
    for name, given in others.items():
        if given:
            raise UsageError(
                f"--check {file} runs the command bare and patched, and nothing else: {name} does not go with it"
            )


def _new_file(text: str | None) -> Path | None:
    """Return the file to write, which need not be there. Raises UsageError where its folder is not."""
    if text is None or Path(text).absolute().parent.is_dir():
        return Path(text) if text else None
    raise UsageError(f"--patch {text}: there is no folder {Path(text).parent}")


def _checked(file: str, arguments: tuple[str, ...]) -> Callable[[Conductor], None]:
    """Return the experiment that confirms a patch of this folder's files, or of one above it that has them."""
    from gpuwatch.experiments.checking import Checking, root_of

    patch, here = Path(file).absolute(), Path.cwd()
    root = root_of(patch, here)
    return lambda conductor: Checking(conductor, arguments, patch, root, here).run()


def _names(text: str | None) -> list[str] | None:
    """Return the names of `--remedies a,b`; none named is an empty list. Raises UsageError for one that is none."""
    if text is None:
        return None
    from gpuwatch.experiments.remedies import check_names

    names = [name.strip() for name in text.split(",") if name.strip()]
    check_names(names)
    return names


def _all_cores() -> int:
    return len(os.sched_getaffinity(0))


def _cores(text: str | None) -> list[int]:
    """Return the core counts of `--cores 1,2,4`. Raises UsageError."""
    if text is None:
        return []
    most = _all_cores()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and 1 <= int(part) <= most for part in parts):
        raise UsageError(f"--cores {text}: numbers from 1 to {most} (the cores of this process), e.g. --cores 1,{most}")
    return sorted({int(part) for part in parts})


def _seconds(text: str) -> float:
    """Return the seconds of `90s`, `3m`, `1h`. Raises UsageError."""
    match = _BUDGET.match(text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"--budget {text}: a time such as 90s, 3m or 1h")
    return float(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True, slots=True)
class Scratch:
    """The command as it is run: where, with which paths made absolute, with what more in its environment."""

    command: tuple[str, ...]
    cwd: Path | None = None
    environment: dict[str, str] | None = None
    note: str = ""


def _scratch(text: str | None, arguments: tuple[str, ...]) -> Scratch:
    """Return the command fit for another folder, which is made if it is not there. Raises UsageError.

    Relative paths in it that exist become absolute, or they would be looked for there; `python -m` finds its module
    where it found it before."""
    if text is None:
        return Scratch(arguments)
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--scratch {text}: {error.strerror}") from error
    command = tuple(
        argument if at and arguments[at - 1] in ("-m", "-c") else absolute(argument)
        for at, argument in enumerate(arguments)
    )
    changed = [old for old, new in zip(arguments, command, strict=True) if old != new]
    note = f"it runs in {text}; from here: {', '.join(changed)}" if changed else f"it runs in {text}"
    folders = [str(Path.cwd()), os.environ.get("PYTHONPATH", "")] if "-m" in arguments else []
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, folders))} if folders else None
    return Scratch(command, Path(text), environment, note)


def absolute(argument: str) -> str:
    """Return an argument, or the value of `--name=value`, as an absolute path if it is a relative one that exists."""
    name, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    if not value or os.path.isabs(value) or not os.path.exists(value):
        return argument
    return f"{name}{equals}{os.path.abspath(value)}"
