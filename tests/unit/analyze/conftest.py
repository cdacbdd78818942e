"""Recordings with known answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spools import FakeRun


@pytest.fixture
def run(tmp_path: Path) -> FakeRun:
    """An empty run folder under construction."""
    return FakeRun(tmp_path / "run")
