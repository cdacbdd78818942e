"""What a program may rely on."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

import gpuwatch
from gpuwatch.diagnosis.examples.parts import make_run
from gpuwatch.store import folder
from tests.builders import make_report


def test_the_names_are_pinned() -> None:
    names = {
        "Finding",
        "GpuwatchError",
        "Report",
        "Verdict",
        "figure",
        "input",
        "load",
        "step",
        "to_dict",
        "watch",
    }
    assert set(gpuwatch.__all__) == names and len(names) <= 10
    assert all(getattr(gpuwatch, name) is not None for name in names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gpuwatch.nothing


def test_importing_gpuwatch_loads_nothing_heavy() -> None:
    code = "import sys, gpuwatch; print([m for m in ('numpy', 'rich', 'click', 'torch', 'plotly', 'psutil') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_a_notebooks_libraries_are_not_imported_before_a_cell_is_recorded() -> None:
    code = (
        "import sys, gpuwatch, gpuwatch.watching; from gpuwatch.integrations.notebook import magic, live;"
        "gpuwatch.watch(); print([m for m in ('IPython', 'plotly', 'torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_wrong_run_is_a_gpuwatch_error(tmp_path: object) -> None:
    with pytest.raises(gpuwatch.GpuwatchError):
        gpuwatch.load("no-such-run", str(tmp_path))


def test_a_programs_own_garbage_is_still_collected_after_a_run_was_read(tmp_path: Path) -> None:
    path = tmp_path / "20261120-120000"
    (path / "spool").mkdir(parents=True)
    folder.write_info(path, make_run())
    before = gc.get_freeze_count()
    gpuwatch.load(str(path))
    assert gc.get_freeze_count() == before and gc.isenabled()


def test_a_run_becomes_a_figure(tmp_path: Path) -> None:
    path = tmp_path / "20261120-120000"
    (path / "spool").mkdir(parents=True)
    folder.write_info(path, make_run())
    assert gpuwatch.figure(gpuwatch.load(str(path))).to_plotly_json()["layout"]["height"] > 0
    with pytest.raises(gpuwatch.GpuwatchError, match="no timeline"):
        gpuwatch.figure(make_report(timeline=None))
