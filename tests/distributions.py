"""Installed packages that are not there: a folder on sys.path with modules and a `.dist-info` that names entry points."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gpuwatch.rules import GROUP, all_rules


def write(site: Path, name: str, points: dict[str, str], files: dict[str, str]) -> None:
    """Write a distribution into `site`; `points`: rule id -> `module:RULE`, `files`: path -> text."""
    for path, text in files.items():
        file = site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = "\n".join(f"{id} = {value}" for id, value in points.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n", encoding="utf-8")


@contextmanager
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make what is in `site` importable, and its rules those of this process."""
    before = set(sys.modules)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        all_rules.cache_clear()
        yield
    all_rules.cache_clear()
    forget(set(sys.modules) - before, site)


def forget(modules: set[str], folder: Path) -> None:
    """Forget the modules that were imported from a folder."""
    for name in modules:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
