"""Rows of cells: aligned, cut to the width, in the styles that rich would give them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, Group
from rich.text import Text

from gpuwatch.views.live.charts import Area
from gpuwatch.views.live.rows import Line, Rows, fitted, lines_of, segments

CONSOLE = Console(file=io.StringIO(), width=40, legacy_windows=False)


def plain(line: Line) -> str:
    return "".join(segment.text for segment in line)


def rows(wide: int | None = None) -> Rows:
    made = Rows(wide)
    made.add("a", Text("a long summary of what costs time"), "1.25×")
    made.add(Text("bcd", "bold"), "short", "")
    return made


def test_columns_stand_two_apart() -> None:
    first, second = map(plain, rows().lines(60))
    assert first == "a    a long summary of what costs time  1.25×"
    assert second.rstrip() == "bcd  short"


def test_the_wide_column_gives_way_and_the_others_stay() -> None:
    first, _ = map(plain, rows(wide=1).lines(24))
    assert first == "a    a long summ…  1.25×"
    assert [plain(line).index("1.25×") for line in rows(wide=1).lines(60)[:1]] == [55]


@pytest.mark.parametrize("width", range(1, 50))
def test_nothing_is_wider_than_its_place(width: int) -> None:
    for made in (rows(), rows(wide=1)):
        assert all(sum(segment.cell_length for segment in line) <= width for line in made.lines(width))


def test_wide_characters_count_as_two() -> None:
    assert plain(fitted(Text("日本語の列"), 6)) == "日本 …"
    assert plain(fitted(Text("日本語"), 6)) == "日本語"


@pytest.mark.parametrize(
    "text",
    [
        Text("plain"),
        Text("all bold", "bold"),
        Text.assemble("step ", ("52 ms", "bold"), ", waiting ", ("3 ms", "bold #d9751f"), style="dim"),
        Text("a", "dim") + Text("b", "bold"),
    ],
)
def test_styles_are_those_that_rich_gives(text: Text) -> None:
    def cells(line: Line) -> list[tuple[str, str]]:
        return [(letter, str(segment.style or "none")) for segment in line for letter in segment.text]

    assert cells(segments(text)) == cells(next(iter(CONSOLE.render_lines(text, pad=False))))


def test_a_group_is_its_parts_one_below_the_other() -> None:
    long = Text("wraps because it may, and is longer than forty cells are")
    drawn = Group(Text("head", no_wrap=True), rows(), Area((1.0,) * 4, (None,) * 4, 2, 1.0), long)
    told = [plain(line).rstrip() for line in lines_of(drawn, 40, CONSOLE)]
    assert told[0] == "head" and told[3:5] == ["████", "████"] and len(told) == 7
    assert " ".join(told[5:]) == long.plain
