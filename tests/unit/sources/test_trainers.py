"""What the sampler learns of a training process from its growing spool file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.sources.trainers import Trainers
from tests.spools import FakeRun


@pytest.mark.parametrize("timed", [0, 1000])
def test_the_share_of_waiting_is_that_of_all_steps(tmp_path: Path, timed: int) -> None:
    trainer = FakeRun(tmp_path).trainer(pid=100)
    number = trainer.iterate()
    trainer.ask(number, 0, 5.0).step(15.0)
    if timed:
        trainer.only_timed(number, 1, timed, 5.0, 15.0)
    trainer.ask(number, timed + 1, 5.0)
    trainer.run.write()
    (seen,) = Trainers(tmp_path).refresh([100])
    assert seen.batches == timed + 2
    assert seen.wait_share == pytest.approx(0.25)
    assert seen.step_ns == pytest.approx(20_000_000)
