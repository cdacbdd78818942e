"""A second call of the same command goes on where the first one ended, as long as code and machine are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpuwatch.experiments import earlier, resuming, uniting, wanted
from gpuwatch.experiments.conductor import Conductor
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.experiments.resuming import Keeping
from gpuwatch.experiments.session import Result
from gpuwatch.experiments.wanted import Wanted
from gpuwatch.model.experiment import Experiment
from gpuwatch.model.profile import Costs
from tests.unit.experiments.pretending import LARGE, SMALL, Session, Tried

COMMAND = ("python", "train.py", "--key=value")
COSTS = Costs(20, 60, 60, 1, 2, 1, 100, 1, 0.0, 60, 6.0)
STEPS = {"unchanged": 60, "large": 20, "small": 50}


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("print(1)\n")
    (tmp_path / "data.py").write_text("print(2)\n")
    return tmp_path / "data.py"


def kept(folder: Path, code: Path, remedies: tuple[Remedy, ...] = (LARGE, SMALL)) -> resuming.Known:
    path = folder / "20260101-000000-try"
    path.mkdir()
    taken = tuple(
        (Result(arm, n, "real", 10, 40, ms * (1 + 0.01 * n) / 100, 0.1, None), 2.0)
        for n in range(3)
        for arm, ms in (("unchanged", 60), ("large", 20))
    )
    state = resuming.Known(path.name, remedies, COSTS, {"length": 100}, {}, taken, (str(code),), True)
    Keeping(path, COMMAND).write(state)
    return state


def test_what_was_kept_is_found_by_command_and_code(tmp_path: Path, code: Path) -> None:
    state = kept(tmp_path, code)
    found = resuming.find(tmp_path, COMMAND)
    assert found is not None and not found.changed
    assert (found.taken, found.remedies, found.costs, found.loop) == (
        state.taken,
        state.remedies,
        COSTS,
        {"length": 100},
    )
    assert resuming.find(tmp_path, ("python", "other.py")) is None


@pytest.mark.parametrize("name", ["data.py", "train.py"])
def test_other_code_is_told_by_its_file(tmp_path: Path, code: Path, name: str) -> None:
    """One is a module that the training had loaded, the other is named in the command."""
    kept(tmp_path, code)
    (tmp_path / name).write_text("print(3)\n")
    found = resuming.find(tmp_path, COMMAND)
    assert found is not None and [Path(file).name for file in found.changed] == [name]


def test_another_number_of_cores_is_another_machine(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path, code)
    monkeypatch.setattr(resuming, "machine", lambda: {"host": "other"})
    assert resuming.find(tmp_path, COMMAND) is None


def test_windows_of_a_remedy_that_was_something_else_do_not_count(tmp_path: Path, code: Path) -> None:
    state = kept(tmp_path, code)
    other = Remedy("large", loader={"num_workers": 3})
    assert {result.arm for result, _ in resuming.still_valid(state, [other])} == {"unchanged"}
    assert {result.arm for result, _ in resuming.still_valid(state, [LARGE])} == {"unchanged", "large"}


def test_remedies_that_were_named_are_not_those_of_the_findings(tmp_path: Path, code: Path) -> None:
    state = kept(tmp_path, code)
    assert resuming.remedies_for(state, None) == (LARGE, SMALL)
    assert resuming.remedies_for(state, ["small"]) == (SMALL,)
    assert resuming.remedies_for(state, ["small", "workers=9"]) == ()
    named = replace(state, of_findings=False)
    assert resuming.remedies_for(named, None) == () and resuming.remedies_for(None, ["small"]) == ()


def resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **more: object) -> Tried:
    session = Session(STEPS, 2.0, 180.0, 10.0)
    monkeypatch.setattr(earlier, "find_alike", lambda command, base: None)
    tried = Tried.__new__(Tried)
    tried.session, tried.shown = session, []
    empty = Experiment("e", COMMAND, 1, 0.0)
    tried.conductor = Conductor(
        session,  # type: ignore[arg-type]
        empty,
        tried.shown.append,
        session.deadline,
        clock=lambda: session.now,
    )
    Wanted(COMMAND, tmp_path, [], 2, **more).run(tried.conductor)  # type: ignore[arg-type]
    return tried


def test_a_settled_remedy_is_not_run_again_and_the_others_are(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path, code)
    tried = resumed(tmp_path, monkeypatch)
    single = [w for w in tried.session.windows if w.arm == "large" and w.kind == "real"]
    small = [w for w in tried.session.windows if w.arm == "small" and w.kind == "real"]
    assert small and min(w.round for w in small) == 3, "its rounds are new ones"
    assert not [w for w in single if w.round <= max(s.round for s in small)]
    assert {trial.id: trial.verdict for trial in tried.experiment.trials} == {"large": "helps", "small": "helps"}
    assert "going on from 20260101-000000-try, which measured 3 rounds" in tried.lines


def test_when_all_is_known_no_training_is_started(tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path, code, (LARGE,))
    monkeypatch.setattr(uniting, "TIGHT", 10.0)
    tried = resumed(tmp_path, monkeypatch, names=[])
    assert not tried.session.windows
    assert tried.experiment.answer is not None and tried.experiment.answer.remedies == ("large",)


def test_code_that_has_changed_is_said_and_measured_anew(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path, code, (LARGE,))
    code.write_text("print(3)\n")

    class Nothing:
        def __init__(self, session: object) -> None: ...

        def make(self) -> None: ...

    monkeypatch.setattr(wanted, "Observation", Nothing)
    tried = resumed(tmp_path, monkeypatch, names=["workers=2"])
    assert "measured other code (data.py): measuring all again" in tried.lines
    assert any(window.arm == "workers=2" for window in tried.session.windows)
