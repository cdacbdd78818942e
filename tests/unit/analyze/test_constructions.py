"""A constructor call builds the same each time where its arguments come neither from the item nor from the batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.analyze.lines.constructions import construction_at

SOURCE = """\
class Signals:
    def __getitem__(self, index):
        bands = self.bands * 2
        rate = self.rates[index]
        bank = FilterBank(bands, 4096)
        own = FilterBank(bands, rate)
        text = Tokenizer.from_file(self.path)(self.texts[index])
        kept = self.bank or FilterBank(64)
        return bank(own), text, kept


def main():
    rates = (48, 16)
    optimizer = SGD(parameters)
    for x, y in loader():
        resample = Resample(*rates)
        box = Box(x)
        batch = next(it)
        mask = Mask(batch.shape)
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "data.py"
    path.write_text(SOURCE)
    return str(path)


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(SOURCE.splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("text", "name", "depends"),
    [
        ("bank = FilterBank(b", "FilterBank", False),
        ("own = ", "FilterBank", True),
        ("text = ", "from_file", False),
        ("kept = ", "FilterBank", False),
        ("resample = ", "Resample", False),
        ("box = ", "Box", True),
        ("mask = ", "Mask", True),
    ],
)
def test_arguments_say_whether_the_same_is_built_each_time(source: str, text: str, name: str, depends: bool) -> None:
    built = construction_at(source, line_of(text))
    assert built is not None
    assert (built.name, built.depends) == (name, depends)


def test_a_line_without_a_constructor_builds_nothing(source: str) -> None:
    assert construction_at(source, line_of("return bank")) is None
    assert construction_at(source, line_of("rate = ")) is None


@pytest.mark.parametrize(("text", "repeats"), [("rates = ", None), ("resample = ", True), ("optimizer = ", False)])
def test_what_is_built_before_the_loop_is_built_once(source: str, text: str, repeats: bool | None) -> None:
    built = construction_at(source, line_of(text))
    assert (built.repeats if built else None) is repeats
