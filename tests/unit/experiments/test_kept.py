"""Results are kept, read again, found by their command; the score is over all predictions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gpuwatch.experiments import kept
from gpuwatch.model.experiment import Ceiling, Experiment, LoaderTrial, Trial
from gpuwatch.model.measures import Interval

ONE = Interval(10.0, 9.0, 11.0, 4)


def trial(measured: float, predicted: float | None, verdict: str = "helps") -> Trial:
    return Trial("r", "r", None, ONE, ONE, "ms a step", Interval(measured, measured, measured, 4), verdict, "unchanged", None, predicted)  # type: ignore[arg-type]  # fmt: skip


def experiment(*trials: Trial, command: tuple[str, ...] = ("python", "t.py"), wall: int = 1) -> Experiment:
    ceiling = Ceiling(2, ONE, ONE, ONE, "loader")
    settings = (LoaderTrial(2, None, None, 5.0, ONE, 0.1, 1e6, True), LoaderTrial(3, 4, 1, 5.0, None, None, None))
    return Experiment("e", command, wall, 3.0, trials, (ceiling,), settings, 2.5, "edit", ("a note",))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    whole = experiment(trial(1.5, 1.4), trial(1.0, None))
    kept.write(tmp_path, whole)
    assert kept.read(tmp_path) == whole


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": "gpuwatch.experiment/9"}', '{"schema": "gpuwatch.experiment/1"}']
)
def test_a_file_of_another_kind_is_no_result(tmp_path: Path, text: str) -> None:
    (tmp_path / kept.RESULT).write_text(text)
    assert kept.read(tmp_path) is None


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    kept.write(tmp_path, experiment())
    raw = json.loads((tmp_path / kept.RESULT).read_text())
    (tmp_path / kept.RESULT).write_text(json.dumps({**raw, "mood": "good"}))
    assert kept.read(tmp_path) == experiment()


def test_an_arm_that_was_not_measured_stays_null_and_zeros_of_earlier_versions_become_it(tmp_path: Path) -> None:
    none = replace(trial(1.0, None), before=None, after=None, ratio=None)
    kept.write(tmp_path, experiment(none))
    assert kept.read(tmp_path) == experiment(none)
    text = (
        (tmp_path / kept.RESULT)
        .read_text()
        .replace('"ratio": null', '"ratio": {"median": 0.0, "low": 0.0, "high": 0.0, "n": 0}')
    )
    (tmp_path / kept.RESULT).write_text(text)
    assert kept.read(tmp_path) == experiment(none)


def test_results_are_found_by_their_command_with_secrets_masked(tmp_path: Path) -> None:
    for name, command in (("b", ("python", "t.py")), ("a", ("python", "u.py", "--api-key", "***"))):
        (tmp_path / name).mkdir()
        kept.write(tmp_path / name, experiment(command=command, wall=ord(name)))
    found = kept.all_of(tmp_path)
    assert [e.started_wall_ns for e in found] == [ord("a"), ord("b")]
    assert len(kept.of_command(found, ["python", "u.py", "--api-key", "hunter2"])) == 1
    assert kept.of_command(found, ["python", "other.py"]) == ()


def test_the_score_is_the_median_error_of_what_was_predicted() -> None:
    trials = [trial(1.5, 1.5), trial(1.2, 1.0), trial(2.0, 1.0), trial(3.0, None), trial(0.0, 2.0, "failed")]
    score = kept.score([experiment(*trials)])
    assert score is not None
    assert (score.median_error, score.trials) == (pytest.approx(0.2), 3)
    assert kept.score([experiment(trial(1.0, None))]) is None
