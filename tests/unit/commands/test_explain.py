"""`gpuwatch explain`: the list, the pages, and a rule evaluated on a recorded run, as text and as JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gpuwatch.diagnosis.examples.complete import HEADINGS
from gpuwatch.rules import RULES
from tests.spools import FakeRun

NUMBER_OR_NULL: dict[str, Any] = {"type": ["number", "null"]}
STRINGS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}


def exactly(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


NEED = exactly(
    what={"type": "string"}, state={"enum": ["met", "missing", "not met"]}, value={"type": ["number", "string", "null"]}
)
COMPARISON = exactly(
    threshold={"type": "string", "minLength": 1},
    value={"type": "number"},
    low=NUMBER_OR_NULL,
    high=NUMBER_OR_NULL,
    sign={"enum": ["<", "<=", ">", ">="]},
    limit={"type": "number"},
    unit={"type": "string"},
    holds={"enum": ["yes", "no", "borderline"]},
    why={"type": "string"},
)
OUTCOME = exactly(
    state={"enum": ["finding", "clear", "not evaluated"]},
    text={"type": "string"},
    severity={"enum": ["critical", "warning", "info", None]},
    confidence={"enum": ["high", "medium", "low", "borderline", None]},
    hidden_by=STRINGS,
)
EVALUATION = exactly(
    schema={"const": "gpuwatch.evaluation/1"},
    id={"type": "string"},
    title={"type": "string"},
    run={"type": "string"},
    command=STRINGS,
    needs={"type": "array", "items": NEED},
    comparisons={"type": "array", "items": COMPARISON},
    outcome=OUTCOME,
)
THRESHOLD = exactly(name={"type": "string"}, value={"type": "number"}, unit={"type": "string"}, why={"type": "string"})
PAGE = exactly(
    schema={"const": "gpuwatch.finding/1"},
    id={"type": "string"},
    title={"type": "string"},
    sections={"type": "object", "additionalProperties": {"type": "string"}},
    needs=STRINGS,
    thresholds={"type": "array", "items": THRESHOLD},
    hides=STRINGS,
    remedies=STRINGS,
)


@pytest.fixture
def several(tmp_path: Path) -> None:
    """A run of two trainings: the first waits 75 % of its time for data, the second hardly."""
    run = FakeRun(tmp_path / ".gpuwatch" / "several")
    first = run.trainer(pid=100, argv=["python", "a.py"]).loop(batches=60, wait_ms=30, compute_ms=10)
    run.now = first.now
    run.trainer(pid=200, argv=["python", "b.py"]).loop(batches=200, wait_ms=1, compute_ms=40)
    run.write(child_pid=1)


def evaluated(call: Any, rule: str, run: str = "several:1") -> Any:
    result = call("explain", rule, "--run", run, "--json")
    assert (result.code, result.err) == (0, "")
    jsonschema.validate(result.json, EVALUATION)
    return result.json


def test_the_list_names_every_rule_with_its_title(call: Any) -> None:
    data = call("explain", "--json").json
    assert data["schema"] == "gpuwatch.findings/1"
    assert [entry["id"] for entry in data["findings"]] == [rule.id for rule in RULES]
    assert all(set(entry) == {"id", "title"} and entry["title"] for entry in data["findings"])
    listed = call("explain").out
    assert all(f"{entry['id']} " in listed for entry in data["findings"])


def test_every_page_has_all_four_headings(call: Any) -> None:
    for entry in call("explain", "--json").json["findings"]:
        page = call("explain", entry["id"], "--json").json
        jsonschema.validate(page, PAGE)
        assert list(page["sections"]) == HEADINGS and all(page["sections"].values()), entry["id"]


def test_a_page_is_drawn_with_needs_thresholds_and_what_it_hides(call: Any) -> None:
    page = call("explain", "thread_oversubscription")
    assert page.code == 0 and "What it means" in page.out and "OMP_NUM_THREADS" in page.out
    assert "1.3 threads per core" in page.out and "CPU time of the workers' threads" in page.out
    assert "cpu-saturated, too-few-workers" in page.out and "single-threaded-workers" in page.out


def test_a_typo_gets_a_suggestion(call: Any) -> None:
    typo = call("explain", "to-few-worker")
    assert typo.code == 2 and "gpuwatch explain too-few-workers" in typo.err
    assert call("explain", "zzz").code == 2


@pytest.mark.parametrize("columns", [80, 120])
def test_pages_fit_the_terminal(call: Any, monkeypatch: pytest.MonkeyPatch, several: None, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in ((), ("worker-memory-growth",), ("no-worker-processes", "--run", "several:1")):
        lines = call("explain", *arguments).out.splitlines()
        assert max(map(len, lines)) <= columns and not any(line.endswith("…") for line in lines)


def test_a_finding_is_shown_with_each_need_and_number(call: Any, several: None) -> None:
    data = evaluated(call, "no-worker-processes")
    assert data["needs"][1] == {"what": "the cost of making a batch", "state": "met", "value": None}
    wait, gain = data["comparisons"][:2]
    assert (wait["threshold"], wait["value"], wait["sign"], wait["limit"]) == ("input_wait", 0.75, ">", 0.1)
    assert wait["low"] <= 0.75 <= wait["high"] and wait["holds"] == "yes"
    assert (gain["threshold"], gain["sign"], gain["limit"], gain["holds"]) == ("min_gain", "<", 1.05, "no")
    assert data["outcome"]["state"] == "finding" and data["outcome"]["severity"] == "critical"
    drawn = call("explain", "no-worker-processes", "--run", "several:1").out
    assert "✓  a loop that waits for data" in drawn and "> 0.1 share of the loop: yes" in drawn
    assert "Found: batches are made in the training process" in drawn


def test_a_missing_need_is_what_is_missing(call: Any, several: None) -> None:
    data = evaluated(call, "low-sm-activity")
    missing = "the GPM metric SM active (Hopper or later)"
    assert data["needs"] == [{"what": "the GPM metric SM active", "state": "missing", "value": missing}]
    assert (data["outcome"]["state"], data["outcome"]["text"]) == ("not evaluated", f"it needs {missing}")
    drawn = call("explain", "low-sm-activity", "--run", "several:1").out
    assert (
        f"✗  the GPM metric SM active  missing: {missing}" in drawn and f"Not evaluated: it needs {missing}." in drawn
    )


def test_a_need_that_is_not_met_makes_it_clear(call: Any, several: None) -> None:
    data = evaluated(call, "too-few-workers")
    assert data["needs"][1] == {"what": "worker processes", "state": "not met", "value": None}
    assert data["outcome"] == {"state": "clear", "text": "", "severity": None, "confidence": None, "hidden_by": []}
    assert "·  worker processes            no" in call("explain", "too-few-workers", "--run", "several:1").out


def test_a_clear_rule_shows_the_number_that_made_it_clear(call: Any, several: None) -> None:
    data = evaluated(call, "evaluation-share")
    (only,) = data["comparisons"]
    assert (only["threshold"], only["value"], only["sign"], only["holds"]) == ("share", 0.0, "<", "yes")
    assert data["outcome"]["state"] == "clear"
    assert "share  0 < 0.25 share of the loop: yes" in call("explain", "evaluation-share", "--run", "several:1").out


def test_one_of_several_trainings_is_evaluated(call: Any, several: None) -> None:
    first, second = (evaluated(call, "no-worker-processes", f"several:{n}") for n in (1, 2))
    assert first["outcome"]["state"] == "finding" and second["outcome"]["state"] == "clear"
    assert first["run"] == second["run"] == "several"
    assert call("explain", "no-worker-processes", "--run", "several:3").code == 2


def test_an_unknown_run_and_a_run_without_a_finding_are_one_line(call: Any, several: None) -> None:
    for arguments in (("cpu-quota", "--run", "nosuch"), ("--run", "several")):
        result = call("explain", *arguments)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)


def test_a_finding_that_another_explains_says_which(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {rule.id: rule for rule in RULES}
    ours["worker-restart"] = replace(ours["worker-restart"], hides=("slow-startup",))
    monkeypatch.setattr("gpuwatch.rules.all_rules", lambda: tuple(ours.values()))
    run = FakeRun(tmp_path / ".gpuwatch" / "epochs")
    trainer = run.trainer(process_start_ns=run.now - 8_000_000_000)
    for epoch in range(5):
        workers = [(0, 101 + 2 * epoch), (1, 102 + 2 * epoch)]
        trainer.loop(batches=20, wait_ms=1, compute_ms=10, first_ms=900, make_ms=700, workers=workers)
    run.write()
    hidden = evaluated(call, "slow-startup", "epochs")
    assert evaluated(call, "worker-restart", "epochs")["outcome"]["hidden_by"] == []
    assert hidden["outcome"]["state"] == "finding" and hidden["outcome"]["hidden_by"] == ["worker-restart"]
    drawn = call("explain", "slow-startup", "--run", "epochs").out
    assert "It is not on the card: worker-restart explains it." in drawn


def test_outcomes_are_said_in_sentences(call: Any, several: None) -> None:
    found = call("explain", "no-worker-processes", "--run", "several:1").out
    assert "Found: batches are made in the training process" in " ".join(found.split())
    assert "Critical. High confidence." in found
    assert (
        "Nothing found: the rule had what it needs" in call("explain", "no-worker-processes", "--run", "several:2").out
    )
    missing = " ".join(call("explain", "gpu-throttled", "--run", "several:1").out.split())
    assert "Not evaluated: it needs" in missing and "not evaluated:" not in missing
