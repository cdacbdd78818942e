"""What a training's time was lost to: the figures of its report, each second once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuwatch.diagnosis.examples.parts import interval, make_loader, make_rank
from gpuwatch.fleet.losses import WAITING, losses_of_phases, losses_of_rank, won_share
from gpuwatch.model.findings import Speedup
from tests.builders import make_finding


def seconds(losses: object) -> dict[str, float]:
    return {loss.to: loss.seconds for loss in losses}  # type: ignore[attr-defined]


def test_waiting_phases_are_lost_with_the_seconds_that_the_report_shows() -> None:
    rank = make_rank()
    lost = seconds(losses_of_rank(rank, (make_loader(),), ()))
    assert lost == {phase.name: phase.seconds for phase in rank.phases if phase.name in WAITING and phase.seconds}
    assert lost == seconds(losses_of_phases(rank.phases))


def test_waiting_for_input_is_explained_by_the_first_finding_about_the_input() -> None:
    found = (
        make_finding("slow-step-code", speedup=None),
        make_finding("oversized-decode"),
        make_finding("storage-wait"),
    )
    causes = {loss.to: loss.finding for loss in losses_of_rank(make_rank(), (), found)}
    assert causes["input wait"] == "oversized-decode"
    assert causes["startup"] is None


def test_what_is_only_worth_knowing_explains_no_wait() -> None:
    found = (make_finding("too-many-workers", severity="info"),)
    assert next(loss for loss in losses_of_rank(make_rank(), (), found) if loss.to == "input wait").finding is None


def test_a_phase_is_explained_by_a_finding_about_it() -> None:
    found = (make_finding("worker-restart"), make_finding("slow-startup"))
    causes = {loss.to: loss.finding for loss in losses_of_rank(make_rank(), (), found)}
    assert (causes["startup"], causes["loader startup"]) == ("slow-startup", "worker-restart")


def test_of_waiting_for_input_only_that_is_lost_which_the_device_noticed() -> None:
    timed = make_loader(wait_clock="cuda", wait_share=interval(0.1), seconds=10.0, wait_seconds=4.0)
    assert seconds(losses_of_rank(make_rank(), (timed,), ()))["input wait"] == pytest.approx(5.0 - (4.0 - 1.0))
    other = replace(timed, rank=1)
    assert seconds(losses_of_rank(make_rank(), (other,), ()))["input wait"] == 5.0


def test_in_steps_what_the_advice_would_win_is_lost_once_for_each_kind_of_finding() -> None:
    rank = make_rank()
    whole = sum(phase.seconds for phase in rank.phases)
    sync = make_finding("step-sync", speedup=Speedup(1.25, 1.2, 1.3, "steps"))
    code = make_finding("slow-step-code", speedup=Speedup(1.1, 1.0, 1.2, "steps"))
    copies = make_finding("unpinned-transfer", speedup=Speedup(1.05, 1.0, 1.1, "steps"))
    losses = [loss for loss in losses_of_rank(rank, (), (code, sync, copies)) if loss.predicted]
    assert [(loss.to, loss.finding) for loss in losses] == [
        ("host in steps", "step-sync"),
        ("transfer in steps", "unpinned-transfer"),
    ]
    assert losses[0].seconds == pytest.approx(whole * 0.2)


@pytest.mark.parametrize("id", ["evaluation-share", "per-call-setup", "slowing-down", "epoch-end", "worker-restart"])
def test_what_is_no_time_of_a_step_or_counts_as_waiting_already_is_not_lost_again(id: str) -> None:
    found = (make_finding(id, speedup=Speedup(1.5, 1.4, 1.6, "x")),)
    assert not [loss for loss in losses_of_rank(make_rank(), (), found) if loss.predicted]


@pytest.mark.parametrize("id", ["periodic-pause", "gc-pause", "straggler-rank", "launch-bound"])
def test_pauses_and_waits_in_steps_are_lost_as_predicted(id: str) -> None:
    found = (make_finding(id, speedup=Speedup(1.1, 1.05, 1.2, "x")),)
    assert [loss.finding for loss in losses_of_rank(make_rank(), (), found) if loss.predicted] == [id]


def test_no_more_is_lost_in_steps_than_they_took() -> None:
    rank = make_rank()
    sync = make_finding("step-sync", speedup=Speedup(20.0, 15.0, 25.0, "steps"))
    lost = [loss for loss in losses_of_rank(rank, (), (sync,)) if loss.predicted]
    in_step = {"forward", "backward", "optimizer", "other in-step"}
    assert lost[0].seconds == pytest.approx(sum(p.seconds for p in rank.phases if p.name in in_step))


def test_a_finding_without_a_prediction_wins_nothing() -> None:
    assert won_share(make_finding(speedup=None)) == 0.0
    assert won_share(make_finding(speedup=Speedup(2.0, 1.5, 2.5, "x"))) == 0.5
