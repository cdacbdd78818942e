"""How many threads each library uses: asked of those that are imported, read from the environment for the others."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from gpuwatch.hook.event_log.library_threads import library_threads


@pytest.fixture(autouse=True)
def nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "cv2"):
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)


def test_without_any_library_nothing_is_known() -> None:
    assert library_threads() == {"torch": None, "cv2": None, "omp": None, "mkl": None}


def test_imported_libraries_are_asked_and_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(get_num_threads=lambda: 4))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(getNumThreads=lambda: 8))  # type: ignore[arg-type]
    monkeypatch.setenv("OMP_NUM_THREADS", "6,2")
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    assert library_threads() == {"torch": 4, "cv2": 8, "omp": 6, "mkl": 3}


def test_a_library_that_is_half_imported_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())  # type: ignore[arg-type]
    monkeypatch.setenv("OMP_NUM_THREADS", "dynamic")
    assert library_threads() == {"torch": None, "cv2": None, "omp": None, "mkl": None}
