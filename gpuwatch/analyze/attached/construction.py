"""Where the loader of a sampled loop is made: by the source alone, for the object was made long before the look."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from gpuwatch.analyze.attached.loops import LoopAt
from gpuwatch.analyze.syntax import parsed
from gpuwatch.model.measures import Place
from gpuwatch.words.source_code import is_library

_LOADERS = frozenset(("DataLoader", "StatefulDataLoader"))
_MOST_LINES = 20_000


def sole_call(name: str, files: Iterable[str]) -> Place | None:
    """Return the only line of the user's files at which a class is called; None where there is none, or several."""
    places = [
        place for file in sorted(set(files)) if not is_library(file) for _, place in _calls(file, frozenset((name,)))
    ]
    return places[0] if len(places) == 1 else None


def construction_of(loop: LoopAt | None, files: Iterable[str]) -> Place | None:
    """Return the line that makes the loader over which a loop iterates: the one assigned to its name, else the only one in
    the user's files; None where several may be meant."""
    found = {file: list(_calls(file)) for file in sorted(set(files)) if not is_library(file)}
    if loop is not None:
        names = _iterated(loop)
        mine = [place for target, place in found.get(loop.file, ()) if target in names]
        if len(mine) == 1:
            return mine[0]
    every = [place for calls in found.values() for _, place in calls]
    return every[0] if len(every) == 1 else None


def _calls(file: str, names: frozenset[str] = _LOADERS) -> Iterator[tuple[str | None, Place]]:
    """Yield each construction of these classes in a file, with the name that it is assigned to."""
    tree = parsed(file, _MOST_LINES)
    if tree is None:
        return
    owners = {
        id(part): _target(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last_name(node.func) in names:
            yield owners.get(id(node)), Place(file, node.lineno, None)


def _target(node: ast.Assign | ast.AnnAssign) -> str | None:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return _last_name(target)


def _iterated(loop: LoopAt) -> set[str]:
    """Return the names in what a loop iterates over: `loader` of `for i, batch in enumerate(loader)`."""
    tree = parsed(loop.file, _MOST_LINES)
    if tree is None:
        return set()
    loops = [node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.AsyncFor)) and node.lineno == loop.line]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.lineno == loop.line]
    parts = [part for node in loops for part in ast.walk(node.iter)] or [
        part for node in calls for part in ast.walk(node)
    ]
    return {name for part in parts if (name := _last_name(part)) is not None}


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
