"""What an experiment says to a person: tables, the sentence each proves, edits, and nothing it did not measure."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from gpuwatch.model.experiment import (
    Answer,
    Ceiling,
    Experiment,
    LeftOut,
    LoaderTrial,
    PatchFile,
    PredictionScore,
    Trial,
    Unpatched,
)
from gpuwatch.model.measures import Interval
from gpuwatch.views import experiment as view
from gpuwatch.views.experiment import estimate
from gpuwatch.views.html import tables
from gpuwatch.views.trials import newest, score
from tests.builders import make_report

EMPTY = Experiment("e", ("python", "train.py"), 1, 60.0)


def of(rate: float) -> Interval:
    return Interval(rate, rate * 0.98, rate * 1.02, 4)


def trial(remedy: str, verdict: str = "helps", **more: object) -> Trial:
    whole = Trial(remedy, remedy, None, of(20), of(10), "ms a step", of(2.0), verdict, "unchanged", "- old\n+ new", 1.9)  # type: ignore[arg-type]
    return replace(whole, **more)  # type: ignore[arg-type]


def ceiling(cores: int, device: float, loader: float, limit: str) -> Ceiling:
    return Ceiling(cores, of(min(device, loader)), of(device), of(loader), limit)  # type: ignore[arg-type]


def drawn(experiment: Experiment, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(view.render(experiment))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("limit", "device", "loader", "said"),
    [
        ("loader", 100, 40, "costs the device 60%"),
        ("device", 40, 100, "would win nothing"),
        ("balanced", 50, 50, "even"),
    ],
)
def test_the_ceilings_end_in_a_sentence(limit: str, device: float, loader: float, said: str) -> None:
    assert said in drawn(replace(EMPTY, ceilings=(ceiling(2, device, loader, limit),), balance_cores=5.0))


def test_halves_that_compete_are_not_called_limited_by_one() -> None:
    one = Interval(0.29, 0.29, 0.29, 1)
    row = replace(ceiling(2, 1.14, 2.2, "device"), end_to_end=one)
    text = " ".join(drawn(replace(EMPTY, ceilings=(row,))).split())
    assert "together they reach 25% of the device alone" in text and "would win nothing" not in text
    assert "would win nothing" in drawn(replace(EMPTY, ceilings=(ceiling(2, 1.14, 2.2, "device"),)))


def test_an_edit_is_shown_line_by_line_and_only_where_it_helps() -> None:
    text = drawn(replace(EMPTY, trials=(trial("a"), trial("b", "hurts", edit="- never\n+ shown"))))
    assert "  - old\n" in text.replace(" \n", "\n") or "- old" in text
    assert "+ new" in text and "never" not in text
    assert "helps" in text and "hurts" in text


def test_a_remedy_that_does_not_fit_says_why_below_the_table() -> None:
    text = drawn(replace(EMPTY, trials=(trial("a", "failed", note="the loader has no workers"),)))
    assert "a: the loader has no workers" in text and "2.00×" not in text


def test_an_arm_that_was_not_measured_has_dashes_and_its_reason() -> None:
    none = trial("a", "inconclusive", before=None, after=None, ratio=None, note="no round of it fitted")
    text = drawn(replace(EMPTY, trials=(none,)))
    assert "0.0" not in text and "–" in text and "a: no round of it fitted" in text
    assert estimate(none) == "a: no round of it fitted"
    assert estimate(trial("a")) == "a: 2.00× (1.96–2.04) after 4 rounds, helps"


@pytest.mark.parametrize("width", [80, 100, 140])
def test_names_of_remedies_are_never_cut(width: int) -> None:
    text = drawn(replace(EMPTY, trials=(trial("single-threaded-workers", outputs="identical (16 samples)"),)), width)
    assert "single-threaded-workers" in text


def test_the_knee_is_marked_and_memory_shown() -> None:
    rows = (
        LoaderTrial(2, None, None, 50.0, of(48), 0.1, 204 * 2**20, True),
        LoaderTrial(3, None, None, 51.0, None, 0.1, None),
    )
    text = drawn(replace(EMPTY, sweep=rows, edit="- num_workers=8\n+ num_workers=2"))
    assert "→" in text and "204 MB" in text and "+ num_workers=2" in text
    assert "leave them" in drawn(replace(EMPTY, sweep=rows))


def test_nothing_measured_is_said() -> None:
    assert "Nothing was measured" in drawn(EMPTY)
    assert "Interrupted" in drawn(replace(EMPTY, notes=("Interrupted: this is what was known by then.",)))


def test_a_report_shows_the_newest_trial_of_each_remedy() -> None:
    older, newer = (
        replace(EMPTY, trials=(trial("a"), trial("b"))),
        replace(EMPTY, trials=(trial("a", "hurts"), trial("b", "failed"))),
    )
    shown = newest(make_report(experiments=(older, newer)))
    assert [(t.remedy, t.verdict) for t in shown] == [("a", "hurts"), ("b", "helps")]


def test_the_score_is_said_with_its_trials() -> None:
    assert (
        score(make_report(prediction_score=PredictionScore(0.12, 7)))
        == "predictions off by 12% in the median of 7 trials here"
    )
    assert score(make_report()) == ""


def test_the_page_draws_ceilings_against_cores() -> None:
    several = replace(
        EMPTY, ceilings=(ceiling(1, 100, 30, "loader"), ceiling(4, 100, 120, "device")), balance_cores=3.3
    )
    page = str(tables.experiments(make_report(experiments=(several,))))
    assert page.count("<polyline") == 3 and "About 3.3 cores" in page
    single = str(tables.experiments(make_report(experiments=(replace(several, ceilings=several.ceilings[:1]),))))
    assert "<polyline" not in single and single.count('class="ceiling"') == 3
    assert tables.experiments(make_report()) is None


def test_the_answer_is_the_first_line_and_only_its_edits_are_shown() -> None:
    one, other = trial("a", "helps", edit="+ a()"), trial("b", "helps", edit="+ b()")
    answer = Answer(
        ("a",), None, None, "ms a step", Interval(3.4, 3.1, 3.7, 5), "identical (16 samples)", 3.2,
        left_out=(LeftOut("b", "adds nothing", "a"),),
    )  # fmt: skip
    text = drawn(replace(EMPTY, trials=(one, other), answer=answer), 120)
    assert text.strip().startswith(
        "3.40× (3.10–3.70) with this one edit: a; predicted 3.20×; outputs: identical (16 samples)"
    )
    assert "Not among them, though it helps alone: b; beside a it adds less than 3 %." in text
    assert "+ a()" in text and "+ b()" not in text


def test_a_report_shows_the_answer_of_the_newest_experiment_that_came_to_one() -> None:
    from tests.golden.cases import drawn as drawn_card

    found = Answer(("a", "b"), None, None, "ms a step", Interval(3.4, 3.1, 3.7, 5), "unchanged", 3.2)
    helps = replace(EMPTY, trials=(trial("a", "helps", edit="+ a()"),), answer=found)
    report = make_report(experiments=(helps, EMPTY))
    said = "3.40× (3.10–3.70) with these two edits: a + b; predicted 3.20×"
    assert said in " ".join(drawn_card(report, 120).split())
    assert said in str(tables.experiments(report))


def test_where_the_patch_is_and_what_it_does_not_make_is_said() -> None:
    missing = (Unpatched("cache-items", "memory is yours"),)
    text = drawn(replace(EMPTY, patch=PatchFile("fix.patch", "/code", ("a",), missing)))
    assert "a as a patch of the files in /code: fix.patch" in text
    assert "gpuwatch try --check fix.patch -- COMMAND" in text
    assert "No patch for cache-items: memory is yours." in text
    none = drawn(replace(EMPTY, patch=PatchFile(None, "/code", (), missing)))
    assert "as a patch" not in none and "No patch for cache-items" in none


def test_a_checked_patch_is_told_from_remedies() -> None:
    assert "The patch, in whole runs in turns" in drawn(replace(EMPTY, trials=(trial("patch", "helps"),)))
    assert "Remedies, tried in turns" in drawn(replace(EMPTY, trials=(trial("a", "helps"),)))


def test_one_slow_window_does_not_make_the_device_the_limit() -> None:
    row = ceiling(2, 8.5, 13.8, "device")
    wide = replace(row, end_to_end=Interval(4.67, 4.16, 5.46, 4), device=Interval(8.5, 0.39, 10.5, 4))
    text = " ".join(drawn(replace(EMPTY, ceilings=(wide,)), 200).split())
    assert "together they reach 55% of the device alone" in text and "would win nothing" not in text
    unclear = replace(wide, end_to_end=Interval(7.0, 4.16, 9.0, 4))
    assert "differ too much to say by how much" in drawn(replace(EMPTY, ceilings=(unclear,)), 200)
