"""How often the training is looked at follows from the cores that it leaves idle."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpuwatch.sources import stacks
from gpuwatch.sources.spare import SpareCores
from gpuwatch.sources.tree import ProcessTree


def _stat(path: Path, busy: int, idle: int) -> None:
    lines = [f"cpu{core} {busy} 0 0 {idle} 0 0 0 0 0 0" for core in sorted(os.sched_getaffinity(0))]
    path.write_text("cpu  1 0 0 1 0 0 0 0 0 0\n" + "\n".join(lines) + "\n")


def test_idle_cores_are_counted_between_two_looks(tmp_path: Path) -> None:
    file, now = tmp_path / "stat", [0]
    _stat(file, 100, 100)
    spare = SpareCores(path=str(file), clock=lambda: now[0])
    spare.look()
    assert spare.idle is None
    now[0] += 1_000_000_000
    _stat(file, 175, 125)
    spare.look()
    assert spare.idle == pytest.approx(0.25 * len(os.sched_getaffinity(0)))


def test_two_looks_at_once_keep_what_was_known(tmp_path: Path) -> None:
    file, now = tmp_path / "stat", [0]
    _stat(file, 100, 100)
    spare = SpareCores(path=str(file), clock=lambda: now[0])
    spare.look()
    now[0] += 1_000_000
    _stat(file, 101, 100)
    spare.look()
    assert spare.idle is None


def test_under_a_quota_no_core_is_spare(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    _stat(file, 0, 100)
    spare = SpareCores(quota=2.0, path=str(file))
    spare.look()
    spare.look()
    assert spare.idle is None


@pytest.mark.parametrize(
    ("idle", "workers", "why", "hz"),
    [
        (1.0, 2, "steady", 50),
        (0.0, 2, "steady", 25),
        (None, 2, "steady", 25),
        (0.0, 8, "steady", 10),
        (1.0, 2, "startup", 20),
    ],
)
def test_a_training_that_leaves_no_core_idle_is_looked_at_less_often(
    tmp_path: Path, idle: float | None, workers: int, why: str, hz: int
) -> None:
    thread = stacks.StacksThread(tmp_path, ProcessTree(os.getpid(), tmp_path))
    thread._spare.idle = idle
    assert thread._hz(workers, why) == hz
