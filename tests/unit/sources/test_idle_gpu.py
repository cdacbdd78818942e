"""A GPU that idles for a while asks for a window, unless the training waits for its input."""

from __future__ import annotations

from pathlib import Path

from gpuwatch.sources.idle_gpu import ASKED, READINGS, IdleGpu
from tests.spools import SECOND, FakeRun


def asked(folder: Path, wait_ms: float, busy: list[float | None], readings: int = READINGS) -> bool:
    run = FakeRun(folder / "run")
    run.trainer().loop(40, wait_ms=wait_ms, compute_ms=10.0)
    idle = IdleGpu(run.write())
    for number in range(readings):
        idle.look(number * SECOND, busy, {100})
    return (run.path / ASKED).exists()


def test_an_idle_gpu_in_a_training_that_does_not_wait(tmp_path: Path) -> None:
    assert asked(tmp_path / "a", 0.1, [0.0, 41.0])
    assert not asked(tmp_path / "b", 0.1, [0.0, 95.0])
    assert not asked(tmp_path / "c", 5.0, [41.0])
    assert not asked(tmp_path / "d", 0.1, [None])
    assert not asked(tmp_path / "e", 0.1, [41.0], READINGS - 1)
