"""Run a project's command once: bare with stamps, as an ablation, or behind other words such as `gpuwatch run --`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.benchmarks.wild import catalogue
from scripts.benchmarks.wild.bystanders import Bystanders, end_group
from scripts.benchmarks.wild.pace import Pace, read
from scripts.benchmarks.wild.preparation import last_line
from scripts.benchmarks.wild.project import Variant
from scripts.benchmarks.wild.workplace import Workplace

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
INJECTED = Path(__file__).parent / "injected"
AS_IS = Variant("as is", "the command as its users give it")


@dataclass(frozen=True, slots=True)
class Ablation:
    """How the injected code changes the input: its mode, and what a run as it is told of the training's iterators."""

    mode: str = ""
    training: tuple[int, ...] = ()
    batches: int = 0

    def variables(self) -> dict[str, str]:
        """Return what tells the injected code."""
        training = ",".join(map(str, self.training))
        return {"WILD_MODE": self.mode, "WILD_TRAINING": training, "WILD_BATCHES": str(self.batches or "")}


@dataclass(frozen=True, slots=True)
class Run:
    """How one run went. `failed` is empty, or says why in a line. `others`: cores that others used
    meanwhile. `results`: what must not change."""

    status: int | None
    wall_s: float
    said: str
    pace: Pace | None
    failed: str = ""
    others: float = 0.0
    results: tuple[str, ...] = field(default=())


def run(
    place: Workplace,
    variant: Variant = AS_IS,
    ablation: Ablation | None = None,
    before: Sequence[str] = (),
    stamped: bool = True,
    limit_s: float | None = None,
) -> Run:
    """Run the command, or a variant of it, in an empty folder; never raises for what the command does."""
    ablation = ablation or Ablation()
    stamps = place.folder / "stamps"
    shutil.rmtree(stamps, ignore_errors=True)
    stamps.mkdir(parents=True)
    variables = place.variables(variant.environment)
    if stamped:
        variables |= _injection(place, variant, ablation, stamps, variables.get("PYTHONPATH"))
    bystanders, began = Bystanders(), time.monotonic_ns()
    command = [*before, *place.written(words(place, variant))]
    status, said = _watched(command, place.working_folder(), variables, limit_s or place.project.timeout_s)
    wall_s = (time.monotonic_ns() - began) / 1e9
    alone = ablation.training[0] if ablation.mode == "loader" and ablation.training else None
    pace = read(stamps, place.project.pace, began, alone)
    failed, others = place.masked(_why(status, said)), bystanders.cores()
    return Run(status, wall_s, said, pace, failed, others, results_in(place.project.results, said))


def words(place: Workplace, variant: Variant) -> tuple[str, ...]:
    """Return the words of a variant's command, as declared."""
    return variant.command or (*place.project.command, *variant.arguments)


def _injection(
    place: Workplace, variant: Variant, ablation: Ablation, stamps: Path, path: str | None
) -> dict[str, str]:
    file = catalogue.patch_file(place.project, variant)
    patch = {"WILD_PATCH": str(file)} if file else {}
    first = os.pathsep.join(filter(None, [str(INJECTED), path]))
    return {"PYTHONPATH": first, "WILD_STAMPS": str(stamps), **ablation.variables(), **patch}


def _watched(command: list[str], folder: Path, variables: dict[str, str], limit_s: float) -> tuple[int | None, str]:
    """Return the exit status, None where it was killed after the limit, and all that was said."""
    said = folder.parent / "said.txt"
    found = shutil.which(command[0], path=variables["PATH"])
    if found is None:
        return 127, f"{command[0]}: no such command in the environment"
    with said.open("wb") as file:
        process = subprocess.Popen(
            [found, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=variables,
            start_new_session=True,
        )
        try:
            status: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        finally:
            end_group(process.pid)
    return status, said.read_text(encoding="utf-8", errors="replace")


def _why(status: int | None, said: str) -> str:
    if status == 0:
        return ""
    if status is None:
        return "still running after the time limit"
    return f"exit {status}: {last_line(said)[-300:]}"


def results_in(pattern: str, said: str) -> tuple[str, ...]:
    """Return what the pattern matches; what a progress bar shows again and again counts once."""
    if not pattern:
        return ()
    lines = CONTROL.sub("", said).replace("\r", "\n")
    found = [_flat(each) for each in re.findall(pattern, lines, re.MULTILINE)]
    return tuple(each for at, each in enumerate(found) if at == 0 or each != found[at - 1])


def _flat(found: str | tuple[str, ...]) -> str:
    return found if isinstance(found, str) else " ".join(found)
