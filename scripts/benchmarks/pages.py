"""The tables in docs/: which benchmark writes which block of which page, and the one way in which it does."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
# Block -> page. A block is what lies between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
PAGES = {
    "scenarios": "accuracy.md",
    "heldout": "accuracy.md",
    "wild": "accuracy.md",
    "lines": "accuracy.md",
    "traces": "accuracy.md",
    "budgets": "overhead.md",
    "bursts": "overhead.md",
    "peers": "overhead.md",
    "studies": "studies.md",
    "trials": "how-it-works.md",
    "faults": "limits.md",
}


def add_option(parser: argparse.ArgumentParser, block: str) -> None:
    """Add `--write-docs`, which puts a benchmark's result into its page."""
    page = f"docs/{PAGES[block]}"
    parser.add_argument("--write-docs", action="store_true", help=f"replace the block '{block}' in {page}")


def write(block: str, text: str, docs: Path = DOCS) -> None:
    """Replace a block in its page; exit with a line when the page lacks the block's marks."""
    page = docs / PAGES[block]
    begin, end = marks(block)
    old = page.read_text(encoding="utf-8")
    head, found, rest = old.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not (found and found_end):
        sys.exit(f"{page} has no lines {begin} and {end}: put them where the table belongs")
    page.write_text(f"{head}{begin}\n{text.strip()}\n{end}{tail}", encoding="utf-8")


def marks(block: str) -> tuple[str, str]:
    """Return the lines before and after a block."""
    return f"<!-- {block}:begin -->", f"<!-- {block}:end -->"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)
