"""`gpuwatch demo`: a small real training with a planted input bottleneck, recorded like any other; then its card, explained."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuwatch import config as settings
from gpuwatch.commands.run import show, tell
from gpuwatch.errors import GpuwatchError, Unavailable
from gpuwatch.record import Options, Recorded, record
from gpuwatch.supervise import exit_as
from gpuwatch.words.units import count, factor, percent

if TYPE_CHECKING:
    from gpuwatch.model.findings import Finding
    from gpuwatch.model.report import Report

SCRIPTS = Path(__file__).parent.parent / "demo"
TRAIN = SCRIPTS / "train.py"
PHOTOS = 300
NEEDS = ("torch", "torchvision", "PIL", "numpy")
# What was planted: whole photographs are rotated and recoloured, and only then shrunk.
PLANTED = ("transform-order", "expensive-transform")


@click.command(epilog="Takes about a minute on two cores; the photographs are kept for the next time.")
@click.option("--epochs", default=2, show_default=True, type=click.IntRange(1), help="How long to train.")
@click.option(
    "--python", metavar="PYTHON", default=sys.executable, help="Train with this Python.  [default: gpuwatch's own]"
)
@click.option("--html", metavar="FILE", help="Where to write the HTML timeline.  [default: DIR/demo/timeline.html]")
@click.option(
    "--dir", "directory", metavar="DIR", help="Keep run folders and photographs in DIR.  [default: .gpuwatch]"
)
def command(epochs: int, python: str, html: str | None, directory: str | None) -> int:
    """Train a small real model with a planted bottleneck, and explain its card."""
    base = Path(settings.load(Path.cwd(), os.environ, dir=directory).dir)
    _check(python)
    photos = _photos(python, base / "demo" / "photos")
    training = [python, str(TRAIN), str(photos), "--epochs", str(epochs)]
    tell(
        f"training on {PHOTOS} photographs, {count(epochs, 'epoch')}: gpuwatch run -- python train.py photos --epochs {epochs}"
    )
    recorded = record(training, Options(base, "demo", tell=tell))
    if recorded.ended.exit_code == 0:
        return _tell_story(recorded, Path(html or base / "demo" / "timeline.html"))
    tell("training failed; see its output above")
    return exit_as(recorded.ended)


def _check(python: str) -> None:
    """Raise Unavailable when the chosen Python cannot train."""
    look = f"from importlib.util import find_spec; print(*[name for name in {NEEDS!r} if not find_spec(name)])"
    try:
        done = subprocess.run([python, "-c", look], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise GpuwatchError(f"{python} does not run: {error}", "Name another with --python") from error
    missing = done.stdout.split()
    if missing:
        raise Unavailable(
            f"the demo trains a torchvision model, and {python} has no {', '.join(missing)}",
            "Name a Python that has them with --python, or: uv pip install torch torchvision",
        )


def _photos(python: str, folder: Path) -> Path:
    """Make the photographs unless an earlier demo did. Raises GpuwatchError."""
    if len(list(folder.glob("*/*.jpg"))) == PHOTOS:
        return folder
    made = subprocess.run([python, str(SCRIPTS / "make_photos.py"), str(folder), str(PHOTOS)])
    if made.returncode:
        raise GpuwatchError(f"the photographs could not be made in {folder}", "Name another place with --dir")
    return folder


def _tell_story(recorded: Recorded, html: Path) -> int:
    if recorded.path is None:
        return 4
    from gpuwatch.build_report import build
    from gpuwatch.commands.recorded import write_file
    from gpuwatch.store.reader import read
    from gpuwatch.views.html import render

    report = build(read(recorded.path), with_timeline=True)
    show(report)
    write_file(str(html), render(report))
    for line in explain(report):
        click.echo(line, err=True)
    click.echo(f"  Timeline for a browser: {html}", err=True)
    return 0


def explain(report: Report) -> list[str]:
    """Return what there is to see on this card, and whether it found what was planted."""
    share = report.verdict.input_wait_share
    waited = "was not measured" if share is None else f"is {percent(share.median)}"
    found = _planted(report)
    if found is None:
        named = "The card above does not name it: this machine was perhaps too busy with other things; run it again."
    else:
        gain = f", worth {factor(found.speedup.predicted)} by the model" if found.speedup else ""
        named = f"gpuwatch says `{found.id}`{gain}. `gpuwatch explain {found.id}` tells how it knows."
    return [
        "",
        "How to read this card",
        f"  1. The first line is the verdict: the share of the loop that waited for data {waited}.",
        f"  2. The planted mistake is in {TRAIN}:{_line_of('RandomRotation')}:",
        "     whole photographs are rotated and recoloured first, and only then made 64 pixels wide.",
        f"  3. {named}",
        "  4. To have the change measured on this very training: gpuwatch try -- COMMAND, with the command of the card.",
    ]


def _planted(report: Report) -> Finding | None:
    by_id = {finding.id: finding for finding in (*report.suppressed, *report.findings)}
    return next((by_id[finding] for finding in PLANTED if finding in by_id), None)


def _line_of(text: str) -> int:
    lines = TRAIN.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)
