"""Imports run one way, and the hook needs nothing but the standard library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from gpuwatch.words import WITH_HOOK

PACKAGE = Path(__file__).parents[2] / "gpuwatch"
GROUND = {"model", "words", "errors", "config", "records"}
# What each part may import beside the ground, the standard library and other people's packages.
MAY: dict[str, set[str]] = {
    "hook": {"hook"},
    "sources": {"sources"},
    "store": {"store"},
    "traces": {"traces"},
    "analyze": {"analyze", "store"},
    "diagnosis": {"diagnosis", "analyze"},
    "rules": {"rules", "diagnosis", "analyze"},
    "compare": {"compare", "rules"},
    "judged_report": {"analyze", "diagnosis", "rules"},
    "build_report": {"analyze", "judged_report", "traces"},
    "build_traced": {"analyze", "judged_report"},
    "build_job": {"analyze", "build_report", "judged_report"},
    "views": {"views"},
    "experiments": {"experiments", "analyze", "diagnosis", "build_report", "store", "supervise", "hook", "record"},
    "sampler": {"sources"},
    "supervise": set(),
    "record": {"hook", "store", "supervise", "tasks"},
    "tasks": {"hook"},
    "fleet": {"fleet", "build_report", "build_job", "store", "views"},
    "marks": set(),
    "watching": {"record", "hook", "store", "supervise", "build_report", "views"},
    "attach": {"record", "sources", "store"},
    "model": set(),
    "words": set(),
    "errors": set(),
    "records": set(),
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
    """Yield the dotted names that a module imports, at any depth of its code."""
    package = ("gpuwatch", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            yield from (".".join((*above, *filter(None, [node.module]), alias.name)) for alias in node.names)


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
WORDS = [PACKAGE / "words" / f"{name}.py" for name in WITH_HOOK]


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
        own_name(path): bad
        for path in [*modules("hook"), *WORDS]
        if (bad := at_import(path) - sys.stdlib_module_names - OWN)
    }
    assert not foreign


def test_the_hook_takes_those_words_alone_that_are_copied_with_it() -> None:
    # `inject` makes the copy and is no part of it.
    copied = [path for path in [*modules("hook"), *WORDS] if path.name not in ("inject.py", "in_process.py")]
    taken = {name.split(".")[2] for path in copied for name in imported(path) if is_word(name)}
    assert taken == set(WITH_HOOK) - {"__init__"}
    others = {name for path in WORDS for name in imported(path) if name.startswith("gpuwatch.") and not is_word(name)}
    assert not others


def is_word(name: str) -> bool:
    return name.startswith("gpuwatch.words.")


@pytest.mark.parametrize("path", WORDS, ids=lambda path: path.stem)
def test_what_is_copied_with_the_hook_is_read_by_the_oldest_python(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_the_hook_asks_for_nothing_but_the_users_own_libraries() -> None:
    known = sys.stdlib_module_names | OWN | USERS_OWN
    foreign = {
        own_name(path): name
        for path in [*modules("hook"), *WORDS]
        for name in imported(path)
        if name.split(".")[0] not in known and not name.startswith(("gpuwatch.hook.", "gpuwatch.words."))
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
    assert parts - set(MAY) - GROUND == {"commands", "demo", "integrations"}


# The most rooms of a part (its folders, and the modules beside them) that import each other in a row: to be lowered.
FLOORS = {"hook": 6, "analyze": 8}


def module_name(path: Path) -> str:
    """Return a module's name below gpuwatch; a package's for its __init__.py."""
    return own_name(path).removesuffix(".__init__") or "__init__"


@cache
def graph() -> dict[str, set[str]]:
    """Return the modules that each module imports: at its top, in functions, for type checkers."""
    paths = {module_name(path): path for path in PACKAGE.rglob("*.py")}
    return {name: {other for other in _targets(path, set(paths)) if other != name} for name, path in paths.items()}


def _targets(path: Path, known: set[str]) -> Iterator[str]:
    package = ("gpuwatch", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from {_below(alias.name) for alias in node.names} & known
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join((*above, *([node.module] if node.module else [])))
            for alias in node.names:
                found = [name for name in (_below(f"{start}.{alias.name}"), _below(start)) if name in known]
                yield from found[:1]


def _below(name: str) -> str:
    return name.removeprefix("gpuwatch.")


def circles() -> set[frozenset[str]]:
    """Return a circle of imports at a time, without the edges of the ones before."""
    edges, found = {name: set(others) for name, others in graph().items()}, set()
    while True:
        try:
            TopologicalSorter(edges).prepare()
            return found
        except CycleError as error:
            circle = error.args[1]
            edges[circle[1]].discard(circle[0])
            found.add(frozenset(circle))


def rooms(part: str) -> dict[str, set[str]]:
    """Return the rooms of a part with those that each one imports from."""
    found: dict[str, set[str]] = {}
    for name, others in graph().items():
        if name.startswith(f"{part}."):
            here = _room(name)
            found.setdefault(here, set()).update({_room(o) for o in others if o.startswith(f"{part}.")} - {here})
    return found


def _room(name: str) -> str:
    return name.split(".")[1]


def longest_chain(edges: dict[str, set[str]]) -> list[str]:
    """Return the rooms that import each other in a row, as many as there are anywhere. Raises CycleError."""
    chains: dict[str, list[str]] = {}
    for name in TopologicalSorter(edges).static_order():
        chains[name] = [name, *max((chains[other] for other in edges.get(name, ())), key=len, default=[])]
    return max(chains.values(), key=len)


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not circles()


@pytest.mark.parametrize("part", sorted(FLOORS))
def test_the_floors_of_a_part_do_not_grow(part: str) -> None:
    edges = rooms(part)
    chain = longest_chain(edges)
    arrows = sum(map(len, edges.values()))
    print(f"{part}: {len(edges)} rooms, {arrows} arrows, {len(chain)} floors: {' > '.join(chain)}")
    assert len(chain) <= FLOORS[part], chain
