"""Where the user's source text calls a class by its name. Read with `ast`: a help text or a docstring calls nothing.

A library object's construction site: looked for in the text once it is known that the object matters, so that making
one costs nothing.
"""

from __future__ import annotations

import ast
import functools
import linecache
import os
import sys
import types

from ...words import source_code
from . import origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Found = tuple[str, "Mention"]

_SOURCE_LIMIT_BYTES = 1_000_000
_NOWHERE = (None, None)


class Mention:
    """One call in a file: `path`, as ("transforms", "Resize"); `among`: the names called in the list it is written in."""

    __slots__ = ("among", "line", "path")

    def __init__(self, path: tuple[str, ...], line: int, among: tuple[str, ...]) -> None:
        self.path, self.line, self.among = path, line, among


def sole_call(cls: type, files: Iterable[str], among: Sequence[str] = ()) -> tuple[str | None, int | None]:
    """Return (file, line) of the only call of `cls` in the user's code; (None, None) when there is not exactly one.

    Looked for in `files`, else in the modules that know the class, of the user or of the program that was started.
    `among`: the classes of the list that the object is in; of several calls the one in such a list is meant.
    """
    return _sole_call(cls, frozenset(files), tuple(among), cell_files())


def cell_files() -> tuple[str, ...]:
    """Return the names of a notebook's cells."""
    return tuple(filter(source_code.is_cell, list(linecache.cache))) if "IPython" in sys.modules else ()


@functools.lru_cache(maxsize=1024)
def _sole_call(
    cls: type, files: frozenset[str], among: tuple[str, ...], cells: tuple[str, ...]
) -> tuple[str | None, int | None]:
    """Look once: some datasets make their transforms for each sample."""
    found = _calls_of(cls, files)
    for whose in (origins.is_user_file, origins.is_programs):
        found = found or _calls_of(cls, {*cells, *_files_that_know(cls, whose)})
    if len(found) > 1 and among:
        found = [(path, call) for path, call in found if call.among == among]
    found = _newest_cell(found)
    return (found[0][0], found[0][1].line) if len(found) == 1 else _NOWHERE


def _calls_of(cls: type, files: Iterable[str]) -> list[Found]:
    named = [path for path in sorted(files) if cls.__name__ in source_text(path)]
    return [(path, call) for path in named for call in _calls_in(path) if _means(call, cls, path)]


def _files_that_know(cls: type, whose: Callable[[str], bool]) -> set[str]:
    """Return the files of the modules in which the class, or a module of its package, has a name."""
    package = cls.__module__.partition(".")[0]
    files = set()
    for module in list(sys.modules.values()):
        fields = getattr(module, "__dict__", {})
        file = fields.get("__file__")
        if isinstance(file, str) and whose(file) and _knows(list(fields.values()), cls, package):
            files.add(os.path.abspath(file))
    return files


def _knows(values: list[object], cls: type, package: str) -> bool:
    modules = (value.__name__ for value in values if type(value) is types.ModuleType)
    return any(value is cls for value in values) or any(name.partition(".")[0] == package for name in modules)


def _newest_cell(found: list[Found]) -> list[Found]:
    """Return the calls without those of cells that were run again with another text: the last one run counts."""
    if len(found) < 2 or not all(source_code.is_cell(path) for path, _ in found):
        return found
    order = {path: at for at, path in enumerate(linecache.cache)}
    newest = max((path for path, _ in found), key=lambda path: order.get(path, -1))
    return [(path, call) for path, call in found if path == newest]


def _means(call: Mention, cls: type, path: str) -> bool:
    """Say whether a call is of this class: by its name, and by what the name is in that module where that is known."""
    if call.path[-1] != cls.__name__:
        return False
    value: object = _globals_of(path)
    for name in call.path:
        fields = value if isinstance(value, dict) else getattr(value, "__dict__", {})
        if name not in fields:
            return True  # a local import, or a module that makes its attributes as they are asked for
        value = fields[name]
    return value is cls or getattr(value, "__wrapped__", None) is cls


def _globals_of(path: str) -> dict[str, object]:
    if source_code.is_cell(path):
        return vars(sys.modules["__main__"])
    for module in list(sys.modules.values()):
        fields: dict[str, object] = getattr(module, "__dict__", {})
        if fields.get("__file__") == path:
            return fields
    return {}


@functools.lru_cache(maxsize=256)
def _calls_in(path: str) -> tuple[Mention, ...]:
    """Return a file's calls of something that has a name."""
    try:
        return tuple(_mentions(ast.parse(source_text(path))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()


def source_text(path: str) -> str:
    """Return the text of a file or of a cell; empty for one that is too long, or cannot be read."""
    if source_code.is_cell(path):
        return "".join(linecache.getlines(path))
    try:
        if os.path.getsize(path) > _SOURCE_LIMIT_BYTES:
            return ""
        with open(path, encoding="utf-8", errors="replace") as source:
            return source.read()
    except OSError:
        return ""


def _mentions(tree: ast.AST) -> Iterator[Mention]:
    among: dict[int, tuple[str, ...]] = {}
    for node in ast.walk(tree):
        # From outside in: a list is met before its entries.
        for together in _together(node):
            names = tuple(_path(entry.func)[-1] for entry in together if isinstance(entry, ast.Call))
            among.update({id(entry): names for entry in together})
        if isinstance(node, ast.Call) and _path(node.func)[-1]:
            yield Mention(_path(node.func), node.lineno, among.get(id(node), ()))


def _together(node: ast.AST) -> list[list[ast.expr]]:
    """Return the entries of a list, and the arguments of a call: `Sequential(Resize(…), Flip(…))`."""
    entries = node.elts if isinstance(node, (ast.List, ast.Tuple)) else node.args if isinstance(node, ast.Call) else []
    return [list(entries)] if len(entries) > 1 or isinstance(node, ast.List) else []


def _path(node: ast.expr) -> tuple[str, ...]:
    """Return the names of `a.b.C`; one empty name where something else is called."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return (node.id, *names) if isinstance(node, ast.Name) else ("",) if not names else ("", *names)
