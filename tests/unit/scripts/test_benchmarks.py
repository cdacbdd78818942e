"""What the benchmark scripts make of their measurements."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from scripts.benchmarks import pages, readers, runs
from scripts.benchmarks.machine import ROOT


def test_a_table_replaces_only_what_is_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "overhead.md"
    page.write_text("before\n<!-- budgets:begin -->\nold\n<!-- budgets:end -->\nafter\n")
    pages.write("budgets", pages.table(["a"], [["1|2"]]), tmp_path)
    assert (
        page.read_text() == "before\n<!-- budgets:begin -->\n| a |\n| --- |\n| 1\\|2 |\n<!-- budgets:end -->\nafter\n"
    )


def test_a_page_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "overhead.md"
    page.write_text("nothing\n")
    with pytest.raises(SystemExit, match="peers:begin"):
        pages.write("peers", "table", tmp_path)
    assert page.read_text() == "nothing\n"


@pytest.mark.parametrize("block", pages.PAGES)
def test_each_block_is_in_its_page_once(block: str) -> None:
    text = (pages.DOCS / pages.PAGES[block]).read_text(encoding="utf-8")
    assert [text.count(mark) for mark in pages.marks(block)] == [1, 1]


def test_an_error_message_names_files_relative_to_the_temporary_folder(tmp_path: Path) -> None:
    last_line = runpy.run_path(str(ROOT / "scripts" / "bench_peers"), run_name="bench_peers")["last_line"]
    outcome = runs.Outcome(1, 1.0, text=f"no result\nread {tmp_path}/out/scalene.json\n\n", folder=tmp_path)
    assert last_line(outcome) == "read out/scalene.json"


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
