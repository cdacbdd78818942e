"""What a source file says at a line: the statement it belongs to, and the library function that is called there."""

from __future__ import annotations

import ast
from functools import lru_cache

from gpuwatch.analyze.syntax import parsed
from gpuwatch.model.hot_lines import Callee

# What does something at its own line; a name or a constant on a line of its own is an argument of what began above.
_WORKS = (ast.Call, ast.Subscript, ast.BinOp, ast.Compare, ast.Await, ast.Yield, ast.YieldFrom)


def statement_line(file: str, line: int) -> int:
    """Return the first line of the statement of which a line holds arguments only; else the line itself."""
    nodes = _at(file, line)
    if any(_begins_work(node, line) for node in nodes):
        return line
    # From outside in: a statement in a lambda does not exist, so none of these holds another.
    return next((node.lineno for node in nodes if isinstance(node, ast.stmt) and not hasattr(node, "body")), line)


def _begins_work(node: ast.AST, line: int) -> bool:
    if isinstance(node, ast.Call) and line == _called_in(node):
        return True
    if isinstance(node, ast.comprehension):
        return node.iter.lineno == line
    return isinstance(node, _WORKS) and node.lineno == line


def _called_in(call: ast.Call) -> int:
    return call.func.end_lineno or call.lineno


def called_at(file: str, line: int) -> Callee | None:
    """Return the function of an imported module that is called at a line, where it is the only one: a compiled one has
    no frame of its own."""
    calls = (node for node in _at(file, line) if isinstance(node, ast.Call) and _called_in(node) == line)
    paths = {_path(call.func) for call in calls}
    first, *rest = (paths.pop() if len(paths) == 1 else ()) or ("",)
    module = _modules(file).get(first) if rest else None
    return None if module is None else Callee(module, ".".join(rest), qualified=True)


def _path(node: ast.expr) -> tuple[str, ...]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return (node.id, *names) if isinstance(node, ast.Name) else ()


@lru_cache(maxsize=2048)
def _at(file: str, line: int) -> tuple[ast.AST, ...]:
    """Return the nodes of a file that a line is part of, from outside in; only these are looked at, of however long a file."""
    tree = parsed(file)
    found: list[ast.AST] = []
    ahead: list[ast.AST] = [] if tree is None else [tree]
    for node in ahead:
        covering = [child for child in ast.iter_child_nodes(node) if _holds(child, line)]
        found += covering
        ahead += covering
    return tuple(found)


def _holds(node: ast.AST, line: int) -> bool:
    """Say whether a line is part of a node, or may be: some have no place of their own."""
    first = getattr(node, "lineno", None)
    if first is None:
        return True
    # What decorates a function or class is above it.
    first = min([first, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    return bool(first <= line <= (getattr(node, "end_lineno", None) or first))


@lru_cache(maxsize=256)
def _modules(file: str) -> dict[str, str]:
    """Return the modules that a file imports, by their names in it."""
    tree = parsed(file)
    ahead: list[ast.AST] = [] if tree is None else [tree]
    found: dict[str, str] = {}
    for node in ahead:
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        ahead += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]
    return found
