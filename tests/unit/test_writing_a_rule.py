"""The walk-through docs/writing-a-rule.md: its rule works as a package's, its output is real, its tables are the code's."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis import needs
from gpuwatch.diagnosis.examples.complete import HEADINGS, problems
from gpuwatch.diagnosis.examples.parts import make_machine
from gpuwatch.diagnosis.examples.runs import BLOCKED, run_of
from gpuwatch.diagnosis.rule import Found, Need, Rule
from gpuwatch.judged_report import report_of
from gpuwatch.model import hot_lines, loader_profile, machine_profile, profile
from gpuwatch.model.findings import Clear, Traits
from gpuwatch.rules import all_rules, ids
from tests import distributions

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "writing-a-rule.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'^```python title="(.+?)"\n(.*?)^```$', TEXT, re.MULTILINE | re.DOTALL))
POINTS = dict(re.findall(r'^([a-z-]+) = "(.+)"$', TEXT, re.MULTILINE))
ROW = re.compile(r"^\| `(\w+)(?:\((.*?)\))?` \| (.*?) \|", re.MULTILINE)
MODULES = (profile, loader_profile, machine_profile, hot_lines)


def table(head: str) -> list[tuple[str, str, str]]:
    """Return the rows below a head's first cells: name, arguments, second cell."""
    return ROW.findall(TEXT.partition(f"| {head} |")[2].partition("\n\n")[0])


@pytest.fixture
def rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rule]:
    """The page's rule, installed as it says."""
    files = {f"acme/memory_pressure/{name}": text for name, text in FILES.items()}
    packages = {"acme/__init__.py": "", "acme/memory_pressure/__init__.py": ""}
    distributions.write(tmp_path, "acme", POINTS, files | packages)
    with distributions.installed(tmp_path, monkeypatch):
        (found,) = [rule for rule in all_rules() if rule.id == "memory-pressure"]
        yield found


def test_the_page_has_the_files_of_a_rule_that_there_is_not() -> None:
    assert list(FILES) == ["rule.py", "cases.py", "test_rules.py"]
    assert POINTS == {"memory-pressure": "acme.memory_pressure.rule:RULE"} and "memory-pressure" not in ids()


def test_its_rule_is_complete_and_its_one_line_test_passes(rule: Rule) -> None:
    assert problems(rule, import_module("acme.memory_pressure.cases").CASES) == []
    scope: dict[str, Any] = {}
    exec(FILES["test_rules.py"], scope)
    scope["test_memory_pressure"]()


def test_its_rule_is_part_of_the_report(rule: Rule) -> None:
    pressed = make_machine(memory_pressure=0.4)
    report = report_of(run_of(machine=pressed, fetch=BLOCKED | {"rchar_per_batch": 3e6}))
    assert "memory-pressure" in [finding.id for finding in report.findings]
    assert "storage-wait" in [finding.id for finding in report.suppressed]
    assert "memory-pressure" in report_of(run_of()).clear


def test_the_printed_check_is_what_it_prints(rule: Rule) -> None:
    cases = import_module("acme.memory_pressure.cases").CASES
    unknown = dataclasses.replace(cases[0], what="", confidence="high", where=None, speedup=None)
    source = "run_of(machine=make_machine(memory_pressure=0.2))"
    (said,) = problems(rule, (unknown, *cases[1:]), (source, *("" for _ in cases[1:])))
    assert f"$ gpuwatch rule check memory-pressure\n{said}\nmemory-pressure: 5 cases, 1 problem\n```" in TEXT


def test_its_code_passes_lint(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", re.findall(r"^### `(\w+)`$", TEXT, re.MULTILINE))
def test_the_fields_of_the_profile_exist(name: str) -> None:
    declared = next(vars(module)[name] for module in MODULES if name in vars(module))
    section = TEXT.partition(f"### `{name}`\n")[2].partition("\n#")[0]
    fields = {field.name for field in dataclasses.fields(declared)}
    assert ROW.findall(section) and {row[0] for row in ROW.findall(section)} <= fields
    mentioned = {word for _, _, cell in ROW.findall(section) for word in re.findall(r"`([a-z]+_[a-z_]+)`", cell)}
    assert mentioned <= fields


def test_the_needs_are_all_there() -> None:
    declared = {name: need.what for name, need in vars(needs).items() if isinstance(need, Need)}
    assert {name: what for name, _, what in table("need")} == declared


@pytest.mark.parametrize(("head", "declared"), [("field | what it says", Found), ("trait", Traits)])
def test_every_field_has_its_row(head: str, declared: type[Any]) -> None:
    assert {name for name, _, _ in table(head)} == {field.name for field in dataclasses.fields(declared)}


def test_the_functions_of_the_model_exist() -> None:
    functions = [name for name, _, _ in table("function")]
    assert functions and all(callable(getattr(throughput, name)) for name in functions)


def test_the_rules_page_has_the_four_headings(rule: Rule) -> None:
    assert list(rule.sections()) == HEADINGS and isinstance(rule.evaluate(run_of(8.0)), Clear)
