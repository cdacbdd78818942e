"""What is tried first, for how long, and what is said when the budget is too small; sessions are pretended, time is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.experiments import earlier, remedies, wanted
from gpuwatch.experiments.conductor import Conductor, Progress
from gpuwatch.experiments.remedies import Remedy
from gpuwatch.experiments.session import Result, Window
from gpuwatch.experiments.wanted import Wanted
from gpuwatch.model.experiment import Experiment
from tests.builders import make_report

SMALL, LARGE = (
    Remedy("small", loader={"in_order": False}, predicted=1.2),
    Remedy("large", loader={"num_workers": 2}, predicted=3.0),
)


class Session:
    """Pretends a training: each window takes `window_s`, each arm has its step time, a little apart from round to round."""

    def __init__(self, steps_ms: dict[str, float], window_s: float, budget_s: float, startup_s: float) -> None:
        self.steps_ms, self.window_s, self.now = steps_ms, window_s, startup_s
        self.deadline, self.startup_s = budget_s, startup_s
        self.loop: dict[str, Any] = {"num_workers": 0, "length": 100}
        self.outputs: dict[str, dict[str, Any]] = {}
        self.windows: list[Window] = []
        self.is_running = True

    def run(self, windows: Sequence[Window], seen: Callable[[Result], None]) -> list[Result]:
        found = []
        for window in windows:
            if self.now >= self.deadline:
                break
            self.windows.append(window)
            found.append(self._result(window))
            seen(found[-1])
        return found

    def _result(self, window: Window) -> Result:
        if window.kind == "close":
            return Result(window.arm, window.round, "close", 0, 0, None, None, "closed")
        self.now += self.window_s
        step_ms = self.steps_ms.get(window.arm, 50.0) * (1 + 0.04 * ((window.round * 7 + len(window.arm)) % 3 - 1))
        return Result(window.arm, window.round, window.kind, 10, 40, step_ms / 100, 0.1, None)


class Tried:
    """An experiment of `names` on a pretended session, with what was shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, found: list[Remedy], session: Session, **more: Any) -> None:
        self.session, self.shown = session, list[Progress]()
        report = make_report()
        monkeypatch.setattr(earlier, "find_alike", lambda command, base: earlier.Earlier(report, ("--seed=1 (now 2)",)))
        monkeypatch.setattr(remedies, "asked_for", lambda report: found)
        empty = Experiment("e", ("python", "t.py"), 1, 0.0)
        self.conductor = Conductor(
            session,  # type: ignore[arg-type]
            empty,
            self.shown.append,
            session.deadline,
            clock=lambda: session.now,
        )
        Wanted(("python", "t.py"), Path(), [], 2, **more).run(self.conductor)

    @property
    def lines(self) -> str:
        return "\n".join(progress.line for progress in self.shown if progress.line)

    @property
    def experiment(self) -> Experiment:
        return self.conductor.experiment


def test_the_largest_predicted_gain_is_first_and_ends_after_few_rounds_then_come_the_ceilings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Session({"unchanged": 60, "large": 20, "small": 50}, 2.0, 180.0, 10.0)
    tried = Tried(monkeypatch, [SMALL, LARGE], session)
    assert session.windows[0].arm == "large"
    rounds = {name: sum(w.arm == name and w.kind == "real" for w in session.windows) for name in ("large", "small")}
    assert rounds["large"] <= 3 <= rounds["small"]
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
