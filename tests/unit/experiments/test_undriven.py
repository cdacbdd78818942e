"""A loop that cannot be fed is said with the reason and with what to do instead, and not before that is certain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpuwatch.experiments.undriven import why_undriven
from gpuwatch.store.reader import read
from tests.spools import FakeRun, FakeTrainer


def own_loop(trainer: FakeTrainer, steps: int, step_ms: float) -> None:
    trainer.add(
        "iterator", iterator=0, loader=0, t0=trainer.now, t1=trainer.now, epoch=0, attributes={"own_loop": True}
    )
    for index in range(steps):
        trainer.pass_ms(step_ms)
        trainer.add("batch", iterator=0, index=index, t0=trainer.now, t1=trainer.now, end=0)


def reason(run: FakeRun, **options: Any) -> tuple[str, str] | None:
    return why_undriven(read(run.write()), **options)


def test_a_training_without_a_loader_is_recognised_after_a_while(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    own_loop(run.trainer(), 40, 500)
    found = reason(run)
    assert found is not None and "trains without a torch DataLoader (40 optimizer steps" in found[0]
    assert "gpuwatch diff" in found[1]


@pytest.mark.parametrize(("steps", "step_ms"), [(40, 100), (10, 5000)])
def test_a_few_steps_without_a_loader_may_come_before_one(tmp_path: Path, steps: int, step_ms: float) -> None:
    run = FakeRun(tmp_path)
    own_loop(run.trainer(), steps, step_ms)
    assert reason(run) is None
    assert reason(run, has_ended=True) is not None


def test_batches_of_another_thread_are_recognised(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    trainer.loop(batches=60, wait_ms=1, compute_ms=1)
    own_loop(trainer, 40, 500)
    found = reason(run)
    assert found is not None and "does not take its batches from the DataLoader itself" in found[0]


def test_a_loop_that_ended_too_early_says_how_many_batches_it_had(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.trainer().loop(batches=2, wait_ms=1, compute_ms=1)
    found = reason(run, has_ended=True)
    assert found is not None and "after 2 batches" in found[0] and "more data or epochs" in found[1]
    assert reason(run) is None


def test_a_command_without_a_hooked_python_says_so(tmp_path: Path) -> None:
    found = reason(FakeRun(tmp_path), has_ended=True)
    assert found is not None and "no Python process of it had loaded gpuwatch's hook" in found[0]
