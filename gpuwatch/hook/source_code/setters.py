"""Where the user's own source text sets something by a call, an argument or an environment variable of a known name.

Looked for once it is known that it is set: that a switch is on is read from the process, this only says who did it.
"""

from __future__ import annotations

import ast
import functools
import os
import sys

from . import origins
from .mentions import cell_files, source_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Tuple, Union

    Found = Union[Tuple[str, int], Tuple[None, None]]

_NOWHERE = (None, None)
_OFF = (False, None, 0, "0", "")


def sole_setter(names: Sequence[str]) -> Found:
    """Return (file, line) of the only place in the user's modules that sets one of these; (None, None) without exactly one.

    A name with a dot is a call of that module's function; others are the last name of a call, an argument's, or a text."""
    return _sole(tuple(names), _setters)


def sole_assignment(name: str) -> Found:
    """Return (file, line) of the only place outside of `__init__` that gives a variable or an attribute a new value."""
    return _sole((name,), _assignments)


def _sole(names: tuple[str, ...], search: Callable[[str, tuple[str, ...]], Iterator[int]]) -> Found:
    found = set()
    for path in _user_files():
        text = source_text(path)
        if any(name.rpartition(".")[2] in text for name in names):
            found |= {(path, line) for line in search(path, names)}
    return found.pop() if len(found) == 1 else _NOWHERE


def _user_files() -> list[str]:
    files = set(cell_files())
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and origins.is_user_file(file):
            files.add(os.path.abspath(file))
    return sorted(files)


@functools.lru_cache(maxsize=64)
def _tree(path: str) -> ast.AST | None:
    try:
        return ast.parse(source_text(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _setters(path: str, names: tuple[str, ...]) -> Iterator[int]:
    tree = _tree(path)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call):
            called = _dotted(node.func)
            switched_off = bool(node.args) and _is_off(node.args[0])
            if ((called in names or called.rpartition(".")[2] in names) and not switched_off) or _sets_variable(
                called, node, names
            ):
                yield node.lineno
            yield from (node.lineno for one in node.keywords if one.arg in names and not _is_off(one.value))
        elif isinstance(node, ast.Assign) and not _is_off(node.value):
            yield from (node.lineno for target in node.targets if _is_variable(target, names))


def _sets_variable(called: str, node: ast.Call, names: tuple[str, ...]) -> bool:
    """Say whether a call puts a variable in the environment: os.environ.setdefault, os.putenv."""
    setting = called.rpartition(".")[2] in ("setdefault", "putenv", "update")
    return setting and any(isinstance(one, ast.Constant) and one.value in names for one in node.args)


def _is_variable(target: ast.expr, names: tuple[str, ...]) -> bool:
    """Say whether an assignment's target is one of the environment's variables: os.environ["NAME"]."""
    key = target.slice if isinstance(target, ast.Subscript) else None
    if type(key).__name__ == "Index":  # Python 3.8
        key = getattr(key, "value", None)
    return isinstance(key, ast.Constant) and key.value in names


def _is_off(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and any(value.value is off or value.value == off for off in _OFF)


def _dotted(node: ast.expr) -> str:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return ".".join([node.id, *names] if isinstance(node, ast.Name) else names)


def _assignments(path: str, names: tuple[str, ...]) -> Iterator[int]:
    tree = _tree(path)
    nodes = list(ast.walk(tree)) if tree is not None else []
    made = {id(node) for one in nodes if _makes(one) for node in ast.walk(one)}
    for node in nodes:
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and id(node) not in made:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_dotted(target).rpartition(".")[2] in names for target in targets):
                yield node.lineno


def _makes(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"
