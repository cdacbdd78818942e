"""Rules of other packages: in the report, its ranking, `explain` and `--fail-on`; one that cannot be loaded says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gpuwatch import rules
from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.complete import check
from gpuwatch.diagnosis.examples.runs import HIDDEN, STARVED, no_loader
from gpuwatch.judged_report import report_of
from gpuwatch.views.json import schema, to_dict
from tests import distributions
from tests.spools import FakeRun

RULE = '''"""A run whose loop waits a lot.

What it means
    It waits.

How it is measured
    The share of input wait.

When it is wrong
    Never.

What to do
    Wait less.
"""

from dataclasses import dataclass

from gpuwatch.diagnosis.needs import STARVED_LOADER, StarvedLoader
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup
from gpuwatch.model.profile import Profile


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    share: Threshold = Threshold(0.3, "share of the loop", "A third of the time.")


def check(profile: Profile, t: Thresholds, seen: StarvedLoader) -> Found | None:
    share = seen.loader.wait_share.median
    if share < t.share:
        return None
    return Found(
        severity="critical",
        confidence="high",
        summary=f"the loop waits {share:.0%} of its time",
        evidence=(Evidence("input wait", round(share, 3), "share of the loop", t.share),),
        advice="Wait less.",
        speedup=Speedup(9.0, 8.0, 10.0, "no waiting"),
    )


RULE = Rule("acme-waits", __doc__, check, (STARVED_LOADER,), Thresholds(), hides=("too-few-workers",))
'''
CASES = (
    fires(STARVED, "critical", "the loop waits 33% of its time", speedup=9.0),
    clear(HIDDEN),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
POINTS = {
    "acme-waits": "acme.waits:RULE",
    "acme-lacks": "acme.lacks:RULE",
    "acme-exits": "acme.exits:RULE",
    "acme-other": "acme.waits:RULE",
    "too-few-workers": "acme.waits:RULE",
}
LACKS = "ModuleNotFoundError: No module named 'not_installed'"
BROKEN = {
    "acme-lacks": f"the rule could not be loaded from acme.lacks:RULE: {LACKS}",
    "acme-exits": "the rule could not be loaded from acme.exits:RULE: SystemExit: 3",
    "acme-other": "the rule could not be loaded from acme.waits:RULE: TypeError: it is no Rule with the id acme-other",
}


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with a rule, with three that cannot be loaded, and with one of gpuwatch's ids."""
    site = tmp_path / "site"
    files = {"acme/__init__.py": "", "acme/waits.py": RULE, "acme/lacks.py": "import not_installed\n"}
    distributions.write(site, "acme-rules", POINTS, files | {"acme/exits.py": "raise SystemExit(3)\n"})
    with distributions.installed(site, monkeypatch):
        yield


@pytest.fixture
def waiting(tmp_path: Path) -> str:
    run = FakeRun(tmp_path / ".gpuwatch" / "waiting")
    run.trainer().loop(batches=60, wait_ms=30, compute_ms=10)
    run.write()
    return "waiting"


def test_a_rule_of_another_package_is_evaluated_ranked_and_hides(acme: None) -> None:
    report = report_of(STARVED)
    assert [finding.id for finding in report.findings] == ["acme-waits"]
    assert "too-few-workers" in [finding.id for finding in report.suppressed]
    assert "acme-waits" in report_of(HIDDEN).clear
    jsonschema.validate(to_dict(report), schema())


def test_one_that_cannot_be_loaded_leaves_the_report_as_it_was_and_says_why(acme: None) -> None:
    report = report_of(STARVED)
    assert {o.id: o.missing for o in report.not_evaluated if o.id.startswith("acme")} == BROKEN
    assert len(report.findings + report.suppressed + report.not_evaluated) + len(report.clear) == len(rules.RULES) + 4


def test_no_package_replaces_a_rule_of_gpuwatch(acme: None) -> None:
    assert [rule.id for rule in rules.all_rules()].count("too-few-workers") == 1
    assert rules.all_rules()[: len(rules.RULES)] == rules.RULES


def test_ids_are_known_without_importing_the_package(acme: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(point: object) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr("gpuwatch.rules._load", fail)
    assert set(POINTS) < set(rules.ids())


def test_explain_lists_shows_and_evaluates_it(acme: None, call: Any, waiting: str) -> None:
    listed = {entry["id"]: entry["title"] for entry in call("explain", "--json").json["findings"]}
    assert listed["acme-waits"] == "A run whose loop waits a lot."
    assert listed["acme-lacks"] == "A rule of acme-rules that could not be loaded."
    assert "Wait less." in call("explain", "acme-waits").out
    assert LACKS in " ".join(call("explain", "acme-lacks").out.split())
    shown = call("explain", "acme-waits", "--run", waiting).out
    assert "share       0.75 < 0.3 share of the loop: no" in shown and "the loop waits 75% of its time" in shown
    broken = call("explain", "acme-lacks", "--run", waiting, "--json").json
    assert broken["outcome"]["text"] == BROKEN["acme-lacks"]


def test_a_gate_trips_on_it_and_on_one_that_could_not_be_loaded(acme: None, call: Any, waiting: str) -> None:
    found = call("check", waiting, "--fail-on", "finding:acme-waits")
    assert found.code == 3 and found.out.startswith("TRIPPED")
    unknown = call("check", waiting, "--fail-on", "finding:acme-lacks")
    assert unknown.code == 3 and f"not evaluated, {BROKEN['acme-lacks']}" in unknown.out


def test_without_the_package_its_ids_are_unknown(call: Any, waiting: str) -> None:
    assert "acme-waits" not in rules.ids()
    assert call("check", waiting, "--fail-on", "finding:acme-waits").code == 2
    assert call("explain", "acme-waits").code == 2


def test_its_cases_are_checked_with_one_line(acme: None) -> None:
    (rule,) = [rule for rule in rules.all_rules() if rule.id == "acme-waits"]
    check(rule, CASES)
    with pytest.raises(AssertionError, match=r'"critical",\n    "the loop waits 33% of its time"'):
        check(rule, (fires(STARVED, "warning", "?"), *CASES[1:]))
    with pytest.raises(AssertionError, match="cases: none in which the rule fires"):
        check(rule, CASES[1:])
