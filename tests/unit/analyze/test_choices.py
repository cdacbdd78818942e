"""The line that chooses a thing is named where the source leaves no doubt."""

from __future__ import annotations

from pathlib import Path

from gpuwatch.analyze.lines.choices import packs, padding_line, pool_line, table_line

SOURCE = """\
def collate(texts):
    longest = 256
    padded = torch.zeros(len(texts), longest)
    return padded


def other(n):
    return torch.zeros(n)


table = nn.Embedding(300_000, 32)
optimizer = torch.optim.Adam(table.parameters())
pool = ThreadPoolExecutor(8)
"""


def written(folder: Path, text: str) -> list[str]:
    path = folder / f"train{len(text)}.py"
    path.write_text(text)
    return [str(path)]


def line_of(found: object) -> int | None:
    return found.place.line if found else None  # type: ignore[attr-defined]


def test_padding_is_looked_for_in_the_collate_function(tmp_path: Path) -> None:
    assert line_of(padding_line(written(tmp_path, SOURCE), "collate")) == 3


def test_an_option_that_says_so_comes_first(tmp_path: Path) -> None:
    text = SOURCE + 'encoded = tokenizer(text, padding="max_length")\n'
    assert line_of(padding_line(written(tmp_path, text), "collate")) == 14


def test_a_table_is_named_where_there_is_one_else_its_optimizer(tmp_path: Path) -> None:
    assert line_of(table_line(written(tmp_path, SOURCE), "Adam")) == 11
    two = SOURCE + "items = nn.Embedding(9, 32)\n"
    assert line_of(table_line(written(tmp_path, two), "Adam")) == 12
    assert table_line(written(tmp_path, two + "o = Adam(items)\n"), "Adam") is None


def test_the_only_pool_is_named(tmp_path: Path) -> None:
    assert line_of(pool_line(written(tmp_path, SOURCE), {"ThreadPoolExecutor"})) == 13


def test_a_model_that_packs_its_input_is_met_in_its_source(tmp_path: Path) -> None:
    assert not packs(written(tmp_path, SOURCE), [])
    assert packs(written(tmp_path, SOURCE + "packed = pack_padded_sequence(x, n)\n"), [])
