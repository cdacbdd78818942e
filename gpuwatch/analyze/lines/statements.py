"""What a source file says at a line: the statement it belongs to, and the library function that is called there."""

from __future__ import annotations

import ast
import linecache
from collections import defaultdict
from functools import lru_cache

from gpuwatch.model.hot_lines import Callee

_MOST_LINES = 5_000
# What does something at its own line; a name or a constant on a line of its own is an argument of what began above.
_WORKS = (ast.Call, ast.Subscript, ast.BinOp, ast.Compare, ast.comprehension, ast.Await, ast.Yield, ast.YieldFrom)


class _Source:
    """One parsed file. `starts`: by line, the first line of its statement; `works`: lines at which something is done."""

    def __init__(self, tree: ast.Module) -> None:
        self.starts: dict[int, int] = {}
        self.works: set[int] = set()
        self.calls: dict[int, set[tuple[str, ...]]] = defaultdict(set)
        self.modules: dict[str, str] = {}
        for node in ast.walk(tree):
            self._look_at(node)

    def _look_at(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            self.modules |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        if isinstance(node, ast.Call):
            line = node.func.end_lineno or node.lineno
            self.calls[line].add(_path(node.func))
            self.works |= {line}
        if isinstance(node, _WORKS):
            self.works.add(node.iter.lineno if isinstance(node, ast.comprehension) else node.lineno)
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            # From outside in: a statement in a lambda does not exist, so none of these holds another.
            self.starts |= dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node.lineno)


def statement_line(file: str, line: int) -> int:
    """Return the first line of the statement of which a line holds arguments only; else the line itself."""
    source = _parsed(file)
    return line if source is None or line in source.works else source.starts.get(line, line)


def called_at(file: str, line: int) -> Callee | None:
    """Return the function of an imported module that is called at a line, where it is the only one: a compiled one has
    no frame of its own."""
    source = _parsed(file)
    paths = source.calls.get(line, set()) if source else set()
    named = [path for path in paths if len(path) > 1 and source is not None and path[0] in source.modules]
    if source is None or len(named) != 1 or len(paths) != 1:
        return None
    ((first, *rest),) = named
    return Callee(source.modules[first], ".".join(rest), qualified=True)


def _path(node: ast.expr) -> tuple[str, ...]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return (node.id, *names) if isinstance(node, ast.Name) else ()


@lru_cache(maxsize=256)
def _parsed(file: str) -> _Source | None:
    lines = linecache.getlines(file)
    if not lines or len(lines) > _MOST_LINES:
        return None
    try:
        return _Source(ast.parse("".join(lines)))
    except (SyntaxError, ValueError, RecursionError):
        return None
