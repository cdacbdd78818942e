"""Imports run one way, and the hook needs nothing but the standard library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "gpuwatch"
GROUND = {"model", "words", "errors", "config"}
# What each part may import beside the ground, the standard library and other people's packages.
MAY: dict[str, set[str]] = {
    "hook": set(),
    "sources": {"sources"},
    "store": {"store"},
    "analyze": {"analyze", "store"},
    "diagnosis": {"diagnosis", "analyze"},
    "rules": {"rules", "diagnosis", "analyze"},
    "compare": {"compare", "rules"},
    "build_report": {"analyze", "diagnosis", "rules"},
    "views": {"views"},
    "experiments": {"experiments", "analyze", "rules", "build_report", "store", "supervise", "hook", "record"},
    "sampler": {"sources"},
    "supervise": set(),
    "record": {"hook", "store", "supervise"},
    "model": set(),
    "words": set(),
    "errors": set(),
}
# Each exception is a decision of its own.
EXCEPTIONS = {
    # The live view is the analyzer over the spool of a run that goes on, so it reads and analyses by itself.
    ("views.live", "analyze"),
    ("views.live", "build_report"),
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


# What the user's process has anyway, and only what it has: asked for inside functions, never when the hook is loaded.
USERS_OWN = {"torch", "numpy", "PIL", "cv2", "simplejpeg", "line_profiler", "torchvision"}
# In the run folder the hook is `_gpuwatch`; its first file chains to the sitecustomize that it stands before.
OWN = {"__future__", "sitecustomize", "_gpuwatch"}


def at_import(path: Path) -> set[str]:
    """Return the top-level packages that importing a module imports."""
    body = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {name.split(".")[0] for node in body for name in names_of(node)}


def names_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if node.level == 0 else []


def test_loading_the_hook_imports_only_the_standard_library() -> None:
    foreign = {
        own_name(path): bad for path in modules("hook") if (bad := at_import(path) - sys.stdlib_module_names - OWN)
    }
    assert not foreign


def test_the_hook_asks_for_nothing_but_the_users_own_libraries() -> None:
    known = sys.stdlib_module_names | OWN | USERS_OWN
    foreign = {
        own_name(path): name for path in modules("hook") for name in imported(path) if name.split(".")[0] not in known
    }
    assert not foreign


def test_the_vocabulary_needs_only_the_standard_library() -> None:
    known = sys.stdlib_module_names | OWN
    foreign = {
        own_name(path): name
        for path in modules("words")
        for name in imported(path)
        if name.split(".")[0] not in known and not name.startswith("gpuwatch.words")
    }
    assert not foreign


def test_plotly_is_imported_by_its_figure_alone() -> None:
    users = {own_name(path) for path in PACKAGE.rglob("*.py") if any(n.startswith("plotly.") for n in imported(path))}
    # The package itself names the type that `gpuwatch.figure` returns, for type checkers only.
    assert {name for name in users if not name.startswith("views.plotly_figure.")} == {"__init__"}
    assert "views.plotly_figure.__init__" in users


def test_no_part_is_left_out_of_the_map() -> None:
    parts = {p.stem for p in PACKAGE.iterdir() if p.is_dir() or p.suffix == ".py"} - {
        "__init__",
        "__main__",
        "verbs",
        "__pycache__",
        "py",
    }
    assert parts - set(MAY) - GROUND == {"commands", "demo"}
