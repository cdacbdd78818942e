"""How a report is held against what the ablations showed, and what counts as a contradiction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmarks.wild import contradictions, table
from scripts.benchmarks.wild.judge import is_at, judge
from scripts.benchmarks.wild.project import Place, Truth
from scripts.benchmarks.wild.running import Run, results_in
from scripts.benchmarks.wild.scoring import compared, outcome, overhead, shortened

TRUTH = Truth(
    bounds=("input",),
    causes=("oversized-decode",),
    why="",
    also=("too-few-workers",),
    places=(Place("data/base.py", "load_image"),),
    advice="oversized-decode",
    fix="draft",
)
GAINS = {"draft": {"loop": {"median": 2.0}}}


def gain(predicted: float, low: float = 1.0, high: float = 9.0) -> dict[str, Any]:
    return {"predicted": predicted, "low": low, "high": high, "basis": ""}


def finding(
    id: str, file: Path | None = None, line: int = 1, function: str = "", speedup: Any = None
) -> dict[str, Any]:
    where = {"file": str(file), "line": line, "function": function} if file else None
    said = {"severity": "warning", "confidence": "high", "summary": "", "evidence": []}
    return {"id": id, "where": where, "speedup": speedup, **said}


def report(bound: str = "input", findings: Any = (), lines: Any = (), free: float | None = 3.0) -> dict[str, Any]:
    phases = [{"name": "startup", "seconds": 4.0, "share": 0.4}, {"name": "input wait", "seconds": 6.0, "share": 0.6}]
    verdict = {
        "bound": bound,
        "confidence": "high",
        "headline": "",
        "input_wait_share": {"median": 0.6, "low": 0.5, "high": 0.7},
        "speedup_if_input_free": gain(free) if free else None,
    }
    return {
        "verdict": verdict,
        "findings": list(findings),
        "hot_lines": list(lines),
        "phases": phases,
        "trainings": [],
        "run": {"ranks": 1, "duration_s": 10.0},
    }


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "ultralytics" / "data" / "base.py"
    file.parent.mkdir(parents=True)
    file.write_text("\n" * 300)
    return file


def hot(file: Path, line: int = 1, share: float = 0.5, **changes: Any) -> dict[str, Any]:
    return {
        "file": str(file),
        "line": line,
        "function": "f",
        "share": share,
        "activity": "fetch",
        "callee": None,
    } | changes


def test_a_right_report_is_right_in_everything(code: Path) -> None:
    first = finding("oversized-decode", code, 231, "BaseDataset.load_image", gain(1.8))
    told = judge(TRUTH, report(findings=[first, finding("too-few-workers")]), GAINS)
    assert told.bound_right and told.first_right and told.line_right
    assert told.line == "data/base.py:231 BaseDataset.load_image"
    assert (told.wrong, told.contradictions) == ((), ())
    assert told.error == pytest.approx(0.1)


def test_a_launchers_line_and_advice_on_a_framework_are_wrong(code: Path) -> None:
    launcher = code.parent / "yolo"
    launcher.write_text("\n" * 20)
    told = judge(TRUTH, report("host", [finding("slow-step-code", launcher, 10, "<module>")]), GAINS)
    assert not (told.bound_right or told.first_right or told.line_right)
    assert told.wrong == ("slow-step-code",)


def test_without_a_finding_the_first_hot_line_is_what_a_reader_acts_on(code: Path) -> None:
    truth = Truth(bounds=("compute",), causes=(), why="", places=(Place("data/base.py"),))
    told = judge(truth, report("compute", lines=[hot(code, 7)], free=1.0), {})
    assert told.first_right and told.line_right and told.predicted is None and told.error is None


def test_a_notice_of_the_machine_is_no_advice() -> None:
    told = judge(Truth(("compute",), (), ""), report("compute", [finding("not-instrumented")], free=1.0), {})
    assert told.first_right and told.findings == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (report("compute", free=1.24), "the verdict is compute, and an input that cost nothing"),
        (report(free=1.0), "would win nothing"),
        (report("compute", [finding("too-few-workers", speedup=gain(1.5))], free=1.0), "too-few-workers would win"),
        (report(findings=[finding("slow-sample", speedup=gain(5.0))]), "more than an input that cost nothing"),
        (report() | {"run": {"ranks": 1, "duration_s": 15.0}}, "the phases are 10.0 s of a run of 15.0 s"),
        (report(findings=[finding("slow-sample", speedup=gain(2.0, low=2.1))]), "is not within"),
        (report(findings=[finding("too-few-workers"), finding("too-many-workers")]), "advise the opposite"),
    ],
)
def test_what_cannot_both_be_true_is_found(changed: dict[str, Any], said: str) -> None:
    assert any(said in sentence for sentence in contradictions.found(changed)), contradictions.found(changed)


def test_a_report_that_agrees_with_itself_has_none(code: Path) -> None:
    good = report(findings=[finding("slow-sample", code, 300, speedup=gain(2.0))], lines=[hot(code)])
    assert contradictions.found(good) == []


def test_evidence_must_be_the_verdicts() -> None:
    other = finding("slow-sample")
    other["evidence"] = [{"metric": "input wait", "unit": "share", "value": 0.2}]
    assert contradictions.found(report(findings=[other])) == [
        "slow-sample has an input wait of 20%, the verdict of 60%"
    ]


@pytest.mark.parametrize("line", [0, 302, 2153949776])
def test_a_place_must_exist(code: Path, line: int) -> None:
    assert contradictions.found(report(lines=[hot(code, line)])) == [f"data/base.py:{line} does not exist"]
    assert contradictions.found(report(lines=[hot(code.parent / "family", 1)])) == ["data/family:1 does not exist"]


def test_results_count_only_where_bare_runs_agree() -> None:
    def pair(bare: str, wrapped: str) -> dict[str, Run]:
        return {"bare": Run(0, 1.0, "", None, results=(bare,)), "wrapped": Run(0, 1.0, "", None, results=(wrapped,))}

    assert compared([pair("1", "1"), pair("1", "1")])["identical"] is True
    assert compared([pair("1", "1"), pair("1", "2")])["identical"] is False
    assert compared([pair("1", "1"), pair("2", "2")]) == {
        "deterministic": False,
        "identical": None,
        "lines": 1,
        "last": "1",
    }
    assert compared([pair("1", "1")])["deterministic"] is None
    assert overhead([pair("1", "1")]) is None


def test_try_works_from_two_rounds_on() -> None:
    row = {"remedy": "workers=2", "verdict": "helps", "ratio": {"median": 1.5, "n": 4}}
    assert outcome({"ceilings": [], "trials": [row], "notes": []})["works"] is True
    once = outcome({"ceilings": [{"end_to_end": {"n": 1}}], "trials": [], "notes": ["the budget is too small"]})
    assert (once["works"], once["notes"]) == (False, ["the budget is too small"])
    assert outcome(None)["works"] is False


def test_the_table_shows_what_was_wrong(monkeypatch: pytest.MonkeyPatch, code: Path) -> None:
    monkeypatch.setattr(table.catalogue, "load", lambda name: type("P", (), {"truth": TRUTH}))
    monkeypatch.setattr(table, "is_measured", lambda name: name == "yolo")
    shown = report("host", [finding("slow-step-code", code, 10)])
    judgement = judge(TRUTH, shown, GAINS)
    result = {"judgement": {name: getattr(judgement, name) for name in judgement.__slots__}}
    cells = dict(zip(table.HEAD, table.row("yolo", result), strict=True))
    assert cells["verdict"] == "**no**: host"
    assert cells["first finding"] == "**no**: slow-step-code"
    assert (cells["predicted"], cells["measured"], cells["`try`"]) == ("–", "2.00×", "–")
    assert table.row("yolo", {"failed": "no wheel"})[2] == "no wheel"
    assert "Verdict right: 0/1." in table.totals({"yolo": result})
    unknown = dict(zip(table.HEAD, table.row("unmeasured", result), strict=True))
    assert (unknown["true bound"], unknown["verdict"]) == ("not measured", "host")
    assert "Verdict right: 0/0." in table.totals({"unmeasured": result})
    assert shortened(shown, str)["findings"][0]["where"].endswith("data/base.py:10")


def test_a_progress_bars_last_word_is_a_result_once() -> None:
    said = "\r\x1b[K  1/2  0G  1.5: 50%\r\x1b[K  1/2  0G  1.4: 100% 3s\r\x1b[K  1/2  0G  1.4: 100% 4s\n"
    assert results_in(r"^ +(\S+) +0G +([\d.]+): 100%", said) == ("1/2 1.4",)
    assert results_in("", said) == ()


def test_the_time_of_a_launcher_is_no_gap_in_the_phases_of_its_rank() -> None:
    launched = report() | {"run": {"ranks": 1, "duration_s": 15.0}, "ranks": [{"start_s": 4.0, "seconds": 10.0}]}
    assert contradictions.found(launched) == []


def test_a_place_without_a_function_is_judged_by_the_one_around_its_line(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("def main():\n    def load(file):\n        return open(file)\n    return load\n")
    where = {"file": str(tmp_path / "train.py"), "line": 3, "function": None}
    assert is_at(Place("train.py", "load"), where) and not is_at(Place("train.py", "main"), where)


@pytest.mark.parametrize(
    ("gain_of_two", "severity", "wrong"),
    [(0.7, "warning", ("no-worker-processes",)), (0.7, "info", ()), (0.99, "warning", ()), (1.3, "warning", ())],
)
def test_advice_to_add_workers_is_wrong_where_the_ablations_with_workers_are_slower(
    gain_of_two: float, severity: str, wrong: tuple[str, ...]
) -> None:
    truth = replace(TRUTH, causes=("no-worker-processes",), also=())
    gains = {"workers=1": {"loop": {"median": 0.6}}, "workers=2": {"loop": {"median": gain_of_two}}}
    said = finding("no-worker-processes") | {"severity": severity}
    assert judge(truth, report(findings=[said]), gains).wrong == wrong


def test_fewer_workers_than_there_are_say_nothing_about_more() -> None:
    truth = replace(TRUTH, causes=("too-few-workers",), also=())
    running = report(findings=[finding("too-few-workers")]) | {"loaders": [{"workers": 2, "role": "training"}]}
    assert judge(truth, running, {"workers=1": {"loop": {"median": 0.6}}}).wrong == ()
    disturbed = {"workers=4": {"loop": {"median": 0.6}, "disturbed": True}}
    assert judge(truth, running, disturbed).wrong == ()
    assert judge(truth, running, {"workers=4": {"loop": {"median": 0.6}}}).wrong == ("too-few-workers",)
