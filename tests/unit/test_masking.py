"""Secrets are masked and hyper-parameters kept, in the run's metadata; tests/unit/hook/test_identity.py does the same
for the event log."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuwatch.store import folder
from gpuwatch.words.masking import mask_arguments, same_command
from tests.unit.masking_cases import HARMLESS, HEX40, SECRETS

CASES = [*SECRETS, *((arguments, arguments) for arguments in HARMLESS)]


@pytest.mark.parametrize(("typed", "kept"), CASES, ids=[" ".join(typed)[:60] for typed, _ in CASES])
def test_secrets_are_masked_and_hyperparameters_kept(typed: list[str], kept: list[str]) -> None:
    assert list(mask_arguments(typed)) == kept


def test_run_json_holds_none_of_them(tmp_path: Path) -> None:
    # `--case N` between them, so that no option takes the next case's first argument as its value.
    command = tuple(word for n, (typed, _) in enumerate(CASES) for word in ("--case", str(n), *typed))
    kept = tuple(word for n, (_, shown) in enumerate(CASES) for word in ("--case", str(n), *shown))
    path = folder.create(tmp_path).path
    folder.write_info(path, folder.new_info(path, command, None, "1"))
    assert tuple(json.loads((path / "run.json").read_text())["command"]) == kept
    assert folder.read_info(path).command == kept


def test_what_an_earlier_version_left_in_run_json_is_masked_when_read(tmp_path: Path) -> None:
    path = folder.create(tmp_path).path
    folder.write_info(path, folder.new_info(path, ("t",), None, "1"))
    raw = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**raw, "command": ["t", "--wandb-key", HEX40]}))
    assert folder.read_info(path).command == ("t", "--wandb-key", "***")


@given(st.lists(st.text("a1-=:{}[]\"'\\ ?&/@tokenAuthBearer*", max_size=40), max_size=4))
def test_masking_what_is_masked_changes_nothing(arguments: list[str]) -> None:
    masked = mask_arguments(arguments)
    assert len(masked) == len(arguments)
    assert mask_arguments(masked) == masked


@pytest.mark.parametrize(
    "text", ["a", "-", " ", "a='", 'a="', '{"a":', "[", "x=", "key=aA_", "sk-a", "http://a:", "\\"]
)
def test_a_long_argument_is_masked_in_a_time_that_grows_with_its_length(text: str) -> None:
    def seconds(length: int) -> float:
        start = time.process_time()
        mask_arguments(["--token=x " + text * (length // len(text))])
        return time.process_time() - start

    # Ten times the length takes ten times as long; were it quadratic, a hundred times. (The smallest: noise apart.)
    assert min(seconds(100_000) for _ in range(3)) < 40 * max(min(seconds(10_000) for _ in range(3)), 0.001)


@pytest.mark.parametrize(
    ("kept", "typed"),
    [
        (["t", "--api-key", "***"], ["t", "--api-key", "hunter2"]),
        # As recorded by versions that masked less, or more.
        (["t", "--wandb-key", HEX40], ["t", "--wandb-key", HEX40]),
        (["t", "--bypass", "***", "--token", "***"], ["t", "--bypass", "x", "--token", "0"]),
        (["t", "model.token=***"], ["t", "model.token=512"]),
        (["t", "***"], ["t", "https://u:p@h"]),
    ],
)
def test_a_command_is_found_again_whichever_rules_masked_it(kept: list[str], typed: list[str]) -> None:
    assert same_command(kept, typed)
    assert same_command(typed, kept)


@pytest.mark.parametrize("other", [["t", "--lr", "2"], ["t", "--lr"], ["t", "--lr", "1", "x"], ["u", "--lr", "1"]])
def test_another_command_is_not_the_same(other: list[str]) -> None:
    assert not same_command(["t", "--lr", "1"], other)
