"""Going on where an experiment on the same command and the same code ended: what was measured is kept after each round.

The code is what the training's process had loaded of the user's own files, and the files that the command names; each
by its hash. A round is worth as much later as it was then, since it holds a change against the unchanged loader.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from gpuwatch.experiments import kept
from gpuwatch.experiments.changes import Change
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.experiments.session import Result
from gpuwatch.model.experiment import Experiment
from gpuwatch.model.profile import Costs
from gpuwatch.records import dataclass
from gpuwatch.words.masking import mask_arguments, same_command
from gpuwatch.words.version import own_version

FILE = "windows.json"
SCHEMA = "gpuwatch.windows/1"
_LARGEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Known:
    """What an experiment has measured: `taken` are the windows, with the seconds that each took in all; `code` the files of
    the user's that it ran; `of_findings`: the remedies are those that findings asked for, and were not named; `experiment` is its result where it came to one. `changed`: the files that are not what they
    were, so that nothing of it holds."""

    id: str
    remedies: tuple[Remedy, ...]
    costs: Costs | None
    loop: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    taken: tuple[tuple[Result, float], ...]
    code: tuple[str, ...] = ()
    of_findings: bool = False
    experiment: Experiment | None = None
    changed: tuple[str, ...] = ()


@dataclass(slots=True)
class Keeping:
    """Keeps what is known, for the next call of the same command."""

    path: Path
    command: Sequence[str]
    hashes: dict[str, str | None] = field(default_factory=dict)

    def write(self, known: Known) -> None:
        """Write what is known by now. Raises OSError."""
        files = [*known.code, *named_files(self.command)]
        self.hashes |= {file: hashed(file) for file in files if file not in self.hashes}
        whole = {
            "schema": SCHEMA,
            "command": mask_arguments(self.command),
            "machine": machine(),
            "code": self.hashes,
            "of_findings": known.of_findings,
            "remedies": [dataclasses.asdict(remedy) for remedy in known.remedies],
            "costs": dataclasses.asdict(known.costs) if known.costs else None,
            "loop": known.loop,
            "outputs": known.outputs,
            "taken": [
                [dataclasses.asdict(result), seconds] for result, seconds in known.taken if result.kind == "real"
            ],
        }
        new = self.path / f"{FILE}.new"
        new.write_text(json.dumps(whole))
        new.replace(self.path / FILE)


def find(base: Path, command: Sequence[str]) -> Known | None:
    """Return what the newest experiment on this command has measured on this machine; None without one."""
    for path in sorted(base.glob(f"*/{FILE}"), key=lambda file: file.stat().st_mtime_ns, reverse=True):
        try:
            raw = json.loads(path.read_text())
            if raw["schema"] == SCHEMA and same_command(raw["command"], command) and raw["machine"] == machine():
                return _known(path.parent, raw)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return None


def _known(folder: Path, raw: Mapping[str, Any]) -> Known:
    taken = tuple((Result(**result), float(seconds)) for result, seconds in raw["taken"])
    return Known(
        id=folder.name,
        remedies=tuple(Remedy(**{**row, "parts": (), "change": _change(row["change"])}) for row in raw["remedies"]),
        costs=Costs(**raw["costs"]) if raw["costs"] else None,
        loop=dict(raw["loop"]),
        outputs=dict(raw["outputs"]),
        taken=taken,
        code=tuple(raw["code"]),
        of_findings=bool(raw["of_findings"]),
        experiment=kept.read(folder),
        changed=tuple(sorted(file for file, before in raw["code"].items() if hashed(file) != before)),
    )


def _change(row: Mapping[str, Any]) -> Change:
    return Change(**{**row, "early": tuple(row["early"])})


def remedies_for(known: Known | None, names: Sequence[str] | None) -> tuple[Remedy, ...]:
    """Return the remedies of these names, or those of the findings where none are named, as an earlier experiment had them;
    none where it lacks one."""
    if known is None or not (names or known.of_findings):
        return ()
    by_name = {remedy.name: remedy for remedy in known.remedies}
    wanted = names or list(by_name)
    return tuple(by_name[name] for name in wanted) if all(name in by_name for name in wanted) else ()


def still_valid(known: Known, remedies: Iterable[Remedy]) -> list[tuple[Result, float]]:
    """Return the windows that hold for these remedies: all but those of a remedy that was something else then."""
    now = {remedy.name: _definition(remedy) for remedy in remedies}
    other = [each.name for each in known.remedies if now.get(each.name, _definition(each)) != _definition(each)]
    return [(result, seconds) for result, seconds in known.taken if not any(name in result.arm for name in other)]


def _definition(remedy: Remedy) -> str:
    return json.dumps([remedy.loader, remedy.hook, remedy.parameters, remedy.epochs], sort_keys=True)


def named_files(command: Sequence[str]) -> list[str]:
    """Return the files that a command names and that are small enough to be code or a configuration."""
    names = [argument.rpartition("=")[2] for argument in command[1:]]
    return [os.path.abspath(name) for name in names if name and _is_small(name)]


def _is_small(name: str) -> bool:
    try:
        return os.path.isfile(name) and os.path.getsize(name) <= _LARGEST_BYTES
    except (OSError, ValueError):
        return False


def hashed(file: str) -> str | None:
    """Return a file's hash; None where there is none to read."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None


def machine() -> dict[str, Any]:
    """Return what makes results of one machine those of another: its name, the cores and devices of this process; and who
    measured them."""
    return {
        "gpuwatch": own_version(),
        "host": socket.gethostname(),
        "cores": len(os.sched_getaffinity(0)),
        "devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
