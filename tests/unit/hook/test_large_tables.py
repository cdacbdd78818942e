"""The rows with a gradient are counted in two steps of a process, for large tables only."""

from __future__ import annotations

from typing import Any

import pytest

from gpuwatch.hook.trainer import large_tables

torch = pytest.importorskip("torch")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    monkeypatch.setattr(large_tables.spool, "event", lambda *values: rows.append(values))
    monkeypatch.setattr(large_tables.looks, "pending", True)
    monkeypatch.setattr(large_tables.looks, "steps", 0)
    return rows


def count_all(optimizer: Any) -> int:
    steps = 0
    while large_tables.looks.pending:
        large_tables.count(optimizer)
        steps += 1
    return steps


def test_few_rows_have_a_gradient(written: list[tuple[Any, ...]]) -> None:
    table, head = torch.nn.Embedding(20_000, 32), torch.nn.Linear(32, 1)
    head(table(torch.arange(0, 20_000, 100))).sum().backward()
    assert count_all(torch.optim.Adam([*table.parameters(), *head.parameters()])) == 24
    (kind, _, name, rows, width, elements, touched), _ = written
    assert (kind, name, rows, width, elements) == ("table", "Adam", 20_000, 32, 20_000 * 32 + 33)
    assert touched == pytest.approx(0.01, abs=0.005)


def test_a_sparse_gradient_has_no_other_rows(written: list[tuple[Any, ...]]) -> None:
    table = torch.nn.Embedding(20_000, 32, sparse=True)
    table(torch.arange(10)).sum().backward()
    count_all(torch.optim.SparseAdam(table.parameters()))
    assert [row[-1] for row in written] == [None, None]


def test_small_parameters_are_left_alone(written: list[tuple[Any, ...]]) -> None:
    layer = torch.nn.Linear(64, 64)
    layer(torch.ones(1, 64)).sum().backward()
    count_all(torch.optim.SGD(layer.parameters(), lr=0.1))
    assert written == []
