"""What a cell of each column may hold."""

from __future__ import annotations

from gpuwatch.hook.event_log.columns import COLUMNS
from gpuwatch.store.shapes import Shapes


def test_the_name_of_an_optimizer_is_kept() -> None:
    row = [33092323757137, "Adam", 300000, 32, 9600033, 0.002197]
    assert Shapes(COLUMNS).sound("table", [row]) == [row]
