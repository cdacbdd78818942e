"""What is declared of a project: how it is installed, started and fed, how parts of it are taken out, and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "projects"


@dataclass(frozen=True, slots=True)
class Variant:
    """The same training with something changed, without gpuwatch: an ablation, or the change that a finding advises.

    `what` says the change in a few words. `arguments` are appended to the command, or `command` replaces it whole;
    `environment` is added to the environment; `patch` is a Python file of the project's folder, or of `patches`, that is executed right
    after torch was imported, in each process; in it `after_import(module_name, function)` calls `function(module)` once
    that module was imported. `{data}`, `{files}` (the project's folder) and `{work}` (where it runs) are replaced in all of them.
    """

    name: str
    what: str
    arguments: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    patch: str = ""


def scaled_decode(side: int) -> Variant:
    """Return the variant in which JPEGs are decoded at the smallest scale that keeps `side` pixels a side."""
    return Variant(
        "scaled decode",
        "JPEGs decoded at a smaller scale",
        patch="scaled_decode.py",
        environment=(("SCALED_TO", str(side)),),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A line that the project's user can act on: in a file whose path ends with `file`, inside `function`.

    Functions, not numbers: numbers move with the project's versions. An empty `function` takes any line of the file.
    """

    file: str
    function: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the ablations showed, written down by a person who read them.

    `bounds` are the verdicts that are right. `causes` are the findings of which one must come first; empty where there is
    nothing to fix. `also` are findings that may be named beside; any other advice about the input, the step's code or
    the start-up is wrong advice. `places` are right for the first finding or, without one, the first hot line. `why` says
    in a sentence which ablation shows it. `advice` is the finding whose predicted gain is held against the measured gain
    of the variant `fix`.
    """

    bounds: tuple[str, ...]
    causes: tuple[str, ...]
    why: str
    also: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    advice: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """A training program that ships in a package of the registry, started by the entry point that its users use.

    `command` runs with the environment's `bin` first on PATH, in an empty working folder of its own. `data` is a script
    of the `data` folder, or of the project's own, with its arguments; it runs once with the project's own Python, in that
    folder, and writes to `{data}`, which does not exist before; empty where the project needs no data.
    `results` is a regular expression (`^` and `$` at lines, of which a progress bar's updates are some; without colours);
    all that it matches in the output must be the same bare and under gpuwatch.
    `pace` names what marks a step for the ablations: `batches` that a DataLoader hands over, or `steps` of an optimizer
    (backward passes where there is no torch optimizer).
    `workers` are the numbers of worker processes that the ablations try. `python` is the version of the environment.
    """

    name: str
    requires: tuple[str, ...]
    command: tuple[str, ...]
    data: tuple[str, ...]
    truth: Truth
    variants: tuple[Variant, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    results: str = ""
    pace: str = "batches"
    workers: tuple[int, ...] = ()
    python: str = "3.11"
    timeout_s: float = 240.0
    notes: str = field(default="")
