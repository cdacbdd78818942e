"""Remedies that help are measured together: the answer is what that was worth, or the best one alone."""

from __future__ import annotations

import pytest

from gpuwatch.experiments import kept, predicting, proving, uniting
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.model.experiment import Answer, LeftOut
from gpuwatch.model.profile import Costs
from gpuwatch.views import experiment as view
from tests.unit.experiments.pretending import Session, Tried

ORDER = Remedy("shrink-first", hook="shrink-first", predicted=2.0, edit="+ order")
WORKERS = Remedy("workers=2", loader={"num_workers": 2}, predicted=1.5, edit="+ workers")
CACHE = Remedy("cache-items", hook="cache-items", predicted=1.4, edit="+ cache")
KEPT = Remedy("persistent-workers", loader={"persistent_workers": True}, predicted=1.2, epochs=True)


def answered(
    monkeypatch: pytest.MonkeyPatch, found: list[Remedy], steps_ms: dict[str, float], budget_s: float = 300.0
) -> Tried:
    return Tried(monkeypatch, found, Session({"unchanged": 60, **steps_ms}, 2.0, budget_s, 10.0))


def test_two_that_help_are_measured_as_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = answered(
        monkeypatch, [ORDER, WORKERS], {"shrink-first": 30, "workers=2": 40, "shrink-first + workers=2": 20}
    )
    answer = tried.experiment.answer
    assert answer is not None and answer.remedies == ("shrink-first", "workers=2")
    assert answer.ratio.median == pytest.approx(3.0, rel=0.05) and answer.ratio.low > 2.4
    assert answer.edits == ("+ order", "+ workers") and not answer.left_out
    united = [
        window for window in tried.session.windows if window.arm == "shrink-first + workers=2" and window.kind == "real"
    ]
    assert all(window.loader == {"num_workers": 2} for window in united) and len(united) >= 2
    assert [name for name, _ in united[0].remedies] == ["shrink-first"]
    assert tried.experiment.ceilings, "it goes on with what is left"


def test_what_adds_nothing_to_the_best_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = answered(
        monkeypatch, [ORDER, WORKERS], {"shrink-first": 20, "workers=2": 40, "shrink-first + workers=2": 20}
    )
    answer = tried.experiment.answer
    assert answer is not None and answer.remedies == ("shrink-first",)
    assert answer.left_out == (LeftOut("workers=2", "adds nothing", "shrink-first"),)


def test_of_alternatives_the_one_that_is_worth_more_is_taken_without_more_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = answered(monkeypatch, [ORDER, CACHE], {"shrink-first": 20, "cache-items": 40})
    answer = tried.experiment.answer
    assert answer is not None and answer.remedies == ("shrink-first",)
    assert answer.left_out == (LeftOut("cache-items", "alternative", "shrink-first"),)
    assert not any(window.arm == "shrink-first + workers=2" for window in tried.session.windows)


def test_without_the_time_for_it_the_best_alone_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uniting, "MOST_SHARE", 0.0)
    steps_ms = {"shrink-first": 20, "workers=2": 40, "shrink-first + workers=2": 15}
    tried = answered(monkeypatch, [ORDER, WORKERS], steps_ms, 32.0)
    answer = tried.experiment.answer
    assert answer is not None and answer.remedies == ("shrink-first",)
    assert answer.left_out == (LeftOut("workers=2", "not measured together", "shrink-first"),)


def test_one_that_helps_gets_the_rounds_that_its_interval_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    few = answered(monkeypatch, [ORDER], {"shrink-first": 20})
    monkeypatch.setattr(uniting, "MOST_ROUNDS", 0)
    none = answered(monkeypatch, [ORDER], {"shrink-first": 20})
    assert few.experiment.answer is not None and none.experiment.answer is not None
    narrow, wide = few.experiment.answer.ratio, none.experiment.answer.ratio
    assert narrow.n > wide.n and narrow.high / narrow.low < wide.high / wide.low
    (trial,) = few.experiment.trials
    assert trial.ratio == narrow


