from __future__ import annotations

import json
import os
import types
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.lines import exact, line_times
from gpuwatch.hook.source_code.named_code import Named
from tests.unit.hook import observed

pytestmark = pytest.mark.timeout(300)
PROGRAM = str(observed.PROGRAMS / "exact_lines.py")
IN_A_FETCH = [
    "Outer.Items.__getitem__", "__getitem__.nested", "doubled", "halved", "cached", "Items.offset", "Items.slow",
]  # fmt: skip


def measured(folder: Path, *arguments: str, sample: int = 2, **environment: str) -> tuple[observed.Observed, list[Any]]:
    functions = [{"file": PROGRAM, "function": name} for name in IN_A_FETCH]
    plan = {
        "sample": sample,
        "functions": [*functions, {"module": "exact_lines", "function": "main", "during": "step"}],
    }
    environment = {"GPUWATCH_HOOK": "exact", "GPUWATCH_EXACT": json.dumps(plan), **environment}
    seen = observed.run("exact_lines.py", *arguments, folder=folder, **environment)
    return seen, [json.loads(path.read_text()) for path in sorted((folder / "exact").glob("*"))]


def hits(table: Any) -> dict[str, dict[str, int]]:
    """Hits by function and line of source."""
    source = Path(PROGRAM).read_text().splitlines()
    return {
        one["name"].rpartition(".")[2]: {source[line - 1].strip(): count for line, count, _ in one["lines"]}
        for one in table["functions"]
    }


@pytest.mark.parametrize(("workers", "method"), [(2, "fork"), (1, "spawn"), (0, "none")])
def test_functions_of_any_kind_are_timed_where_batches_are_made(tmp_path, workers, method):
    seen, tables = measured(tmp_path / "run", str(workers), method)
    assert (seen.status, seen.troubles()) == (0, []), seen.errors
    assert seen.output.splitlines()[0] == "total 1770.0"
    assert seen.output.splitlines()[1].endswith(" None"), "a tracer was left behind"
    makers = [table for table in tables if table["batches"]["fetch"][1]]
    assert len(makers) == max(workers, 1)
    assert sum(table["batches"]["fetch"][1] for table in makers) == 20
    for table in makers:
        items = 3 * table["batches"]["fetch"][0]
        found = hits(table)
        assert items > 0 and table["worker"] == (table["worker"] if workers else -1)
        assert found["__getitem__"]["self.slow()"] == items
        assert found["nested"] == {"one = value + 1": items, "return one - 1": items}
        assert found["doubled"]["twice = value * 2"] == items
        assert found["halved"]["half = value / 2"] == items
        assert found["cached"]["same = value"] == items  # each index once
        assert found["offset"]["zero = 0.0"] == items
        (slow,) = [one["lines"] for one in table["functions"] if one["name"].endswith("slow")]
        assert slow[0][2] >= items * 2e6
    (trainer,) = [table for table in tables if table["batches"]["step"][1]]
    assert hits(trainer)["main"]["total += float(batch.sum())"] == trainer["batches"]["step"][0] > 0


def test_what_is_known_survives_a_killed_worker(tmp_path):
    seen, tables = measured(tmp_path / "run", "1", "fork", "kill", sample=1)
    assert "ended: RuntimeError" in seen.output
    (worker,) = [table for table in tables if table["worker"] == 0]
    assert hits(worker)["__getitem__"]["self.slow()"] > 0
    assert not [name for name in os.listdir(tmp_path / "run" / "exact") if not name.endswith(".json")]


def test_without_line_profiler_the_training_runs_and_it_is_said(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "line_profiler.py").write_text("raise ModuleNotFoundError(\"No module named 'line_profiler'\")\n")
    seen, tables = measured(tmp_path / "run", "0", "none", **_path(tmp_path, blocked))
    assert seen.status == 0 and seen.output.startswith("total 1770.0")
    assert [table["missing"] for table in tables] == ["No module named 'line_profiler'"]


def _path(folder: Path, first: Path) -> dict[str, str]:
    boot = str(folder / "run" / "boot")
    return {"PYTHONPATH": os.pathsep.join([boot, str(first)])}


def test_it_is_off_unless_asked_for(monkeypatch):
    monkeypatch.delenv("GPUWATCH_HOOK", raising=False)
    exact.on_import("torch.utils.data.dataloader", None)
    assert exact.state.lines is None


@pytest.mark.parametrize("every", [1, 2, 5])
def test_one_batch_in_so_many_has_its_turn(every):
    turns = line_times.Turns(every)
    taken = [number for number in range(40 * every) if turns.take()]
    assert [number // every for number in taken] == list(range(40))
    assert taken[0] == min(1, every - 1)
    if every > 1:
        assert len({number % every for number in taken[1:]}) > 1


@pytest.mark.parametrize("longer", [1.0, 3.0, 9.0])
def test_left_to_itself_it_measures_as_much_as_costs_a_tenth(longer):
    turns, whole = line_times.Turns(), 0.0
    for _ in range(4000):
        measured = turns.take()
        turns.took(measured, int(1e6 * (longer if measured else 1)))
        whole += longer if measured else 1
    assert turns.measured > 4000 / 100
    assert whole / 4000 < 1.12
    assert longer == 1 or whole / 4000 > 1.08


def test_a_moved_function_is_found_by_its_name_and_an_unnamed_one_by_its_line():
    def codes(**told: Any) -> list[str]:
        return [code.co_name for code in Named({"file": __file__, "function": "codes", **told}).find(None)]

    first = codes.__code__.co_firstlineno
    this: types.FunctionType = test_a_moved_function_is_found_by_its_name_and_an_unnamed_one_by_its_line
    import sys

    module = types.ModuleType("moved")
    module.__file__ = __file__
    module.this = this  # type: ignore[attr-defined]
    sys.modules["moved"] = module
    try:
        assert codes() == codes(line=first + 1) == codes(line=9999) == ["codes"]
        assert codes(function="gone", line=first + 1) == ["codes"]
        assert codes(function="gone", line=9999) == codes(function="odes") == []
    finally:
        del sys.modules["moved"]
