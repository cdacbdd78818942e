"""Objects that are built for each item or in each step, by the constructors in the stacks of hot lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.analyze.lines.setups import find_setups
from gpuwatch.diagnosis.examples.parts import make_hot_line
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.measures import Place

FETCH = Place("/v/site-packages/torch/utils/data/_utils/fetch.py", 54, "_MapDatasetFetcher.fetch")
SOURCE = """\
class FilterBank:
    def __init__(self, bands):
        self.weights = build(bands)


class Signals:
    def __getitem__(self, index):
        bank = FilterBank(64)
        own = FilterBank(self.rates[index])
        return bank, own


def main():
    optimizer = SGD(parameters)
    for x in loader:
        resample = Resample(48, 16)
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "data.py"
    path.write_text(SOURCE)
    return str(path)


def below_item(source: str, line: int, share: float) -> HotLine:
    """Return the hot line in the constructor, called from a line of `__getitem__`."""
    stack = (FETCH, Place(source, line, "Signals.__getitem__"), Place(source, 3, "FilterBank.__init__"))
    return make_hot_line(file=source, line=3, function="FilterBank.__init__", share=share, stack=stack, samples=100)


def in_step(source: str, line: int, below: str, share: float) -> HotLine:
    stack = (Place(source, line, "main"), Place(f"/v/site-packages/{below}/made.py", 9, f"{below}.__init__"))
    settings = {"process_role": "trainer", "activity": "step", "samples": 60, "share": share}
    return make_hot_line(file=source, line=line, function="main", stack=stack, **settings)


def test_what_does_not_depend_on_the_item_is_built_again_for_each(source: str) -> None:
    (setup,) = find_setups([below_item(source, 8, 0.6), below_item(source, 9, 0.3)])
    assert (setup.name, setup.per, setup.place.line, setup.share) == ("FilterBank", "item", 8, 0.6)


def test_in_the_step_only_what_is_in_the_loop_counts(source: str) -> None:
    lines = [in_step(source, 16, "Resample", 0.4), in_step(source, 14, "SGD", 0.3)]
    (setup,) = find_setups(lines)
    assert (setup.name, setup.per, setup.place.line) == ("Resample", "step", 16)