@pytest.mark.parametrize(("both", "expected"), [(12, ("shrink-first", "workers=2")), (20, ("shrink-first",))])
def test_what_is_likely_to_help_is_proven_on_top_of_what_does(
    monkeypatch: pytest.MonkeyPatch, both: float, expected: tuple[str, ...]
) -> None:
    """Workers are worth 1.2 and never get their verdict, since the group's rounds are few."""
    monkeypatch.setattr(proving, "MOST_ROUNDS", 2)
    monkeypatch.setattr(proving.Proving, "_go_on", lambda self, remedies, tail_s: None)
    steps_ms = {"shrink-first": 20, "workers=2": 50, "shrink-first + workers=2": both}
    tried = answered(monkeypatch, [ORDER, WORKERS], steps_ms, 600.0)
    assert {trial.id: trial.verdict for trial in tried.experiment.trials}["workers=2"] == "inconclusive"
    answer = tried.experiment.answer
    assert answer is not None and answer.remedies == expected and not answer.left_out


def test_nothing_that_helps_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answered(monkeypatch, [ORDER], {"shrink-first": 60}).experiment.answer is None


def test_with_kept_workers_steps_and_starts_of_epochs_are_measured_each_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten steps of an epoch of 100 are seen from its start; the other 90 are those of each arm's own steady windows."""
    steps_ms = {
        "shrink-first": 30, "persistent-workers": 60, "unchanged, epochs": 300, "shrink-first + persistent-workers": 30, "shrink-first + persistent-workers, steady": 30,
        "shrink-first, epochs": 270, "shrink-first, epochs, steady": 30,
    }  # fmt: skip
    tried = answered(monkeypatch, [ORDER, KEPT], steps_ms, 600.0)
    answer = tried.experiment.answer
    assert answer is not None and set(answer.remedies) == {"shrink-first", "persistent-workers"}
    assert answer.ratio.median == pytest.approx((10 * 300 + 90 * 60) / (100 * 30), rel=0.06)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (ORDER, WORKERS, False),
        (ORDER, CACHE, True),
        (WORKERS, Remedy("workers=4", loader={"num_workers": 4}), True),
        (Remedy("workers=0", loader={"num_workers": 0}), Remedy("out-of-order", loader={"in_order": False}), True),
        (WORKERS, Remedy("out-of-order", loader={"in_order": False}), False),
    ],
)
def test_alternatives_are_told(one: Remedy, other: Remedy, expected: bool) -> None:
    assert uniting.are_alternatives(one, other) is uniting.are_alternatives(other, one) is expected


def test_the_prediction_of_a_union_stays_below_what_bounds_the_loop() -> None:
    """Half the work by one and a third by the other would be 60 ms of 70; the device needs 20 ms of a step anyway."""
    costs = Costs(20, 60, 60, 1, 2, 1, 100, 1, 0.0, 60, 6.0, shared_cores=2)
    both = predicting.of_union([ORDER, Remedy("faster-decoder", hook="faster-decoder", predicted=1.9)], costs)
    assert both == pytest.approx(3.0, rel=0.05)
    assert predicting.of_union([ORDER, Remedy("out-of-order", loader={"in_order": False})], costs) is None


def test_the_answer_is_one_line_with_its_interval_and_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = answered(
        monkeypatch, [ORDER, WORKERS], {"shrink-first": 30, "workers=2": 40, "shrink-first + workers=2": 20}
    )
    answer = tried.experiment.answer
    assert isinstance(answer, Answer)
    line = view.answer(answer)
    assert "with these two edits: shrink-first + workers=2" in line and "×" in line and "\n" not in line
    assert (
        view.left_out(LeftOut("b", "adds nothing", "a"))
        == "Not among them, though it helps alone: b; beside a it adds less than 3 %."
    )


def test_it_is_kept_and_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    from pathlib import Path

    tried = answered(monkeypatch, [ORDER, CACHE], {"shrink-first": 20, "cache-items": 40})
    kept.write(Path(str(tmp_path)), tried.experiment)
    read = kept.read(Path(str(tmp_path)))
    assert read is not None and read.answer == tried.experiment.answer
