"""What is recorded of a notebook's cells."""

from __future__ import annotations

import linecache
import sys
import types
from typing import Any

import pytest

from gpuwatch.hook.event_log import spool
from gpuwatch.hook.trainer.cells import Cells

ONE, TWO = "/tmp/ipykernel_97/311.py", "/tmp/ipykernel_97/134.py"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(spool, "meta", lambda key, value: found.append(value))
    texts = {
        ONE: ["import torch\n", "API_KEY = 'sk-aaaaaaaa1aaaaaaaa'\n"],
        TWO: ["train()\n"],
        "/home/me/x.py": ["x\n"],
    }
    monkeypatch.setattr(linecache, "cache", {name: (9, None, lines, name) for name, lines in texts.items()})
    return found


def kernel(monkeypatch: pytest.MonkeyPatch, numbers: dict[str, int]) -> None:
    shell = types.SimpleNamespace(compile=types.SimpleNamespace(_filename_map=numbers))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]


def test_each_cell_is_written_once_and_again_under_a_new_number(
    written: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells, numbers = Cells(), {ONE: 1}
    kernel(monkeypatch, numbers)
    cells.write_new()
    cells.write_new()
    assert [(one["file"], one["number"]) for one in written] == [(ONE, 1), (TWO, None)]
    numbers[TWO] = 2
    cells.write_new()
    assert [(one["file"], one["number"]) for one in written[2:]] == [(TWO, 2)]


def test_a_secret_in_a_cell_is_masked(written: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(monkeypatch, {})
    Cells().write_new()
    assert written[0]["lines"] == ["import torch", "API_KEY = '***'"]


def test_outside_of_a_notebook_nothing_is_written(written: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    Cells().write_new()
    assert written == []
