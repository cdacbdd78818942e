"""Where a class is called: by the syntax of the user's code, never by its texts."""

from __future__ import annotations

import linecache
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuwatch.hook.source_code import mentions

HELP = '''"""Trains on a Dataset (from the hub) or a Dataset(folder)."""
import argparse
import library
p = argparse.ArgumentParser()
p.add_argument("--data", help="The Dataset (a folder of images) to train on, see Dataset(name)")  # Dataset(x)
class Mine(library.Dataset):
    """Not a Dataset(...)."""
'''


@pytest.fixture
def library() -> Iterator[types.ModuleType]:
    """A library with classes of an ordinary name."""
    module = types.ModuleType("library")
    for name in ("Dataset", "Resize", "Flip", "ToTensor", "Compose"):
        setattr(module, name, type(name, (), {"__module__": "library.inner"}))
    sys.modules["library"] = module
    yield module
    del sys.modules["library"]


def place(tmp_path: Path, text: str, cls: type, among: tuple[str, ...] = ()) -> int | None:
    file = tmp_path / f"script{len(list(tmp_path.iterdir()))}.py"
    file.write_text(text)
    return mentions.sole_call(cls, [str(file)], among)[1]


def test_a_help_text_a_docstring_and_a_base_class_are_no_call(tmp_path: Path, library: types.ModuleType) -> None:
    assert place(tmp_path, HELP, library.Dataset) is None


def test_the_only_call_is_meant_whatever_texts_say(tmp_path: Path, library: types.ModuleType) -> None:
    assert place(tmp_path, HELP + "data = library.Dataset('x')\n", library.Dataset) == 8


def test_a_call_that_spans_lines_is_its_first_line(tmp_path: Path, library: types.ModuleType) -> None:
    assert place(tmp_path, "data = Dataset(\n    'photos',\n    size=(3,\n    4),\n)\n", library.Dataset) == 1


def test_two_calls_are_no_place(tmp_path: Path, library: types.ModuleType) -> None:
    assert place(tmp_path, "Dataset('train')\nDataset('val')\n", library.Dataset) is None


def test_of_two_containers_the_one_with_these_entries_is_meant(tmp_path: Path, library: types.ModuleType) -> None:
    text = "train = Compose([\n    Resize(9),\n    Flip(),\n    ToTensor()])\nval = Compose([Resize(9), ToTensor()])\n"
    assert place(tmp_path, text, library.ToTensor) is None
    assert place(tmp_path, text, library.ToTensor, ("Resize", "Flip", "ToTensor")) == 4
    assert place(tmp_path, text, library.ToTensor, ("Resize", "ToTensor")) == 5
    assert place(tmp_path, text, library.ToTensor, ("Flip", "ToTensor")) is None


def test_another_class_of_that_name_is_not_meant(
    tmp_path: Path, library: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.py"
    file.write_text("class Dataset: ...\ndata = Dataset('mine')\n")
    module = types.ModuleType("own")
    vars(module).update(__file__=str(file), Dataset=type("Dataset", (), {}))
    monkeypatch.setitem(sys.modules, "own", module)
    assert mentions.sole_call(library.Dataset, [str(file)]) == (None, None)


def test_modules_that_know_the_library_are_read_too(
    tmp_path: Path, library: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pipeline.py"
    file.write_text("import library as lib\ndef build():\n    return lib.Compose([lib.Resize(3)])\n")
    module = types.ModuleType("pipeline")
    vars(module).update(__file__=str(file), lib=library)
    monkeypatch.setitem(sys.modules, "pipeline", module)
    assert mentions.sole_call(library.Resize, []) == (str(file), 3)


def test_of_a_cell_that_was_run_again_the_last_text_counts(
    library: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = {}
    for number, text in enumerate(("data = Dataset(1)\n", "size = 3\ndata = Dataset(2)\n")):
        path = f"/tmp/ipykernel_9732/{number}.py"
        cells[path] = (len(text), None, text.splitlines(keepends=True), path)
    monkeypatch.setattr(linecache, "cache", cells)
    assert mentions.sole_call(library.Dataset, []) == ("/tmp/ipykernel_9732/1.py", 2)


def test_a_file_that_is_no_python_has_no_calls(tmp_path: Path, library: types.ModuleType) -> None:
    assert place(tmp_path, "data = Dataset(\n", library.Dataset) is None
