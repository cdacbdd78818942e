"""From `state` and `collected` events to what is said of the process."""

from __future__ import annotations

from typing import Any

import pytest

from gpuwatch.analyze.build import analysis_of, profile_of
from gpuwatch.analyze.processes.sorting import sort_processes
from gpuwatch.model.measures import Place
from gpuwatch.model.process_state import ProcessState
from gpuwatch.store.reader import read
from tests.spools import SECOND, FakeRun, FakeTrainer


def train(run: FakeRun, *states: dict[str, Any], steps: int = 100) -> FakeTrainer:
    """Run steps of 20 ms; the states are read at even distances."""
    trainer = run.trainer()
    number = trainer.iterate()
    every = steps // max(len(states), 1)
    for index in range(steps):
        trainer.ask(number, index, 0.5)
        if states and index % every == 0 and index // every < len(states):
            trainer.add("state", t=trainer.now, during="step", facts=states[index // every])
        trainer.step(20)
    return trainer


def state_of(run: FakeRun) -> ProcessState | None:
    return profile_of(analysis_of(sort_processes(read(run.write())))).state


def test_a_run_recorded_before_states_were_has_none(run: FakeRun) -> None:
    train(run)
    assert state_of(run) is None


def test_a_switch_counts_its_readings_in_a_backward_pass_too(run: FakeRun) -> None:
    trainer = train(run, {"switches": []}, {"switches": [["anomaly", None, "/home/me/a.py", 7]]}, {"switches": []})
    facts = {"switches": [["anomaly", None, None, None]]}
    trainer.add("state", t=trainer.now, during="backward", facts=facts)
    state = state_of(run)
    assert state is not None
    (switch,) = state.switches
    assert (switch.seen, switch.readings, switch.late) == (2, 3, True)
    assert switch.where == Place("/home/me/a.py", 7)


def test_compilations_are_counted_from_the_warm_up_on(run: FakeRun) -> None:
    def compiled(times: int, seconds: float) -> dict[str, Any]:
        worst = ["forward", "/home/me/m.py", 9, times, "self.calls == 3", "calls"]
        return {"compiler": {"compiled": times, "most": times, "limit": 8, "seconds": seconds, "worst": worst}}

    train(run, compiled(1, 0.5), compiled(4, 0.8), compiled(10, 1.4), compiled(20, 1.6))
    state = state_of(run)
    assert state is not None and state.compilations is not None
    found = state.compilations
    assert (found.before, found.later) == (10, 10) or (found.before, found.later) == (4, 16)
    assert found.frame == Place("/home/me/m.py", 9) and found.guarded == "calls"
    assert found.seconds == pytest.approx(1.6 - {10: 1.4, 4: 0.8}[found.before])


def test_handles_of_hooks_are_told_per_step(run: FakeRun) -> None:
    train(
        run, {"hooks": 2, "switches": []}, {"hooks": 302, "hooks_set": ["/home/me/t.py", 4], "switches": []}, steps=60
    )
    state = state_of(run)
    assert state is not None and state.hooks_per_step == pytest.approx(10.0, rel=0.05)
    assert state.hooks_where == Place("/home/me/t.py", 4)


def test_collections_of_a_line_are_those_of_all_workers(run: FakeRun) -> None:
    trainer = train(run, {"switches": []})
    asked = {"file": "/home/me/t.py", "line": 12, "function": "tidy"}
    trainer.add("collected", t=trainer.now, **asked, count=4, ns=1 * SECOND)
    trainer.add("collected", t=trainer.now, **asked, count=9, ns=3 * SECOND)
    state = state_of(run)
    assert state is not None
    (found,) = state.collections
    assert (found.count, found.seconds, found.in_workers) == (9, 3.0, False)
    assert found.where == Place("/home/me/t.py", 12, "tidy")
