"""The card's rows, and drawings that keep to the screen."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from gpuwatch.diagnosis.examples.parts import (
    interval,
    make_device,
    make_hot_line,
    make_loader,
    make_machine,
    make_profile,
    make_rank,
    make_run,
    make_sampler,
)
from gpuwatch.diagnosis.examples.runs import sampler_run
from gpuwatch.judged_report import report_of
from gpuwatch.model.experiment import Experiment, Trial
from gpuwatch.model.findings import NotEvaluated, Speedup
from gpuwatch.model.hot_lines import Callee
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Overhead
from gpuwatch.model.recording import Gap
from gpuwatch.model.report import Training
from gpuwatch.views import card, markdown, terminal, text
from gpuwatch.views.card_drawing import _cells
from tests.builders import make_finding, make_report
from tests.golden.cases import REPORTS, drawn, input_bound

HOSTILE = "\x1b[2J\x1b]0;gone\x07[red]x[/red]\u202e\udcff\n"


@pytest.mark.parametrize("width", [80, 81, 93, 120, 160, 200])
@pytest.mark.parametrize("name", sorted(REPORTS))
def test_no_line_is_wider_than_the_screen(name: str, width: int) -> None:
    for line in drawn(REPORTS[name](), width).splitlines():
        assert cell_len(line) <= width, line


def test_ascii_is_ascii_and_keeps_the_columns() -> None:
    plain, ascii = drawn(input_bound(), 100), drawn(input_bound(), 100, ascii=True)
    assert ascii.isascii()
    assert [cell_len(line) for line in ascii.splitlines()] == [cell_len(line) for line in plain.splitlines()]


def test_the_phase_bar_without_colour_has_a_shape_for_each_phase() -> None:
    bar = next(line for line in drawn(input_bound(), 100).splitlines() if "██" in line).strip()
    assert len(set(bar)) == len(card.prepare(input_bound()).phases)


@pytest.mark.parametrize("shares", [[1.0], [0.5, 0.5], [0.98, 0.01, 0.005, 0.005], [0.1] * 10, [0.0, 1.0]])
@pytest.mark.parametrize("width", [20, 74, 191])
def test_the_bar_is_filled_and_every_part_of_it_is_seen(shares: list[float], width: int) -> None:
    cells = _cells(shares, width)
    assert sum(cells) == width and min(cells) >= 1


def test_of_an_iterator_for_each_step_the_start_is_told() -> None:
    report = input_bound()
    loader = dataclasses.replace(report.loaders[0], epoch_batches=1.0, first_batch_s=(0.046,) * 40)
    why = card.prepare(dataclasses.replace(report, loaders=(loader, *report.loaders[1:]))).why
    assert [fact.label for fact in why] == ["input wait", "step", "workers", "at best"]
    assert why[1].text.startswith("46 ms for an iterator and its batch + ")


def hostile_report() -> Any:
    finding = make_finding(summary=HOSTILE, advice=HOSTILE, edit=HOSTILE, verify=HOSTILE)
    loader = make_loader(dataset=HOSTILE)
    return make_report(
        make_profile(
            loader,
            hot_lines=(
                make_hot_line(file=f"/{HOSTILE}.py", source=HOSTILE, callee=Callee(HOSTILE, HOSTILE), function=HOSTILE),
            ),
        ),
        run=make_run(command=("python", HOSTILE), name=HOSTILE),
        findings=(finding,),
        devices=(make_device(name=HOSTILE),),
        problems=(HOSTILE,),
        not_evaluated=(NotEvaluated("gpu-x", HOSTILE),),
    )


def test_a_sampler_that_is_waited_for_is_shown_beside_the_queue() -> None:
    facts = {fact.label: (fact.text, fact.note) for fact in card.prepare(report_of(sampler_run())).why}
    assert facts["sampler"] == ("20 ms of each wait draw the indices", "Groups, in the training process")
    assert facts["queue"][0] == "next batch already queued for 100% of requests"
    small = sampler_run(sampler=make_sampler(seconds=0.05, ms_per_batch=0.05, share=0.01))
    assert "sampler" not in {fact.label for fact in card.prepare(report_of(small)).why}


def test_names_cannot_steer_the_terminal_nor_be_taken_for_markup() -> None:
    out = drawn(hostile_report(), 100)
    assert "\x1b" not in out and "\x07" not in out and "\u202e" not in out
    assert "[red]x[/red]" in out
    out.encode("utf-8")


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from strings(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from strings(getattr(value, field.name))


def test_no_row_of_the_card_has_anything_that_steers() -> None:
    rows = list(strings(card.prepare(hostile_report())))
    assert sum("[red]x[/red]" in row for row in rows) >= 9
    for row in rows:
        assert row == text.clean(row)


def test_ascii_is_as_wide_as_what_it_stands_for() -> None:
    assert terminal.to_ascii("größe 数据 1.5×") == "gr??e ???? 1.5x"


def test_colour_only_uses_what_rich_makes_of_it() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system="truecolor")
    console.print(card.render(hostile_report(), 100, True))
    assert "\x1b[2J" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_verdict_and_reasons() -> None:
    rows = card.prepare(make_report())
    assert (rows.badge, rows.headline, rows.tone) == (
        "Input-bound",
        "33% of the training loop is spent waiting for data",
        "bad",
    )
    assert [fact.label for fact in rows.why] == ["input wait", "step", "queue", "workers", "at best"]
    assert rows.why[0].text == "33% (31–35%) of the loop's time"
    assert rows.actions[0].where == "train.py:40"
    assert rows.actions[0].gain == "1.48× faster (1.40–1.56)"


def test_only_the_first_findings_are_shown_and_the_rest_is_counted() -> None:
    rows = card.prepare(make_report(findings=tuple(make_finding(name) for name in ("a", "b", "c", "d", "e"))))
    assert [action.id for action in rows.actions] == ["a", "b", "c"]
    assert rows.more == "2 more: d, e"


def test_a_compute_bound_run_is_told_to_leave_the_pipeline_alone_and_sees_no_loader_lines() -> None:
    rows = card.prepare(REPORTS["compute"]())
    assert rows.tone == "good"
    assert rows.nothing is not None and rows.nothing.startswith(
        "Leave the input pipeline alone: even one that cost nothing would make the run less than 1% faster."
        " No rule found work to save in the step either. Of the time that it computes, backward 63% and forward 32%."
    )
    assert "Looked at and clear: " in rows.nothing
    assert rows.lines == ()


def test_a_compute_bound_run_sees_the_lines_of_its_own_step() -> None:
    line = make_hot_line(process_role="trainer", activity="step")
    rows = card.prepare(make_report(verdict=REPORTS["compute"]().verdict, hot_lines=(line, make_hot_line())))
    assert [row.note for row in rows.lines] == ["trainer · in PIL decode"]


def test_a_run_that_mostly_starts_sees_the_lines_of_its_start_up() -> None:
    verdict = dataclasses.replace(REPORTS["compute"]().verdict, bound="startup")
    at = {7: "startup", 8: "importing", 9: "step"}
    hot = tuple(make_hot_line(process_role="trainer", activity=activity, line=line) for line, activity in at.items())
    rows = card.prepare(make_report(verdict=verdict, hot_lines=(make_hot_line(), *hot)))
    assert [row.where.rpartition(":")[2] for row in rows.lines] == ["7"]


def test_an_unknown_verdict_says_its_reason_once() -> None:
    shown = drawn(REPORTS["unknown"](), 120)
    assert shown.count("killed by signal 9 before a training step was") == 1
    assert "killed by signal 9" in shown and "Start it without -I" in shown


def test_missing_is_a_dash_and_no_gpu_has_its_reason() -> None:
    rank = make_rank(step_ms=None, wait_share=None)
    loader = make_loader(batch_size=None, samples_per_s=None, wait_share=None, fetch=None)
    gap = Gap(0, 20 * 10**9, "nvml", "no driver")
    rows = card.prepare(make_report(ranks=(rank, rank), loaders=(loader,), gaps=(gap,)))
    assert rows.ranks[0][-2:] == ("–", "–")
    assert rows.loaders[0].cells[3:] == ("–", "1,000", "–", "–")
    assert rows.machine[-1].text == "none seen" and rows.machine[-1].note == "no driver"
    assert rows.notes == ()


def test_a_gap_of_a_source_is_a_note() -> None:
    gap = Gap(0, 5 * 10**9, "processes", "permission denied")
    rows = card.prepare(make_report(gaps=(gap,), overhead=Overhead(8.0, 0.1, 10, dropped_events=12)))
    assert rows.notes == ("no processes data for 5.0 s: permission denied", "12 events were lost (disk full?)")


def test_ranks_share_one_loader_row() -> None:
    rows = card.prepare(REPORTS["ranks"]())
    assert [loader.cells[0] for loader in rows.loaders] == ["training ×8"]
    assert len(rows.ranks) == 8
    assert rows.machine[-1].text == "and 4 more GPUs"


def test_the_loader_of_the_verdict_comes_first_and_hidden_ones_are_counted() -> None:
    others = tuple(make_loader(id=f"r0.l{i}", dataset=f"D{i}", seconds=float(i)) for i in range(1, 7))
    rows = card.prepare(make_report(loaders=(*others, make_loader()), primary="r0.l0")).loaders
    assert [row.cells[1] for row in rows] == ["Photos", "D6", "D5", "D4", ""]
    assert rows[-1].cells[0] == "and 3 more"


def test_an_idle_machine_without_measurement_has_no_cpu_row() -> None:
    assert [f.label for f in card.prepare(make_report(machine=make_machine(run_cores=None))).machine] == ["GPU"]


def test_trials_are_shown() -> None:
    trial = Trial(
        "1",
        "persistent workers",
        None,
        interval(10),
        interval(8),
        "ms",
        interval(1.25, 0.02),
        "helps",
        "unchanged",
        None,
        1.3,
    )
    failed = Trial(
        "2", "scaled decode", None, interval(10), interval(10), "ms", interval(1), "failed", "", None, note="no PIL"
    )
    experiment = Experiment("e1", ("python",), 1, 9.0, (failed,))
    rows = card.prepare(make_report(trials=(trial,), experiments=(experiment,))).tried
    assert rows[0] == ("persistent workers", "10 ms", "8 ms", "helps, 1.25× (1.23–1.27)", "1.30×", "unchanged")
    assert rows[1][3] == "failed: no PIL"


def test_a_gain_that_is_not_finite_is_not_shown() -> None:
    finding = make_finding(speedup=Speedup(float("inf"), 1.0, float("inf"), ""))
    assert card.prepare(make_report(findings=(finding,))).actions[0].gain == ""


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"COLUMNS": "133"}, (133, False)),
        ({"COLUMNS": "20"}, (80, False)),
        ({"COLUMNS": "999"}, (200, False)),
        ({"COLUMNS": "wide"}, (100, False)),
    ],
)
def test_the_screen_of_a_pipe(env: dict[str, str], expected: tuple[int, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    on = terminal.screen(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert (on.width, on.color) == expected and not on.ascii


@pytest.mark.parametrize(
    ("encoding", "ascii"), [("utf-8", False), ("ascii", True), ("latin-1", True), ("ANSI_X3.4-1968", True)]
)
def test_the_encoding_decides_on_ascii(encoding: str, ascii: bool) -> None:
    assert terminal.screen(io.TextIOWrapper(io.BytesIO(), encoding=encoding)).ascii is ascii


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("env", "color"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_colour_on_a_terminal(env: dict[str, str], color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert terminal.screen(Tty()).color is color


def test_several_trainings_are_listed_with_their_own_verdicts() -> None:
    verdict = make_report().verdict
    one = Training(1, 10, "python a.py --epochs 3", 0.5, 12.0, 1, 300, verdict, (), ())
    here = dataclasses.replace(one, number=2, pid=20, command="python b.py", ranks=2, shown=True)
    report = make_report(trainings=(one, here))
    shown = card.prepare(report)
    assert [row[0] for row in shown.trainings] == ["1", "2 (here)"]
    assert shown.trainings[1][4] == "300 ×2"
    assert "of training 2" in shown.phases_of
    screen = drawn(report, 120)
    assert "Trainings of this run" in screen and "python a.py --epochs 3" in screen
    assert card.prepare(make_report()).trainings == ()
    assert "| 2 (here) | python b.py |" in markdown.render(report) and "Trainings" not in markdown.render(make_report())


def test_lines_of_two_kinds_are_apart_in_order_and_say_what_their_shares_are_of() -> None:
    step = make_hot_line(process_role="trainer", activity="step", share=0.9, line=7, callee=None, cost_s=9.0)
    hot = (step, make_hot_line(share=0.78, line=5, cost_s=7.8), make_hot_line(share=0.03, line=4, cost_s=0.3))
    blamed = make_finding(where=Place(step.file, step.line))
    rows = card.prepare(make_report(hot_lines=hot, findings=(blamed,)))
    assert [(line.share, line.where[-2:]) for line in rows.lines] == [("90%", ":7"), ("78%", ":5"), ("3%", ":4")]
    shown = drawn(make_report(hot_lines=hot, findings=(blamed,)), 120)
    order = [
        shown.index(part) for part in ("share of the training loop's own code", "90%", "share of making batches", "78%")
    ]
    assert order == sorted(order) and not rows.lines_note.startswith("share")


def test_a_costlier_line_of_the_training_comes_before_those_of_idle_workers() -> None:
    step = make_hot_line(process_role="trainer", activity="step", share=0.77, line=7, callee=None, cost_s=7.7)
    model = dataclasses.replace(step, line=8, share=0.9, cost_s=9.0, model_share=1.0)
    hot = (model, step, make_hot_line(share=1.0, line=4, cost_s=0.2))
    assert [line.where[-2:] for line in card.prepare(make_report(hot_lines=hot, findings=())).lines] == [":7", ":4"]


def test_a_gain_that_rounds_to_none_is_not_printed() -> None:
    nothing, something = (make_hot_line(speedup_if_free=gain) for gain in (1.004, 1.01))
    assert card.prepare(make_report(hot_lines=(nothing,))).lines[0].gain == ""
    assert card.prepare(make_report(hot_lines=(something,))).lines[0].gain == "1.01× if free"


def test_a_line_and_the_place_below_it_are_both_on_the_card() -> None:
    base = Place("/env/lib/python3.11/site-packages/ultralytics/data/base.py", 231, "load_image")
    line = make_hot_line(
        below=base, below_callee=Callee("cv2", "imdecode", qualified=True), makes="YOLODataset", callee=None
    )
    shown = drawn(make_report(hot_lines=(line,)), 120)
    assert "data.py:48" in shown and "→ ultralytics/data/base.py:231 → cv2.imdecode" in shown


def test_a_cell_of_a_notebook_has_its_number_and_no_file() -> None:
    rows = card.prepare(make_report(hot_lines=(make_hot_line(file="cell [3]", line=2),)))
    assert (rows.lines[0].where, rows.lines[0].path) == ("cell [3], line 2", "")
    rows = card.prepare(make_report(hot_lines=(make_hot_line(file="/tmp/ipykernel_97/311.py", line=2),)))
    assert rows.lines[0].where == "notebook cell, line 2"
