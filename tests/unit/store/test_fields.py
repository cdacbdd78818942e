"""Whatever stands in many lines at once, by column they read as they do row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuwatch.model.recording import ColumnRows
from gpuwatch.store import reader
from gpuwatch.store.fields import Piece
from gpuwatch.store.reader import read
from tests.spools import FakeRun

WHOLE = st.one_of(st.integers(0, 10**18 - 1), st.integers(-(10**9), 10**9))
VALUES: list[st.SearchStrategy[Any]] = [
    WHOLE,
    st.one_of(st.none(), st.integers(0, 10**6)),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 4)),
    st.one_of(st.none(), st.floats(0, 100).map(lambda value: round(value, 1)), st.integers(0, 9)),
    st.one_of(st.text(max_size=9), st.none()),
    st.lists(st.one_of(st.integers(), st.none(), st.text(max_size=3)), max_size=3),
    st.one_of(st.booleans(), st.integers(10**17, 10**22), st.text(alphabet='[]{}",\\', max_size=4)),
]


def parsed(lines: list[list[Any]], width: int) -> tuple[list[list[Any]], int]:
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
    piece = Piece(text)
    taken = reader.MixedRows([])
    for columns in piece.take({"x": width}).values():
        taken.add(columns)
    rest = [json.loads(line)[1:] for line in piece.rest().splitlines()]
    return [*taken, *rest], len(taken)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_columns_hold_what_the_lines_say(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3))
    few = data.draw(st.lists(st.tuples(*kinds), min_size=1, max_size=8))
    rows = [list(few[number % len(few)]) for number in range(70)]
    found, _ = parsed([["x", *row] for row in rows], len(kinds))
    assert found == rows


def test_plain_lines_are_taken_by_column() -> None:
    rows = [[number * 10**9, None, number / 8, "name", [number, None]] for number in range(500)]
    found, taken = parsed([["x", *row] for row in rows], 5)
    assert (found, taken) == (rows, 500)


@pytest.mark.parametrize("odd", [["x", 1], ["x", 1, 2, 3], ["x", 1, "a,b"], ["x", [1, 2], 3]])
def test_an_odd_line_leaves_its_kind_to_the_rows(odd: list[Any]) -> None:
    rows = [[number, 2] for number in range(100)]
    lines = [["x", *row] for row in rows]
    lines[50] = odd
    assert parsed(lines, 2)[0] == [line[1:] for line in lines]


def test_a_long_run_reads_the_same_with_torn_and_foreign_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = FakeRun(tmp_path)
    run.trainer().loop(batches=3000)
    run.worker(200).fetch(0, 5.0, operations=[[0, 1, 2, None, None, None]])
    path = run.write()
    file = next((path / "spool").glob("100-*.jsonl"))
    lines = file.read_text().splitlines(keepends=True)
    lines[2000:2000] = ["not json\n", '["batch",1,2\n', '["batch",1,7]\n', "]]]]\n", '["batch",1,NaN]\n']
    file.write_text("".join(lines) + '["batch",1,')
    monkeypatch.setattr(reader, "_PIECE", 1 << 17)
    by_column = read(path)
    assert isinstance(by_column.logs[0].table("batch").rows, ColumnRows)
    monkeypatch.setattr(reader, "_MANY", 1 << 30)
    by_row = read(path)
    assert by_column.problems == by_row.problems
    for one, other in zip(by_column.logs, by_row.logs, strict=True):
        assert one.tables.keys() == other.tables.keys()
        for kind, table in one.tables.items():
            assert str(list(table.rows)) == str(list(other.tables[kind].rows))
