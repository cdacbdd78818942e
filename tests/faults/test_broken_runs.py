"""Runs that are damaged, settings and gates that are nonsense: each gives a report or lines that name the damage, and none a
traceback. `scripts/fuzz` goes on for as long as it is given."""

from __future__ import annotations

import pytest

from tests.fuzzing import KINDS, attempt, planned

TRIES = 6


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "trace"])
def test_what_is_damaged_is_answered_clearly(kind: str) -> None:
    for number in range(TRIES):
        made = planned(kind, number, 17)
        answer = attempt(made)
        assert answer.judged == "clear", (f"scripts/fuzz --seed 17 --again {kind}:{number}", made.verb, answer.why)
