"""A training that is pretended: each arm has its step time, time is handed in; and an experiment on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.experiments import earlier, remedies
from gpuwatch.experiments.conductor import Conductor, Progress
from gpuwatch.experiments.remedy import Remedy
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
        self.code: list[str] = []
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
