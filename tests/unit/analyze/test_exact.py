from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.analyze.lines.exact_lines import merge, pick, read_tables
from gpuwatch.diagnosis.examples.parts import make_hot_line

FILE = "/home/me/data.py"
PLAN: list[dict[str, Any]] = [{"file": FILE, "function": "Photos.read", "line": 12, "during": "fetch"}]


def table(
    worker: int, *lines: list[int], asked: int = 0, batches: tuple[int, int] = (2, 10), **more: Any
) -> dict[str, Any]:
    return {
        "format": "gpuwatch.exact/1",
        "pid": 100 + worker,
        "worker": worker,
        "batches": {"fetch": list(batches), "step": [0, 0]},
        "functions": [{"asked": asked, "file": FILE, "first": 10, "name": "Photos.read", "lines": list(lines)}],
        **more,
    }


def test_functions_are_picked_by_what_all_their_lines_cost():
    lines = [
        make_hot_line(file=FILE, line=12, function="a", share=0.2, seconds=2.0),
        make_hot_line(file=FILE, line=30, function="b", share=0.3, seconds=3.0),
        make_hot_line(file=FILE, line=14, function="a", share=0.15, seconds=1.5),
        make_hot_line(file=FILE, line=50, function="small", share=0.04, seconds=0.4),
        make_hot_line(file=FILE, line=60, function="begin", share=0.9, seconds=9.0, activity="startup"),
        make_hot_line(file="/venv/lib/python3.11/site-packages/x/y.py", line=1, function="lib", share=0.3, seconds=3.0),
        make_hot_line(
            file=FILE, line=70, function="train", process_role="trainer", activity="step", share=0.1, seconds=9.0
        ),
    ]
    assert [(one["function"], one["line"], one["during"]) for one in pick(lines)] == [
        ("train", 70, "step"),
        ("a", 12, "fetch"),
        ("b", 30, "fetch"),
    ]
    assert pick([]) == []


def test_processes_add_up_and_samples_stand_beside():
    tables = [table(0, [12, 10, 600], [13, 10, 200]), table(1, [12, 5, 200]), table(2), table(-1, batches=(0, 0))]
    before = [
        make_hot_line(file=FILE, line=12, function="Photos.read", seconds=3.0),
        make_hot_line(file=FILE, line=13, function="Photos.read", seconds=1.0),
        make_hot_line(file=FILE, line=99, function="Photos.read", seconds=7.0),
    ]
    found = merge("run", PLAN, 5, tables, before)
    (function,) = found.functions
    assert (function.name, function.process_role, function.processes) == ("Photos.read", "worker", 2)
    assert (function.batches_measured, function.batches, function.seconds) == (4, 20, pytest.approx(1e-6))
    assert [(line.line, line.hits, line.share, line.sampled_share) for line in function.lines] == [
        (12, 15, pytest.approx(0.8), 0.75),
        (13, 10, pytest.approx(0.2), 0.25),
    ]
    assert (found.unseen, found.uncalled, found.missing) == ((), (), None)


def test_what_was_not_found_or_not_called_is_named():
    plan = [*PLAN, {"module": "other", "function": "gone"}]
    found = merge("run", plan, 5, [table(0)], [])
    assert (found.functions, found.unseen, found.uncalled) == ((), ("other:gone",), ("data.py:Photos.read",))
    missing = {"missing": "No module named 'line_profiler'", "executable": "/venv/bin/python"}
    found = merge("run", PLAN, 5, [missing], [])
    assert (found.missing, found.pythons) == ("No module named 'line_profiler'", ("/venv/bin/python",))


def test_torn_and_foreign_files_are_left_out(tmp_path: Path):
    assert read_tables(tmp_path) == []
    folder = tmp_path / "exact"
    folder.mkdir()
    (folder / "1.json").write_text(json.dumps(table(0)))
    (folder / "2.json").write_text('{"format": "gpuwatch.exact/1", "fun')
    (folder / "3.json").write_text("[]")
    (folder / "4.json.new").write_text(json.dumps(table(1)))
    assert [told["pid"] for told in read_tables(tmp_path)] == [100]
