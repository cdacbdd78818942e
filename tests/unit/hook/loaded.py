"""The training program `loading.py`, run once per way of starting workers and shared by the tests of this folder."""

from __future__ import annotations

import functools
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.hook import observed


@dataclass(frozen=True)
class Loaded:
    """What the hook saw of `loading.py`, and what its datasets know."""

    seen: observed.Observed
    truth: dict[str, list[dict[str, Any]]]


@functools.cache
def loaded(workers: int, method: str, hook: bool = True) -> Loaded:
    """Run the program with so many workers; once per test session."""
    with tempfile.TemporaryDirectory() as name:
        truth = Path(name, "truth")
        truth.mkdir()
        seen = observed.run(
            "loading.py", str(workers), method, folder=Path(name, "run"), hook=hook, TRUTH_DIR=str(truth)
        )
        assert seen.status == 0, seen.errors
        told = {path.name: [json.loads(line) for line in path.read_text().splitlines()] for path in truth.iterdir()}
    return Loaded(seen, told)


def in_workers() -> list[Any]:
    """Pytest parameters for each way of starting workers; spawn costs seconds per worker."""
    import pytest

    return [pytest.param((2, "fork"), id="fork"), pytest.param((1, "spawn"), id="spawn")]


def pids(truth: list[dict[str, Any]]) -> set[int]:
    """Return the processes that wrote a truth."""
    return {entry["pid"] for entry in truth} - {os.getpid()}
