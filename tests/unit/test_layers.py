"""Imports run one way, and the hook needs nothing but the standard library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "gpuwatch"
GROUND = {"model", "metrics", "errors", "config", "masking"}
# What each part may import beside the ground, the standard library and other people's packages.
MAY: dict[str, set[str]] = {
    "hook": set(),
    "sources": {"sources"},
    "store": {"store"},
    "analyze": {"analyze", "store"},
    "views": {"views"},
    "experiments": {"experiments", "analyze", "store", "supervise", "hook", "record"},
    "sampler": {"sources"},
    "supervise": set(),
    "record": {"hook", "store", "supervise"},
    "model": set(),
    "metrics": set(),
    "errors": set(),
}
# Each exception is a decision of its own.
EXCEPTIONS = {
    # The live view is the analyzer over the spool of a run that goes on, so it reads and analyses by itself.
    ("views.live", "analyze"),
    ("views.live", "store"),
    ("views.live", "supervise"),
    ("views.live", "record"),
    ("views.live", "config"),
}


def modules(part: str) -> list[Path]:
    folder = PACKAGE / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{part}.py"]


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def own_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def forbidden(path: Path, part: str) -> list[str]:
    """Return the imports of other parts of gpuwatch that this part may not have."""
    found = []
    for name in imported(path):
        if not name.startswith("gpuwatch."):
            continue
        other = name.split(".")[1]
        allowed = other in MAY[part] | GROUND or any(
            own_name(path).startswith(mine) and other == theirs for mine, theirs in EXCEPTIONS
        )
        if not allowed:
            found.append(name)
    return found


@pytest.mark.parametrize("part", sorted(MAY))
def test_imports_point_one_way(part: str) -> None:
    wrong = {own_name(path): bad for path in modules(part) if (bad := forbidden(path, part))}
    assert not wrong


def test_the_hook_imports_only_the_standard_library_and_itself() -> None:
    foreign = {
        own_name(path): name
        for path in modules("hook")
        for name in imported(path)
        # In the run folder the hook is `_gpuwatch`; its first file chains to the sitecustomize that it stands before.
        if name.split(".")[0] not in sys.stdlib_module_names | {"__future__", "sitecustomize", "_gpuwatch"}
    }
    assert not foreign


def test_no_part_is_left_out_of_the_map() -> None:
    parts = {p.stem for p in PACKAGE.iterdir() if p.is_dir() or p.suffix == ".py"} - {
        "__init__",
        "__main__",
        "__pycache__",
        "py",
    }
    assert parts - set(MAY) - GROUND == {"commands", "demo"}
