"""The rows of "Where the time went" sum to the run: what no rank was alive for is the launcher's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuwatch.diagnosis.examples.parts import make_profile, make_rank
from gpuwatch.views import card, html
from gpuwatch.views.wall_time import of_run
from tests.builders import make_report


def test_a_launchers_time_has_a_row_of_its_own() -> None:
    profile = make_profile(seconds=30.0, ranks=(make_rank(start_s=7.0),))
    report = make_report(profile)
    rows = of_run(report)
    assert (rows[0].name, rows[0].seconds) == ("launcher", pytest.approx(10.0))  # 7 s before the rank's 20 s, 3 s after
    assert sum(row.seconds for row in rows) == pytest.approx(30.0) and sum(r.share for r in rows) == pytest.approx(1.0)
    drawn = card.prepare(report)
    assert (drawn.phases[0].name, drawn.phases[0].percent, drawn.phases_of) == ("launcher", "33%", "30.0 s")
    assert "the launcher&#x27;s own time" in html.render(report) or "the launcher's own time" in html.render(report)


@pytest.mark.parametrize("start", [None, 0.2])
def test_a_command_that_is_the_training_has_no_launcher(start: float | None) -> None:
    report = make_report(make_profile(seconds=20.3, ranks=(make_rank(start_s=start),)))
    assert of_run(report) == report.phases


def test_of_several_ranks_the_first_one_ends_the_launch() -> None:
    ranks = (make_rank(start_s=9.0), make_rank(rank=1, start_s=10.0))
    report = make_report(make_profile(seconds=30.0, ranks=ranks))
    assert of_run(report)[0].seconds == pytest.approx(9.0)
    assert of_run(replace(report, ranks=(ranks[0], make_rank(rank=1)))) == report.phases
