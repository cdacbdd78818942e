"""The command line that every study has, and the sizes it can run at."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent.parent.parent
TRAININGS = Path(__file__).resolve().parent.parent / "trainings"
SIZES = ("smallest", "small", "full")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """How a study runs. `data`: the original data, or None to make some; `out`: where everything it writes goes."""

    size: str
    data: Path | None
    out: Path

    @property
    def made(self) -> Path:
        """The folder of made data, kept between studies and runs."""
        return self.out / "data"

    @property
    def runs(self) -> Path:
        """The folder of gpuwatch's recordings."""
        return self.out / "runs"

    def pick(self, smallest: T, small: T, full: T) -> T:
        """Return the value for this size."""
        return {"smallest": smallest, "small": small, "full": full}[self.size]

    @property
    def judged(self) -> bool:
        """Whether claims are judged: at the smallest size, which only shows that all parts work, they are not."""
        return self.size != "smallest"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a study; `parse` reads it."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = made.add_mutually_exclusive_group()
    size.add_argument("--full", dest="size", action="store_const", const="full", help="the published size; wants a GPU")
    size.add_argument(
        "--smallest", dest="size", action="store_const", const="smallest", help="seconds; claims are not judged"
    )
    made.add_argument("--data", type=Path, metavar="DIR", help="the original data instead of made data")
    made.add_argument(
        "--out", type=Path, metavar="DIR", default=ROOT / "out" / "reproduce", help="results, made data, recordings"
    )
    made.set_defaults(size="small")
    return made


def parse(made: argparse.ArgumentParser, arguments: list[str] | None = None) -> Options:
    """Return the options; the folder of results is there afterwards. Ends the program when it cannot be."""
    given = made.parse_args(arguments)
    if given.data is not None and not given.data.is_dir():
        made.error(f"--data {given.data}: not a folder")
    try:
        given.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        made.error(f"--out {given.out}: {error.strerror}")
    data = given.data.resolve() if given.data else None
    return Options(given.size, data, given.out.resolve())


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0))
