"""What a program may rely on."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gpuwatch


def test_the_names_are_pinned() -> None:
    names = {"Evidence", "Finding", "GpuwatchError", "Place", "Report", "Speedup", "Verdict", "load", "to_dict"}
    assert set(gpuwatch.__all__) == names
    assert all(getattr(gpuwatch, name) is not None for name in names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gpuwatch.nothing


def test_importing_gpuwatch_loads_nothing_heavy() -> None:
    code = "import sys, gpuwatch; print([m for m in ('numpy', 'rich', 'click', 'torch', 'plotly', 'psutil') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_a_wrong_run_is_a_gpuwatch_error(tmp_path: object) -> None:
    with pytest.raises(gpuwatch.GpuwatchError):
        gpuwatch.load("no-such-run", str(tmp_path))
