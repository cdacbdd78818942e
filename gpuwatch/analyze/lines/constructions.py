"""Constructor calls in a source file, and whether what they are given depends on the item or the step they are made in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from gpuwatch.analyze.syntax import parsed

# Functions other than classes that build what lasts: by name, or by how the name begins.
_BUILDS = frozenset(("connect", "compile", "get_encoding", "get_tokenizer", "load_model"))
_BUILDS_BY = ("from_", "create", "make_")
# What these return is another thing at each call.
_VARY = frozenset(
    ["next", "get", "recv", "pop", "popleft", "read", "readline", "random", "randint", "choice", "sample", "time"]
)
_ITSELF = frozenset(("self", "cls"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Construction(NamedTuple):
    """A call that builds something. `alone`: there is no other call at its line; `depends`: on the item or the step;
    `repeats`: it is in a loop, or in a function that has none and is called in one."""

    name: str
    alone: bool
    depends: bool
    repeats: bool


def construction_at(file: str, line: int, name: str | None = None) -> Construction | None:
    """Return the call at a line that builds an object, of this class where one is named; None where there is none, or more."""
    calls = _calls_at(file).get(line, ())
    built = [call for call in calls if (_name(call) == name if name else _builds(_name(call)))]
    if len(built) != 1:
        return None
    call = built[0]
    function = _function_of(file, line)
    return Construction(_name(call), len(calls) == 1, _depends(call, function), _repeats(file, line, function))


def _builds(name: str) -> bool:
    return name.lstrip("_")[:1].isupper() or name in _BUILDS or name.startswith(_BUILDS_BY)


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _depends(call: ast.Call, function: Function | None) -> bool:
    varying = _varying(function) if function is not None else frozenset()
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    given += [call.func.value] if isinstance(call.func, ast.Attribute) else []
    return any(_varies(one, varying) for one in given)


def _varies(node: ast.AST, varying: frozenset[str]) -> bool:
    return any(
        (isinstance(one, ast.Name) and one.id in varying) or (isinstance(one, ast.Call) and _name(one) in _VARY)
        for one in ast.walk(node)
    )


def _repeats(file: str, line: int, function: Function | None) -> bool:
    inside = function if function is not None else parsed(file)
    loops = [
        node for node in (ast.walk(inside) if inside else ()) if isinstance(node, (ast.For, ast.AsyncFor, ast.While))
    ]
    if any(loop.lineno < line <= (loop.end_lineno or 0) for loop in loops):
        return True
    return function is not None and not loops and not _is_called_once(function)


@lru_cache(maxsize=256)
def _varying(function: Function) -> frozenset[str]:
    """Return the names of a function that hold something else at each call, or in each turn of a loop."""
    arguments = function.args
    names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)} - _ITSELF
    names |= {one.arg for one in (arguments.vararg, arguments.kwarg) if one}
    # A function that is called once for the whole run has parameters, too, but a loop in it.
    names = set() if _is_called_once(function) else names
    names |= {
        one.id for loop in ast.walk(function) if isinstance(loop, (ast.For, ast.AsyncFor)) for one in _targets(loop)
    }
    grown = True
    while grown:
        added = {
            one.id
            for value, targets in _assignments(function)
            if _varies(value, frozenset(names))
            for target in targets
            for one in ast.walk(target)
            if isinstance(one, ast.Name)
        }
        grown, names = not added <= names, names | added
    return frozenset(names)


def _is_called_once(function: Function) -> bool:
    return function.name in ("main", "train", "run", "fit")


def _targets(loop: ast.For | ast.AsyncFor) -> Iterator[ast.Name]:
    return (one for one in ast.walk(loop.target) if isinstance(one, ast.Name))


def _assignments(function: Function) -> Iterator[tuple[ast.AST, list[ast.AST]]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            yield node.value, list(node.targets)
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            yield node.value, [node.target]
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            yield node.context_expr, [node.optional_vars]


@lru_cache(maxsize=256)
def _calls_at(file: str) -> dict[int, tuple[ast.Call, ...]]:
    tree = parsed(file)
    found: dict[int, tuple[ast.Call, ...]] = {}
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call):
            for line in {node.lineno, node.func.end_lineno or node.lineno}:
                found[line] = (*found.get(line, ()), node)
    return found


def _function_of(file: str, line: int) -> Function | None:
    """Return the innermost function around a line."""
    tree = parsed(file)
    around = [
        node
        for node in (ast.walk(tree) if tree else ())
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(around, key=lambda node: node.lineno, default=None)
