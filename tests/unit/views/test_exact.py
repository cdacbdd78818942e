from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console, RenderableType

from gpuwatch.model.exact_lines import ExactFunction, ExactLine, ExactPass
from gpuwatch.views import exact


def drawn(view: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(view)
    return console.file.getvalue()


def measured(path: Path, *lines: ExactLine) -> ExactFunction:
    path.write_text("".join(f"line {number} of {path.name}\n" for number in range(1, 60)))
    return ExactFunction(str(path), 10, "Photos.read", "worker", 2, 4, 20, 3.0, lines)


def test_each_line_shows_hits_times_and_heat(tmp_path):
    path = tmp_path / "data.py"
    lines = (ExactLine(12, 10, 2.0, 2 / 3, 0.2, "    slow()"), ExactLine(13, 2000, 1.0, 1 / 3, None, "    fast()"))
    shown = exact.rows(measured(path, *lines))
    assert [row.number for row in shown] == [10, 11, 12, 13]
    assert shown[0].cells == ("",) * 6 and shown[0].code == "line 10 of data.py"
    assert shown[2].cells == ("67%", "█", "20%", "10", "200 ms", "2.0 s")
    assert shown[3].cells == ("33%", "▄", "", "2,000", "500 µs", "1.0 s")
    text = drawn(exact.render(ExactPass("run", 5, (measured(path, *lines),)), str(tmp_path)))
    assert "data.py:10 Photos.read  2 workers · 4 of 20 batches · 3.0 s" in text
    assert "sampled" in text and "slows pure-Python lines" in text


def test_long_stretches_without_a_hit_are_left_out(tmp_path):
    path = tmp_path / "data.py"
    shown = exact.rows(measured(path, ExactLine(12, 1, 1.0, 0.5, None, None), ExactLine(50, 1, 1.0, 0.5, None, None)))
    assert [row.number for row in shown] == [*range(10, 21), *range(42, 51)]
    assert "sampled" not in drawn(
        exact.render(ExactPass("run", 5, (measured(path, ExactLine(12, 1, 1.0, 1.0, None, "x")),)))
    )


def test_functions_without_times_are_explained_and_foreign_names_are_harmless():
    found = ExactPass("run", 5, (), ("\x1b[31mdata.py:gone",), ("data.py:rare",))
    unseen, uncalled = exact.notes(found)
    assert unseen.startswith("data.py:gone was not found")
    assert "not called" in uncalled and "--sample 1" in uncalled
    assert "--sample" not in exact.notes(ExactPass("run", 1, (), (), ("data.py:rare",)))[0]
