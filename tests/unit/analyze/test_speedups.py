"""What the run would win if a line cost nothing."""

from __future__ import annotations

import pytest

from gpuwatch.analyze.lines.speedups import speedups_if_free
from gpuwatch.diagnosis.examples.parts import make_costs, make_hot_line


@pytest.mark.parametrize(
    ("share", "model_share", "gains"),
    [
        (0.03, None, True),
        (0.03, 0.0, True),
        (0.9, 0.97, False),  # trainer.fit(...): nearly all of it is the model
        (0.9, 0.5, True),
    ],
)
def test_the_model_in_a_lines_call_is_not_to_be_won(share: float, model_share: float | None, gains: bool) -> None:
    line = make_hot_line(process_role="trainer", activity="step", share=share, model_share=model_share)
    (gain,) = speedups_if_free([line], make_costs(workers=2, device_ms=50.0, work_ms=10.0, step_ms=50.0), False)
    assert (gain is not None and gain > 1.0) is gains
