"""Each environment variable that the code reads is declared, and its declaration says what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from gpuwatch import sampler
from gpuwatch.config import MAX_RATE_HZ, Config, load
from gpuwatch.words.environment import SETTINGS, STACKS, VARIABLES, Variable, switch

PACKAGE = Path(__file__).parents[2] / "gpuwatch"


def test_every_variable_that_the_code_names_is_declared() -> None:
    named = {name for path in PACKAGE.rglob("*.py") for name in re.findall(r"\bGPUWATCH_[A-Z_]+", path.read_text())}
    assert named == {variable.name for variable in VARIABLES}


def test_every_setting_has_its_variable_and_the_default_that_is_declared() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(Config) if field.name != "problems"}
    assert fields.keys() == {variable.setting for variable in SETTINGS}
    for variable in SETTINGS:
        assert variable.default == written(fields[variable.setting or ""])
    assert next(variable for variable in SETTINGS if variable.setting == "rate").values == f"0.1 to {MAX_RATE_HZ:g}"


def written(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default or "none")


@pytest.mark.parametrize("variable", SETTINGS, ids=lambda variable: variable.name)
def test_a_setting_is_taken_from_its_variable(variable: Variable, tmp_path: Path) -> None:
    value = {"rate": "5", "stacks": "off", "quiet": "on", "live": "on"}.get(variable.setting or "", "x")
    config = load(tmp_path, {variable.name: value})
    assert config != Config() and config.problems == ()
    assert load(tmp_path, {variable.name: ""}) == Config()


@pytest.mark.parametrize("value", ["1", "True", "YES", "on", "0", "false", "No", "OFF", "", "perhaps"])
def test_the_sampler_and_the_settings_read_the_switch_of_stacks_alike(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STACKS.name, value)
    off = sampler._parse([str(tmp_path)])[3] is not None
    assert off is (switch(value) is False) is not load(tmp_path, {STACKS.name: value}).stacks
