"""`gpuwatch rule`: a skeleton that compiles, finds nothing and says what is to be edited; the check of a rule's cases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.diagnosis.examples.complete import case_problems, problems
from gpuwatch.model.findings import Clear, NotEvaluated
from gpuwatch.rules.too_few_workers.cases import CASES
from tests.distributions import forget

ROOT = Path(__file__).resolve().parents[3]
TO_DO = [
    "page: the title is to be edited",
    "page: What it means is to be edited",
    "page: How it is measured is to be edited",
    "page: When it is wrong is to be edited",
    "page: What to do is to be edited",
    "threshold share: its reason is to be edited",
    "cases: none in which the rule fires",
]


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what `rule check` imported, and the folder that it put on sys.path."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield
    forget(set(sys.modules) - before, tmp_path)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A working folder that looks like a checkout of gpuwatch."""
    folder = tmp_path / "gpuwatch" / "rules"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder.parent / "__init__.py").touch()
    return folder


def skeleton(call: Any, tmp_path: Path, package: str = "acme") -> Path:
    """Write the skeleton of slow-network into a package and return its folder."""
    base = tmp_path / package
    base.mkdir()
    (base / "__init__.py").touch()
    assert call("rule", "new", "slow-network", "--into", package).code == 0
    return base / "slow_network"


def test_elsewhere_it_is_a_rule_of_the_users_own_package(call: Any, tmp_path: Path) -> None:
    (tmp_path / "src" / "acme" / "rules").mkdir(parents=True)
    (tmp_path / "src" / "acme" / "__init__.py").touch()
    (tmp_path / "src" / "acme" / "rules" / "__init__.py").touch()
    made = call("rule", "new", "slow-network", "--into", "src/acme/rules")
    assert (made.code, made.err) == (0, "")
    folder = tmp_path / "src" / "acme" / "rules" / "slow_network"
    assert sorted(path.name for path in folder.iterdir()) == ["__init__.py", "cases.py", "rule.py"]
    assert '[project.entry-points."gpuwatch.rules"]' in made.out
    assert 'slow-network = "acme.rules.slow_network.rule:RULE"' in made.out
    assert "gpuwatch rule check src/acme/rules/slow_network" in made.out
    assert "gpuwatch explain slow-network --run RUN" in made.out


def test_in_the_working_folder_it_is_a_package_of_its_own(call: Any, tmp_path: Path) -> None:
    assert 'slow-network = "slow_network.rule:RULE"' in call("rule", "new", "slow-network").out
    assert (tmp_path / "slow_network" / "rule.py").is_file()


def test_in_a_checkout_it_is_one_of_gpuwatchs_rules(call: Any, checkout: Path) -> None:
    made = call("rule", "new", "slow-network")
    assert made.code == 0 and (checkout / "slow_network" / "rule.py").is_file()
    assert "Wrote gpuwatch/rules/slow_network/rule.py" in made.out and "entry-points" not in made.out
    assert "scripts/test tests/rules -k slow-network" in made.out
    assert "NO_SCENARIO =" in (checkout / "slow_network" / "cases.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["too-few-workers"], "there is a rule too-few-workers. Read it with `gpuwatch explain too-few-workers`"),
        (["Slow"], "'Slow' is no id of a rule. Use lower-case words with dashes, such as slow-startup"),
        (["slow_network"], "no id of a rule"),
        (["slow--network"], "no id of a rule"),
        (["-"], "no id of a rule"),
        (["json"], "would hide a name of Python's"),
        (["class"], "would hide a name of Python's"),
        (["slow-network", "--into", "nowhere"], "there is no folder nowhere. Make it first"),
        (["slow-disk"], "slow_disk exists. Choose another id, or remove it"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_in_one_line(call: Any, tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "slow_disk").mkdir()
    refused = call("rule", "new", *arguments)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1) and says in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["slow_disk"]


def test_a_folder_that_cannot_be_written_is_one_line(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", fail)
    refused = call("rule", "new", "slow-network")
    assert refused.code == 1 and refused.err.count("\n") == 1 and "Permission denied" in refused.err


def test_the_skeleton_finds_nothing_and_says_what_is_to_be_edited(call: Any, tmp_path: Path) -> None:
    skeleton(call, tmp_path)
    sys.path.insert(0, str(tmp_path))
    rule, cases = import_module("acme.slow_network.rule").RULE, import_module("acme.slow_network.cases").CASES
    assert "NO_SCENARIO" not in (tmp_path / "acme" / "slow_network" / "cases.py").read_text()
    assert rule.id == "slow-network" and [case.outcome for case in cases] == [Clear, NotEvaluated]
    assert [case_problems(rule, case) for case in cases] == [[], []]
    assert problems(rule, cases) == TO_DO
    checked = call("rule", "check", "acme/slow_network")
    assert checked.code == 1 and checked.out.splitlines() == [*TO_DO, "slow-network: 2 cases, 7 problems"]


def test_the_skeleton_passes_lint_and_types(call: Any, tmp_path: Path) -> None:
    folder = skeleton(call, tmp_path)
    config = str(ROOT / "pyproject.toml")
    for tool in (
        ["ruff", "check", "--config", config],
        ["ruff", "format", "--check", "--config", config],
        ["mypy", "--strict", "--config-file", "", "--explicit-package-bases", "--cache-dir", str(ROOT / ".mypy_cache")],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *tool, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=110
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_case_that_is_wrong_is_printed_as_it_would_be_right(call: Any, tmp_path: Path) -> None:
    folder = skeleton(call, tmp_path)
    text = (folder / "rule.py").read_text().replace("share = 0.0", "share = loader.wait_share.median")
    (folder / "rule.py").write_text(text.replace("EDIT", "Done"))
    cases = (folder / "cases.py").read_text().replace("import HIDDEN,", "import HIDDEN, STARVED,")
    (folder / "cases.py").write_text(
        cases.replace("import clear,", "import clear, fires,").replace(
            "    clear(HIDDEN)", '    fires(STARVED, "info", ""),\n    clear(HIDDEN)'
        )
    )
    checked = call("rule", "check", "acme/slow_network")
    assert checked.code == 1 and checked.out.startswith(
        """case 1: the rule says fires(
    STARVED,
    "warning",
    "Done: what takes 33% of the step",
    confidence="medium",
    where="/home/me/project/train.py:40",
"""
    )
    assert "    share: 0.3333 < 0.2 share of the step: no\n" in checked.out
    assert checked.out.endswith("slow-network: 3 cases, 1 problem\n")


def test_a_rule_of_gpuwatch_is_checked_by_its_id(call: Any) -> None:
    checked = call("rule", "check", "too-few-workers")
    assert (checked.code, checked.out) == (0, f"too-few-workers: {len(CASES)} cases, no problems\n")


def test_what_cannot_be_checked_is_one_line(call: Any, tmp_path: Path) -> None:
    unknown = call("rule", "check", "no-such-rule")
    assert (unknown.code, unknown.err.count("\n")) == (2, 1) and "no rule and no folder with a rule.py" in unknown.err
    folder = skeleton(call, tmp_path)
    (folder / "cases.py").write_text("import not_there")
    broken = call("rule", "check", "acme/slow_network")
    assert (broken.code, broken.err.count("\n")) == (1, 1)
    assert "acme.slow_network.cases has no CASES to import: ModuleNotFoundError" in broken.err
