"""The retired words of docs/glossary.md, and which of them a text uses."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

GLOSSARY = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"
BEGIN, END = "<!-- retired:begin -->", "<!-- retired:end -->"
CHECKS = ("refuse", "review")


class Retired(NamedTuple):
    """One row: a word or phrase, what to use, and whether a test refuses it or people review it."""

    word: str
    use: str
    check: str

    @property
    def pattern(self) -> str:
        """Return the word as a regular expression: whole, whatever white space is in it."""
        return rf"(?<!\w){re.escape(self.word)}(?!\w)".replace(r"\ ", r"\s+")


@cache
def retired() -> tuple[Retired, ...]:
    """Return the table's rows. Raises ValueError for a row that is not `| word | use | check |`."""
    table = GLOSSARY.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    head, _, *rows = table.strip().splitlines()
    if head != "| retired | use | check |":
        raise ValueError(f"{GLOSSARY}: unexpected head {head!r}")
    return tuple(_row(line) for line in rows)


def _row(line: str) -> Retired:
    cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
    if len(cells) != 3 or not all(cells) or cells[2] not in CHECKS:
        raise ValueError(f"{GLOSSARY}: not a row of three cells that ends in {' or '.join(CHECKS)}: {line!r}")
    return Retired(*cells)


def refused(text: str) -> list[str]:
    """Return each use of a refused word as `word -> use`, in the table's order."""
    rows = [row for row in retired() if row.check == "refuse"]
    return [f"{row.word} -> {row.use}" for row in rows if re.search(row.pattern, text, re.IGNORECASE)]
