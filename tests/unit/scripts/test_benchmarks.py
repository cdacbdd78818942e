"""What the benchmark scripts make of their measurements."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.benchmarks import machine, readers, runs


def test_a_table_replaces_only_what_stands_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- budgets:begin -->\nold\n<!-- budgets:end -->\nafter\n")
    machine.replace_block(readme, "budgets", machine.markdown(["a"], [["1|2"]]))
    assert (
        readme.read_text() == "before\n<!-- budgets:begin -->\n| a |\n| --- |\n| 1\\|2 |\n<!-- budgets:end -->\nafter\n"
    )


def test_missing_marks_are_told(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing\n")
    with pytest.raises(SystemExit, match="peers:begin"):
        machine.replace_block(readme, "peers", "table")
    assert readme.read_text() == "nothing\n"


def test_pairs_take_turns_and_failures_are_left_out() -> None:
    order: list[str] = []
    results = {"a": iter([2.0, 4.0, None]), "b": iter([1.0, 4.0, 1.0])}

    def run(name: str) -> float | None:
        order.append(name)
        return next(results[name])

    assert runs.abba(lambda: run("a"), lambda: run("b"), 3) == [0.5, 1.0]
    assert "".join(order) == "abbaab"


def test_own_time_leaves_out_what_was_called() -> None:
    def call(name: str, ts: float, dur: float, tid: int = 1) -> dict[str, object]:
        return {"name": name, "ts": ts, "dur": dur, "pid": 1, "tid": tid}

    events = [call("outer", 0, 100), call("inner", 10, 60), call("inner", 80, 10), call("other", 5, 50, tid=2)]
    own, total = readers.own_times(events)
    assert own == {"outer": 30, "inner": 70, "other": 50}
    assert total == 150


def test_py_spy_stacks_give_the_innermost_frame_and_the_own_line(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stacks.txt").write_text(
        "main (/x/train.py:90);train (/x/train.py:60);rotate (/lib/PIL/Image.py:7) 3\n"
        "main (/x/train.py:90);train (/x/train.py:64);backward (/lib/torch/_tensor.py:5) 1\n"
    )
    said = readers.py_spy(runs.Outcome(0, 1.0, folder=tmp_path))
    assert said == "rotate (Image.py:7) 75% of samples; own line train (train.py:60) 75%"
