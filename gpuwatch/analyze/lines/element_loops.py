"""Which lines of a loop work on one number after the other, whatever holds these: Python's work, and no operation on tensors.

What decides: a value that a test puts in order (`if 0 < gap < margin`) is one number, and so is all that it is computed from without a
call. An element that two loops count out (`table[i, j]`) is one, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_Loop = ast.For | ast.AsyncFor | ast.While
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_ASSIGNS = (ast.Assign, ast.AugAssign, ast.AnnAssign)
_Assign = ast.Assign | ast.AugAssign | ast.AnnAssign
# Of one number or few, these make one.
_OF_NUMBERS = frozenset(("abs", "min", "max", "len", "int", "float", "bool", "round"))
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_COUNTED = 2


def element_lines(tree: ast.AST) -> set[int]:
    """Return the lines of a source that read single elements in a loop, compute with them or decide by them."""
    found: set[int] = set()
    for loop in ast.walk(tree):
        if isinstance(loop, _LOOPS):
            found |= _decided(loop)
    return found | _counted_out(tree, frozenset())


def _decided(loop: _Loop) -> set[int]:
    """Return the lines of a loop's tests of values that it reads from an array, and those that compute these."""
    body = list(_inside(loop))
    tests = [node.test for node in body if isinstance(node, (ast.If, ast.IfExp, ast.While)) and _is_plain(node.test)]
    tested = {name for test in tests for name in _ordered(test)}
    computed = [
        one for one in body if isinstance(one, _ASSIGNS) and _is_plain(one.value) and tested & set(_targets(one))
    ]
    read = {name for one in computed if one.value is not None and _reads(one.value) for name in _targets(one)}
    deciding = [test for test in tests if read & set(_names(test))]
    return _lines(deciding) | _lines(one for one in computed if read & set(_targets(one)))


def _counted_out(node: ast.AST, counters: frozenset[str]) -> set[int]:
    """Return the lines of assignments, without a call, that read or write elements by two of the counters of loops."""
    found: set[int] = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            found |= _counted_out(child, frozenset())
        elif isinstance(child, (ast.For, ast.AsyncFor)):
            own = counters | frozenset(_names(child.target)) if _counts(child.iter) else counters
            found |= _counted_out(child, own)
        else:
            if isinstance(child, _ASSIGNS) and _is_plain(child.value) and _takes_elements(child, counters):
                found |= _lines([child])
            found |= _counted_out(child, counters)
    return found


def _counts(iterated: ast.expr) -> bool:
    return isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name) and iterated.func.id == "range"


def _takes_elements(node: ast.AST, counters: frozenset[str]) -> bool:
    indices = (one.slice for one in ast.walk(node) if isinstance(one, ast.Subscript))
    return any(
        isinstance(index, ast.Tuple)
        and len(index.elts) >= _COUNTED
        and all(counters & set(_names(one)) and not isinstance(one, ast.Slice) for one in index.elts)
        for index in indices
    )


def _is_plain(value: ast.expr | None) -> bool:
    """Say whether an expression is arithmetic and comparisons: what it calls makes one number of numbers."""
    if value is None:
        return False
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _OF_NUMBERS):
            return False
        if isinstance(node, (ast.MatMult, ast.Slice, ast.Await, ast.Yield, ast.Lambda, ast.comprehension)):
            return False
    return True


def _reads(value: ast.expr) -> bool:
    """Say whether an element is read from something by an index that is no constant, and no mask."""
    subscripts = (node for node in ast.walk(value) if isinstance(node, ast.Subscript))
    return any(not isinstance(one.slice, (ast.Constant, ast.Compare, ast.BoolOp)) for one in subscripts)


def _ordered(test: ast.expr) -> Iterator[str]:
    """Return the names of the numbers that a test puts in order; the length of something says nothing of it."""
    compared = (node for node in ast.walk(test) if isinstance(node, ast.Compare))
    for node in compared:
        if all(isinstance(op, _ORDER) for op in node.ops):
            yield from (side.id for one in (node.left, *node.comparators) for side in _sides(one))


def _sides(value: ast.expr) -> Iterator[ast.Name]:
    if isinstance(value, ast.Name):
        yield value
    elif isinstance(value, ast.BinOp):
        yield from _sides(value.left)
        yield from _sides(value.right)
    elif isinstance(value, ast.UnaryOp):
        yield from _sides(value.operand)


def _inside(loop: _Loop) -> Iterator[ast.AST]:
    for statement in loop.body:
        yield from ast.walk(statement)


def _targets(assign: _Assign) -> Iterator[str]:
    targets = assign.targets if isinstance(assign, ast.Assign) else [assign.target]
    return (target.id for target in targets if isinstance(target, ast.Name))


def _names(node: ast.AST) -> Iterator[str]:
    return (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _lines(nodes: Iterable[ast.expr | ast.stmt]) -> set[int]:
    return {line for node in nodes for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
