"""What people see stays as it was, unless `scripts/goldens` was run and its diff looked at."""

from __future__ import annotations

import pytest

from tests.golden.cases import FOLDER, goldens

DRAWN = goldens()


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_the_drawing_is_the_kept_one(name: str) -> None:
    kept = (FOLDER / name).read_text(encoding="utf-8")
    assert DRAWN[name] == kept, "if this is wanted: scripts/goldens, then look at git diff"


def test_no_kept_drawing_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.suffix in (".txt", ".md")} == set(DRAWN)
