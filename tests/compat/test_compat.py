"""Every way in which torch runs a training, bare and wrapped, with the torch that is installed here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.compat.judge import CASES, compare

# Other Pythons with a torch, e.g. GPUWATCH_COMPAT_PYTHONS=/tmp/a/bin/python:/tmp/b/bin/python
PYTHONS = [sys.executable, *filter(None, os.environ.get("GPUWATCH_COMPAT_PYTHONS", "").split(os.pathsep))]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_training_is_untouched_and_told_rightly(case: str, python: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    told = compare(case, python, tmp_path)
    if told.skipped:
        pytest.skip(told.skipped)
    assert told.wrong == []
