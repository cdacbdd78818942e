"""What a project needs before it can run: its environment, made with uv, and its data, made by a script. Both once."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks.machine import progress
from scripts.benchmarks.wild import catalogue
from scripts.benchmarks.wild.workplace import Workplace

MAKERS = Path(__file__).parent / "data"
INSTALL_LIMIT_S = 1800.0
DATA_LIMIT_S = 600.0
# Recorded with each project, beside what it requires by name.
ALWAYS_NAMED = ("torch", "torchvision", "numpy")


class Unprepared(Exception):
    """The project cannot be run here; the text says why in a line."""


def prepare(place: Workplace) -> None:
    """Install the project and make its data, unless that has been done. Raises Unprepared."""
    install(place)
    make_data(place)


def install(place: Workplace) -> None:
    """Make the project's environment. Raises Unprepared with the last line of the error."""
    project = place.project
    stamp = place.folder / "installed.json"
    wanted = [project.python, *project.requires]
    if _done(stamp, wanted) and place.python.exists():
        return
    uv = shutil.which("uv")
    if uv is None:
        raise Unprepared("uv is not on PATH")
    progress(f"{project.name}: installing {', '.join(project.requires)}")
    stamp.unlink(missing_ok=True)
    shutil.rmtree(place.environment, ignore_errors=True)
    place.folder.mkdir(parents=True, exist_ok=True)
    _said([uv, "venv", "--quiet", "--python", project.python, str(place.environment)], INSTALL_LIMIT_S)
    into = ["--python", str(place.python)]
    requires = [place.placed(word) for word in project.requires]
    _said([uv, "pip", "install", "--quiet", *into, *requires], INSTALL_LIMIT_S)
    stamp.write_text(json.dumps(wanted), encoding="utf-8")


def versions(place: Workplace) -> dict[str, str]:
    """Return the exact versions of the packages that the project is about, by name."""
    frozen = _said(["uv", "pip", "freeze", "--quiet", "--python", str(place.python)], 60.0)
    wanted = {_normal(re.split(r"[\[<>=!~ @;]", name, maxsplit=1)[0]) for name in place.project.requires}
    wanted |= set(ALWAYS_NAMED)
    pairs = (line.partition("==")[::2] for line in frozen.splitlines() if "==" in line)
    return {name: version for name, version in pairs if _normal(name) in wanted}


def make_data(place: Workplace) -> None:
    """Run the script that makes the project's data. Raises Unprepared."""
    words = place.project.data
    if not words:
        return
    own = catalogue.files(place.project) / words[0]
    script = own if own.exists() else MAKERS / words[0]
    stamp = place.folder / "made.json"
    wanted = [*words, script.read_text(encoding="utf-8")]
    if _done(stamp, wanted) and place.data.exists():
        return
    progress(f"{place.project.name}: making data with {' '.join(words)}")
    stamp.unlink(missing_ok=True)
    shutil.rmtree(place.data, ignore_errors=True)
    command = [str(place.python), str(script), *place.written(words[1:])]
    _said(command, DATA_LIMIT_S, cwd=script.parent, environment=place.variables())
    if not place.data.exists():
        raise Unprepared(f"{words[0]} wrote nothing to {{data}}")
    stamp.write_text(json.dumps(wanted), encoding="utf-8")


def _said(
    command: Sequence[str], limit_s: float, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    """Return what a command printed. Raises Unprepared with its last line when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, cwd=cwd, env=environment)
    except subprocess.TimeoutExpired:
        raise Unprepared(f"{Path(command[0]).name} {command[1]} took more than {limit_s:.0f} s") from None
    if done.returncode:
        raise Unprepared(last_line(done.stderr or done.stdout) or f"exit {done.returncode}")
    return done.stdout


def last_line(text: str) -> str:
    """Return the last line that says something, however it was wrapped."""
    lines = [line.strip(" │╰─▶├") for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), "")


def _done(stamp: Path, wanted: Sequence[str]) -> bool:
    return stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == list(wanted)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
