"""Each declared project of scripts/wild names only what exists."""

from __future__ import annotations

from typing import get_args

import pytest

from gpuwatch.model.findings import Bound
from gpuwatch.rules import RULES
from scripts.benchmarks.wild import catalogue
from scripts.benchmarks.wild.preparation import MAKERS

BOUNDS = {*get_args(Bound), "cpu"}


@pytest.mark.parametrize("name", catalogue.names())
def test_a_project_names_only_what_exists(name: str) -> None:
    project = catalogue.load(name)
    files = catalogue.files(project)
    findings = {rule.id for rule in RULES}
    truth = project.truth
    assert truth.bounds and set(truth.bounds) <= BOUNDS
    assert {*truth.causes, *truth.also, *filter(None, [truth.advice])} <= findings
    measured = {variant.name for variant in project.variants} | {f"workers={number}" for number in project.workers}
    assert not truth.fix or truth.fix in measured
    assert all(catalogue.patch_file(project, each).exists() for each in project.variants if each.patch)
    assert not project.data or (files / project.data[0]).exists() or (MAKERS / project.data[0]).exists()
    words = [*project.command, *(word for variant in project.variants for word in variant.command)]
    scripts = [word.replace("{files}", str(files)) for word in words if word.startswith("{files}/")]
    assert all((files / word.removeprefix("{files}/")).exists() for word in scripts)


def test_a_declaration_must_have_the_name_of_its_file(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.py").write_text("class PROJECT:\n    name = 'other'\n")
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="other"):
        catalogue.load("one")
