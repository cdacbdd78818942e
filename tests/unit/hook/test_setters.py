"""Which line of the user's sets something: by the syntax of the code, and only where there is one."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpuwatch.hook.source_code import setters


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Make a text the only module of the user's."""
    setters._tree.cache_clear()

    def write(text: str) -> None:
        file = tmp_path / "train.py"
        file.write_text(text)
        module = types.ModuleType("users_train")
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, "users_train", module)
        monkeypatch.setattr(setters, "_user_files", lambda: [str(file)])

    yield write
    setters._tree.cache_clear()


NAMES = ("set_detect_anomaly", "detect_anomaly", "CUDA_LAUNCH_BLOCKING")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import torch\ntorch.autograd.set_detect_anomaly(True)\n", 2),
        ("import torch\nwith torch.autograd.detect_anomaly():\n    pass\n", 2),
        ("trainer = Trainer(\n    max_epochs=3,\n    detect_anomaly=True,\n)\n", 1),
        ("import os\n\nos.environ['CUDA_LAUNCH_BLOCKING'] = '1'\n", 3),
        ("import os\nos.environ.setdefault('CUDA_LAUNCH_BLOCKING', '1')\n", 2),
        # Switched off, only mentioned, or in two places.
        ("import torch\ntorch.autograd.set_detect_anomaly(False)\n", None),
        ("trainer = Trainer(detect_anomaly=False)\n", None),
        ('"""Do not call set_detect_anomaly(True)."""\n', None),
        ("os.environ['CUDA_LAUNCH_BLOCKING'] = '0'\n", None),
        ("set_detect_anomaly(True)\nset_detect_anomaly(True)\n", None),
        ("set_detect_anomaly(True\n", None),
    ],
)
def test_the_only_line_that_sets_it(written: Callable[[str], None], text: str, line: int | None) -> None:
    written(text)
    assert setters.sole_setter(NAMES)[1] == line


def test_a_counter_is_changed_outside_of_the_constructor(written: Callable[[str], None]) -> None:
    written("class M:\n    def __init__(self):\n        self.calls = 0\n\nm = M()\nm.calls += 1\n")
    assert setters.sole_assignment("calls")[1] == 6
