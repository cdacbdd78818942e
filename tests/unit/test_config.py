from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.config import Config, load, strict
from gpuwatch.errors import UsageError


def test_defaults_without_any_setting(tmp_path: Path) -> None:
    assert load(tmp_path, {}) == Config()


def test_each_place_wins_over_the_next(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.gpuwatch]\nrate = 2\ndir = 'project'\nquiet = true\nhtml = 'p.html'\n"
    )
    (tmp_path / "gpuwatch.toml").write_text("rate = 3\ndir = 'own'\nquiet = false\n")
    config = load(tmp_path, {"GPUWATCH_RATE": "4", "GPUWATCH_DIR": "env"}, rate=5.0, dir=None)
    assert (config.rate, config.dir, config.quiet, config.html) == (5.0, "env", False, "p.html")
    assert config.problems == ()


def test_files_are_found_from_a_folder_below(tmp_path: Path) -> None:
    (tmp_path / "gpuwatch.toml").write_text("fail-on = 'input_wait>10%'\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert load(below, {}).fail_on == "input_wait>10%"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rate = = 1", "cannot be read"),
        ("rat = 1", "did you mean rate?"),
        ("rate = 'fast'", "between 0.1 and 20"),
        ("rate = 0", "between 0.1 and 20"),
        ("rate = nan", "between 0.1 and 20"),
        ("dir = 3", "must be a text"),
        ("stacks = 'perhaps'", "must be true or false"),
    ],
)
def test_what_is_wrong_is_told_and_left_out(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "gpuwatch.toml").write_text(text + "\nquiet = true\n")
    config = load(tmp_path, {})
    (problem,) = config.problems
    assert told in problem
    assert "gpuwatch.toml" in problem
    assert "\n" not in problem
    assert config.rate == 1.0
    with pytest.raises(UsageError, match=r"gpuwatch\.toml"):
        strict(config)


def test_a_wrong_setting_does_not_take_the_right_ones_with_it(tmp_path: Path) -> None:
    (tmp_path / "gpuwatch.toml").write_text("rate = 'fast'\nquiet = true\n")
    assert load(tmp_path, {}).quiet is True


def test_somebody_elses_broken_project_file_is_not_our_affair(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\nname = \n")
    assert load(tmp_path, {}) == Config()


def test_files_that_are_not_tables_or_not_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\ngpuwatch = 3\n")
    (tmp_path / "gpuwatch.toml").write_bytes(b"\xff\xfe\x00")
    assert len(load(tmp_path, {}).problems) == 2


def test_a_wrong_flag_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--rate"):
        load(tmp_path, {}, rate=99.0)


def test_internal_variables_are_no_settings(tmp_path: Path) -> None:
    assert load(tmp_path, {"GPUWATCH_RUN": "/x", "GPUWATCH_HOOK": "timer", "GPUWATCH_DEBUG": "1"}) == Config()


def test_settings_nested_without_end_are_one_problem(tmp_path: Path) -> None:
    (tmp_path / "gpuwatch.toml").write_text("a = " + "[" * 50_000)
    (problem,) = load(tmp_path, {}).problems
    assert "gpuwatch.toml cannot be read" in problem


def test_a_folder_with_a_null_byte_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "gpuwatch.toml").write_text('dir = "\\u0000"\n')
    (problem,) = load(tmp_path, {}).problems
    assert "must be a text" in problem
