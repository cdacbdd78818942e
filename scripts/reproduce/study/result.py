"""What a study came to: tables, claims and whether they were reproduced, figures, what gpuwatch said by itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

CLAIM_ONLY = "stated, no number"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as printed. `note` says what was chosen where the publication leaves it open."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A published claim and what was seen. `held`: it was reproduced; None where this run cannot judge it, `here` says why."""

    text: str
    published: str
    here: str
    held: bool | None

    @property
    def verdict(self) -> str:
        """Return `reproduced`, `not reproduced` or `not judged`."""
        return {True: "reproduced", False: "not reproduced", None: "not judged"}[self.held]


@dataclass(frozen=True, slots=True)
class Named:
    """What gpuwatch said of an unmodified training. `first` are its findings, the most telling first."""

    script: str
    bound: str
    headline: str
    findings: tuple[str, ...] = ()
    summaries: tuple[str, ...] = ()
    hot_lines: tuple[str, ...] = ()
    trials: tuple[str, ...] = ()
    report: str = ""


@dataclass(slots=True)
class Result:
    """One study's results; `figures` are plotly's, `machine` what it ran on, `other_cores` those that other programs used."""

    study: str
    title: str
    paper: str
    size: str
    machine: str
    other_cores: float = 0.0
    tables: list[Table] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: list[Any] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def conditions(self) -> str:
        """Return what it ran on, at which size, and how busy other programs were."""
        shared = f"; {self.other_cores:.1f} cores used by other programs" if self.other_cores >= 0.05 else ""
        return f"{self.machine}, {self.size} size{shared}"

    def claim(self, text: str, published: str, here: str, held: bool | None, *, judged: bool = True) -> None:
        """Add a claim; one that is not judged at this size keeps what was seen."""
        self.claims.append(Claim(text, published, here, held if judged else None))

    def write(self, folder: Path) -> Path:
        """Write the result as JSON; return the file."""
        file = folder / f"{self.study}.json"
        titles = [figure.layout.title.text for figure in self.figures]
        plain = {**asdict(replace(self, figures=[])), "figures": titles}
        file.write_text(json.dumps(plain, indent=1), encoding="utf-8")
        return file


def read(file: Path) -> Result:
    """Return a result as written, without its figures. Raises OSError, ValueError, KeyError."""
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Result(
        **{name: data[name] for name in ("study", "title", "paper", "size", "machine", "notes", "seconds")},
        other_cores=data.get("other_cores", 0.0),
        claims=[Claim(**claim) for claim in data["claims"]],
    )
