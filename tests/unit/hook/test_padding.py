"""Padding is what a batch's rows were filled up with to one length, and nothing that only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from gpuwatch.hook.worker_process import padding

torch = pytest.importorskip("torch")
LENGTHS = (5, 9, 30, 12)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    monkeypatch.setattr(padding.spool, "event", lambda *values: rows.append(values))
    monkeypatch.setattr(padding.looks, "left", 6)
    return rows


def ids() -> Any:
    rows = torch.zeros(4, 64, dtype=torch.long)
    for row, length in enumerate(LENGTHS):
        rows[row, :length] = torch.arange(1, length + 1) * 7 % 101 + 1
    return rows


def features() -> Any:
    values = torch.rand(4, 64, 20) + 0.1
    for row, length in enumerate(LENGTHS):
        values[row, length:] = 0
    return values


@pytest.mark.parametrize(
    "batch",
    [
        lambda: [ids(), torch.zeros(4)],
        lambda: ids().flip(1),
        lambda: {"input_ids": ids().flip(1), "attention_mask": ids().flip(1).ne(0).long()},
        lambda: features(),
        lambda: (features().transpose(1, 2), torch.zeros(4)),
    ],
    ids=["right", "left", "mask", "features", "features last"],
)
def test_rows_of_different_lengths_are_told(batch: Any, written: list[tuple[Any, ...]]) -> None:
    padding.look(batch(), 3)
    ((kind, _, worker, *measured),) = written
    assert (kind, worker, measured) == ("padding", 3, [4, 64, 30, sum(LENGTHS)])


@pytest.mark.parametrize(
    "batch",
    [
        lambda: torch.nn.functional.one_hot(torch.arange(4), 64),
        lambda: torch.randint(0, 2, (4, 64)),
        lambda: torch.rand(4, 3, 64, 64),
        lambda: torch.ones(4, 64, dtype=torch.long),
        lambda: torch.zeros(4, 64),
        lambda: "text",
    ],
    ids=["one hot", "binary", "images", "constant", "columns", "text"],
)
def test_what_only_looks_like_padding_is_none(batch: Any, written: list[tuple[Any, ...]]) -> None:
    padding.look(batch(), 0)
    assert written == []


def test_only_the_first_batches_are_looked_at(written: list[tuple[Any, ...]]) -> None:
    padding.look([ids()], 0)
    assert padding.looks.left == 5
