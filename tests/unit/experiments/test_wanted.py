"""What is tried first, for how long, and what is said when the budget is too small; sessions are pretended, time is handed in."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.experiments import earlier, wanted
from gpuwatch.experiments.conductor import Conductor
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.experiments.wanted import Wanted
from gpuwatch.model.experiment import Experiment
from tests.unit.experiments.pretending import LARGE, SMALL, Session, Tried


def test_the_largest_predicted_gain_is_first_and_ends_after_few_rounds_then_come_the_ceilings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Session({"unchanged": 60, "large": 20, "small": 50}, 2.0, 180.0, 10.0)
    tried = Tried(monkeypatch, [SMALL, LARGE], session)
    assert session.windows[0].arm == "large"
    together = next(i for i, w in enumerate(session.windows) if w.arm == "large + small")
    single = [
        w.arm for w in session.windows[:together] if w.kind == "real" and w.round < session.windows[together].round
    ]
    assert single.count("large") <= 3 <= single.count("small")
    large, small = tried.experiment.trials
    assert large.ratio and small.ratio and (large.verdict, small.verdict) == ("helps", "helps")
    assert (large.ratio.median, small.ratio.median) == (pytest.approx(3.0, rel=0.05), pytest.approx(1.2, rel=0.05))
    assert tried.experiment.ceilings and session.now < 180, "it stops when all is known"
    kinds = [w.kind for w in session.windows]
    assert kinds.index("cached") > max(i for i, w in enumerate(session.windows) if w.arm == "small")


def test_the_plan_says_which_run_the_findings_are_of_what_comes_when_and_what_the_budget_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = Tried(monkeypatch, [SMALL, LARGE], Session({}, 2.0, 180.0, 10.0))
    assert "whose command differs: --seed=1 (now 2)" in tried.lines
    assert "plan: large (predicted 3.0×), then small (predicted 1.20×), then ceilings with what is left" in tried.lines
    assert "start-up took 10 s, 170 s are left" in tried.lines


def test_estimates_are_shown_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch, [LARGE], Session({"unchanged": 60, "large": 20}, 2.0, 180.0, 10.0))
    rounds = [p.known.trials[0].ratio for p in tried.shown if p.round_of == ("large",)]
    assert [ratio.n for ratio in rounds if ratio] == list(range(1, len(rounds) + 1)) and len(rounds) >= 2


def test_a_budget_that_the_start_up_eats_says_which_one_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """55 s of 60 are gone, a window of the ten-millisecond steps of the report takes over a second: two rounds need more."""
    tried = Tried(monkeypatch, [LARGE, SMALL], Session({}, 12.0, 60.0, 58.0))
    assert "58 s of start-up: --budget 60s leaves 2 s; two rounds need about" in "\n".join(tried.experiment.notes)
    for trial in tried.experiment.trials:
        assert (trial.before, trial.after, trial.ratio) == (None, None, None)
        assert "no round of it fitted into the budget; --budget" in trial.note


def test_what_stays_open_says_why_and_which_budget_would_settle_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch, [SMALL], Session({"unchanged": 50, "small": 47}, 4.0, 60.0, 10.0))
    (trial,) = tried.experiment.trials
    assert trial.verdict == "inconclusive" and "rounds leave" in trial.note
    assert "would settle it" in trial.note and "--budget" in trial.note
    assert any(note.startswith("Ceilings were skipped") for note in tried.experiment.notes)


def test_what_was_asked_for_beside_remedies_keeps_its_part_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session({"unchanged": 50, "small": 50}, 3.0, 120.0, 10.0)
    tried = Tried(monkeypatch, [SMALL], session, ceilings=True, names=[])
    assert tried.experiment.ceilings and sum(w.kind == "cached" for w in session.windows) >= 2


def test_without_a_verdict_of_the_observed_run_the_budget_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Short:
        def __init__(self, session: object) -> None: ...

        def make(self) -> None: ...

    monkeypatch.setattr(wanted, "Observation", Short)
    session = Session({}, 2.0, 60.0, 50.0)
    tried = Tried.__new__(Tried)
    tried.session, tried.shown = session, []
    monkeypatch.setattr(earlier, "find_alike", lambda command, base: None)
    tried.conductor = Conductor(
        session, Experiment("e", (), 1, 0.0), tried.shown.append, 60.0, clock=lambda: session.now
    )  # type: ignore[arg-type]
    Wanted(("python", "t.py"), Path(), [], 2).run(tried.conductor)
    assert "were too few steps" in tried.lines and "--budget" in tried.lines


def test_a_remedy_that_is_predicted_to_lose_time_is_left_out_until_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    losing = Remedy("losing", loader={"num_workers": 1}, predicted=0.87)
    tried = Tried(monkeypatch, [LARGE, losing], Session({"unchanged": 60, "large": 20}, 2.0, 180.0, 10.0))
    assert [trial.id for trial in tried.experiment.trials] == ["large"]
    assert "left out, since it would lose time: losing (predicted 0.87×); --remedies losing measures it" in tried.lines
    alone = Tried(monkeypatch, [losing], Session({}, 2.0, 180.0, 10.0))
    assert not alone.experiment.trials and any("predicted to lose time" in note for note in alone.experiment.notes)


def test_a_budget_too_small_for_all_settles_the_most_promising_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round over three takes 48 s of the 110: the two that look worse leave it, and the rest of the time is spent."""
    third, fourth = Remedy("third", loader={"pin_memory": True}, predicted=1.1), Remedy("fourth", predicted=1.05)
    steps_ms = {"unchanged": 60, "large": 58, "small": 30, "third": 59, "fourth": 60}
    tried = Tried(monkeypatch, [LARGE, SMALL, third, fourth], Session(steps_ms, 12.0, 120.0, 10.0))
    found = {trial.id: trial for trial in tried.experiment.trials}
    assert found["small"].verdict == "helps" and tried.conductor.left_s < 36
