"""The pages that are made from the code are as the code makes them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCS = runpy.run_path(str(ROOT / "scripts" / "docs"))


@pytest.mark.parametrize("name", sorted(DOCS["PAGES"]))
def test_no_page_is_stale(name: str) -> None:
    assert name not in DOCS["stale"](), "a declaration changed: run scripts/docs"


def test_every_metric_has_its_row() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert "| `step` | milliseconds |" in page and "`gpuwatch_step_seconds`" in page
    assert "| `step_ms` | `step` |" in page
    assert "`gpuwatch_device_busy_ratio{device, uuid}`" in page


def test_every_variable_has_its_row_and_internal_ones_are_apart() -> None:
    page = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
    users, _, internal = page.partition("## Set by gpuwatch itself")
    assert "| `GPUWATCH_STACKS` | 1/true/yes/on or 0/false/no/off | on |" in users and "| `stacks` |" in users
    assert "| `GPUWATCH_RUN` | a folder |" in internal and "GPUWATCH_DIR" not in internal
