"""What `gpuwatch try` shows in a pipe: what it does, its plan, and the estimates after each round."""

from __future__ import annotations

import pytest

from gpuwatch.commands.try_progress import Shown
from gpuwatch.experiments.conductor import Progress
from gpuwatch.model.experiment import Experiment, Trial
from gpuwatch.model.measures import Interval

EMPTY = Experiment("e", ("python", "t.py"), 1, 0.0)


def known(ratio: Interval, verdict: str) -> Experiment:
    ms = Interval(20.0, 19.0, 21.0, 2)
    trial = Trial("a", "a", None, ms, ms, "ms a step", ratio, verdict, "unchanged", None)  # type: ignore[arg-type]
    return Experiment("e", ("python", "t.py"), 1, 0.0, trials=(trial,))


def test_a_pipe_gets_a_line_for_what_is_done_for_the_plan_and_for_each_round(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Shown() as shown:
        shown.show(Progress("remedies", 0, 6, None, EMPTY))
        shown.show(Progress("remedies", 0, 6, None, EMPTY, line="plan: a (predicted 3.0×)"))
        shown.show(Progress("remedies", 2, 6, None, known(Interval(3.1, 3.1, 3.1, 1), "inconclusive"), round_of=("a",)))
        shown.show(Progress("remedies", 4, 6, None, known(Interval(3.0, 1.8, 5.0, 2), "helps"), round_of=("a",)))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "gpuwatch: remedies ...",
        "gpuwatch: plan: a (predicted 3.0×)",
        "gpuwatch: a: 3.10× (one round)",
        "gpuwatch: a: 3.00× (1.80–5.00) after 2 rounds, helps",
    ]
