"""What the source of a function says of the training loop in it, or around it: at which of its lines the next batch is got.

That is the header of a `for` around the model's lines, or a statement before them: one that takes the batch from an iterator,
a queue or a memory, or, where the loop only counts, one that makes it. What computes from a batch that was delivered, or
from what the model returned, is not among them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from gpuwatch.analyze.lines.host_code import call_kinds, imported_packages
from gpuwatch.analyze.syntax import parsed
from gpuwatch.words.source_code import is_library

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Module
Loop = ast.For | ast.AsyncFor | ast.While
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# What hands over a batch that is there, or is made when it is asked for.
_TAKES = frozenset(("next", "get", "get_nowait", "sample", "recv", "receive", "popleft", "next_batch", "get_batch"))
# What an element of is no batch: a number, a path, a row. Of the others, and of what is not known, it is taken to be one.
_COUNTS = frozenset(
    [
        "range",
        "trange",
        "count",
        "sorted",
        "list",
        "glob",
        "iglob",
        "listdir",
        "iterdir",
        "rglob",
        "permutation",
        "randperm",
        "split",
        "array_split",
    ]
)
_AROUND = frozenset(["enumerate", "zip", "tqdm", "reversed", "islice", "track", "cycle", "iter"])
# What makes a number or a path of another.
_NAMES = ("str", "int", "float", "Path", "join", "format")
_ADDS = ("append", "extend", "add")


class BatchLines(NamedTuple):
    """Lines of a function: `lines`: at which the next batch is got; `calls`: what is called for it within a line of the
    model's, as `next` in `step(next(batches))`; `awaits`: whether it is awaited, so that other tasks may make it."""

    lines: frozenset[int]
    calls: frozenset[str]
    awaits: bool


class _Step(NamedTuple):
    """One statement of a loop's body, or the header of one: what it assigns and from what, and the names in both."""

    lines: frozenset[int]
    value: ast.expr
    targets: frozenset[str]
    names: frozenset[str]


def scope_line(file: str, line: int) -> int | None:
    """Return the first line of the function that a line is in, 0 for none; None where the source is not known."""
    scope = _scope(file, line)
    return None if scope is None else getattr(scope, "lineno", 0)


def is_generator(file: str, line: int) -> bool:
    """Say whether a line is in a generator function."""
    scope = _scope(file, line)
    return scope is not None and any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in _within(_body(scope)))


def loops_around(file: str, line: int) -> bool:
    """Say whether a line of a function is in a loop of that function."""
    scope = _scope(file, line)
    return scope is not None and bool(_around(scope, line))


@lru_cache(maxsize=256)
def batch_lines(file: str, model: frozenset[int], calls_model: bool, in_loop: bool) -> BatchLines | None:
    """Return where a function gets the next batch; None where its source is not known, or no loop is in it or around it.

    `model`: its lines below which the model computes; `calls_model`: whether modules were met there; `in_loop`: whether
    the function is called in the loop."""
    scope = _scope(file, min(model))
    if scope is None:
        return None
    loops = {id(loop): loop for line in model for loop in _around(scope, line)}
    if not loops and not in_loop:
        return None
    headers = [_header(loop) for loop in loops.values() if not model & _header(loop)]
    found = set().union(*headers) if headers else set()
    bodies = _bodies(scope, model)
    steps = [step for body in bodies for step in _steps(body)]
    heads = [loop for loop in loops.values() if isinstance(loop, (ast.For, ast.AsyncFor))]
    flow = _Flow(
        steps,
        model,
        _names_of_batches(heads, _counting_names(file)),
        not is_library(file) and calls_model,
        parsed(file),
    )
    feeding = [step for step in flow.before if flow.feeds(step)]
    for step in feeding:
        found |= step.lines - model
    return BatchLines(frozenset(found), flow.inner_calls(bodies), _awaits(loops.values(), feeding))


class _Flow:
    """What flows into the model within a loop, and what flows out of it. `delivered`: the names that the loop's header
    assigns a batch to; `makes`: whether a statement may make the batch, not only take it."""

    def __init__(
        self,
        steps: Sequence[_Step],
        model: frozenset[int],
        delivered: frozenset[str],
        makes: bool,
        tree: ast.Module | None,
    ) -> None:
        self._model, self._makes = model, makes
        self.before = [step for step in steps if not step.lines & model]
        computed = [step for step in steps if step.lines & model]
        takes = [step for step in self.before if _takes(step.value)]
        self._modules = imported_packages(tree) if tree else {}
        self._delivered = _grown(delivered.union(*(step.targets for step in takes)), self.before, takes)
        self._computed = _grown(frozenset().union(*(step.targets for step in computed)), self.before, takes)
        self._needed = _needed(frozenset().union(*(step.names for step in computed)), self.before)

    def feeds(self, step: _Step) -> bool:
        """Say whether a statement gets the next batch."""
        if not step.targets & self._needed:
            return False
        made = self._makes and not step.targets & self._computed
        return _takes(step.value) or (made and self._is_made(step.value, step.names))

    def _is_made(self, value: ast.expr, names: frozenset[str]) -> bool:
        """Say whether a value is made of nothing that was delivered or computed, and not by operations on tensors alone."""
        calls = any(isinstance(node, ast.Call) for node in ast.walk(value))
        if not calls or names & (self._delivered | self._computed):
            return False
        return not call_kinds([value], self._modules) <= {"tensors", "plain"}

    def inner_calls(self, bodies: Iterable[Sequence[ast.stmt]]) -> frozenset[str]:
        """Return what is called for the batch within the lines of the model: arguments of its call, what it is iterated by."""
        found: set[str] = set()
        for node in (node for body in bodies for node in _within(body) if getattr(node, "lineno", 0) in self._model):
            if isinstance(node, ast.Call):
                inner = [one for one in [*node.args, *(k.value for k in node.keywords)] if isinstance(one, ast.Call)]
                found |= {
                    _called(one) for one in inner if _takes(one) or (self._makes and self._is_made(one, _loaded(one)))
                }
            elif isinstance(node, _COMPREHENSIONS):
                calls = (one for part in node.generators for one in ast.walk(part.iter) if isinstance(one, ast.Call))
                found |= {_called(one) for one in calls}
        return frozenset(found)


def _grown(names: frozenset[str], steps: Sequence[_Step], takes: Sequence[_Step]) -> frozenset[str]:
    """Return names with those of what is computed from them; what takes a batch takes one that is none of theirs."""
    grown = frozenset().union(names, *(s.targets for s in steps if s.names & names and s not in takes))
    return names if grown == names else _grown(grown, steps, takes)


def _needed(names: frozenset[str], steps: Sequence[_Step]) -> frozenset[str]:
    grown = frozenset().union(names, *(step.names for step in steps if step.targets & names))
    return names if grown == names else _needed(grown, steps)


@lru_cache(maxsize=4096)
def _scope(file: str, line: int) -> Scope | None:
    """Return the innermost function around a line, else the module."""
    tree = parsed(file)
    if tree is None:
        return None
    functions = (
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.lineno <= line <= (node.end_lineno or 0)
    )
    return max(functions, key=lambda node: node.lineno, default=tree)


def _body(scope: Scope) -> Sequence[ast.stmt]:
    return scope.body


def _within(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield all nodes of some statements, without those of functions that are defined there."""
    for node in body:
        yield node
        if not isinstance(node, _SCOPES):
            yield from _within(ast.iter_child_nodes(node))


def _spans(body: Sequence[ast.stmt], line: int) -> bool:
    return bool(body) and body[0].lineno <= line <= (body[-1].end_lineno or body[-1].lineno)


def _around(scope: Scope, line: int) -> list[Loop]:
    """Return the loops of a function whose body has a line, the innermost last."""
    found = (node for node in _within(_body(scope)) if isinstance(node, _LOOPS))
    return sorted((loop for loop in found if _spans(loop.body, line)), key=lambda loop: loop.lineno)


def _bodies(scope: Scope, model: frozenset[int]) -> list[Sequence[ast.stmt]]:
    """Return the bodies in which the model's lines are: of the innermost loops around them, else the function's."""
    found: dict[int, Sequence[ast.stmt]] = {}
    for line in model:
        loops = _around(scope, line)
        body = loops[-1].body if loops else _body(scope)
        found[id(body)] = body
    loops_only = {key: body for key, body in found.items() if body is not _body(scope)}
    return list((loops_only or found).values())


def _header(loop: Loop) -> frozenset[int]:
    """Return the lines at which a loop gets its next element; a `while` does where its test assigns one."""
    if isinstance(loop, ast.While):
        assigns = any(isinstance(node, ast.NamedExpr) for node in ast.walk(loop.test))
        return _lines(loop.test) if assigns else frozenset()
    last = min(loop.iter.end_lineno or loop.lineno, max(loop.body[0].lineno - 1, loop.lineno))
    return frozenset(range(loop.lineno, last + 1))


def _lines(node: ast.expr | ast.stmt) -> frozenset[int]:
    return frozenset(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def _steps(body: Iterable[ast.AST]) -> Iterator[_Step]:
    """Yield what is assigned in some statements, in those of blocks as well, and what only uses names."""
    for node in _within(body):
        if isinstance(node, ast.Assign):
            yield _step(node, node.value, node.targets)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
            yield _step(node, node.value, [node.target])
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            yield _Step(_header(node), node.iter, _stored([node.target]), _loaded(node.iter))
        elif isinstance(node, ast.NamedExpr):
            yield _Step(_lines(node), node.value, _stored([node.target]), _loaded(node.value))
        elif isinstance(node, (ast.Expr, ast.Return)) and node.value is not None:
            yield _Step(_lines(node), node.value, _added_to(node.value), _loaded(node.value))


def _step(node: ast.stmt, value: ast.expr, targets: Sequence[ast.expr]) -> _Step:
    return _Step(_lines(node), value, _stored(targets), _loaded(value))


def _added_to(value: ast.expr) -> frozenset[str]:
    """Return the name of the list that a statement appends to."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _ADDS:
        return _stored([value.func.value])
    return frozenset()


def _stored(targets: Iterable[ast.expr]) -> frozenset[str]:
    found: set[str] = set()
    for target in targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            found |= _stored(target.elts)
        elif isinstance(target, (ast.Starred, ast.Subscript)):
            found |= _stored([target.value])
        else:
            found.add(_path(target))
    return frozenset(found - {""})


def _loaded(value: ast.AST) -> frozenset[str]:
    """Return the names that an expression uses: of attributes the first two parts of their path."""
    path = _path(value)
    if path:
        return frozenset((path,) if path.startswith("self.") else (path, path.partition(".")[0]))
    return frozenset().union(*map(_loaded, ast.iter_child_nodes(value)))


def _path(node: ast.AST) -> str:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return ".".join([node.id, *names][:2]) if isinstance(node, ast.Name) else ""


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _takes(value: ast.expr) -> bool:
    """Say whether an expression takes a batch from something that delivers them, awaited or not."""
    calls = (node for node in ast.walk(value) if isinstance(node, ast.Call))
    return any(_called(call) in _TAKES and not _is_lookup(call) for call in calls)


def _is_lookup(call: ast.Call) -> bool:
    """Say whether it is the `get` of a dictionary: that has a key, where a queue has none."""
    return _called(call) == "get" and any(
        isinstance(one, ast.Constant) and isinstance(one.value, str) for one in call.args
    )


def _names_of_batches(loops: Iterable[ast.For | ast.AsyncFor], counting: frozenset[str]) -> frozenset[str]:
    """Return the names that loops assign batches to, not numbers, paths or rows."""
    return frozenset().union(*(_stored([loop.target]) for loop in loops if not _counts(loop.iter, counting)))


@lru_cache(maxsize=256)
def _counting_names(file: str) -> frozenset[str]:
    """Return the names that a file assigns numbers, paths or rows to, and nothing else."""
    tree = parsed(file)
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)] if tree else []
    counting = {name for node in assigned if _counts(node.value, frozenset()) for name in _stored(node.targets)}
    others = {name for node in assigned if not _counts(node.value, frozenset()) for name in _stored(node.targets)}
    return frozenset(counting - others)


def _counts(value: ast.expr, counting: frozenset[str]) -> bool:
    """Say whether something that is iterated gives numbers, paths or rows."""
    if isinstance(value, ast.Subscript):
        return _counts(value.value, counting)
    if isinstance(value, ast.ListComp):
        return all(_called(one) in _NAMES for one in ast.walk(value.elt) if isinstance(one, ast.Call))
    if not isinstance(value, ast.Call):
        return isinstance(value, (ast.List, ast.Tuple)) or _path(value) in counting
    if _called(value) in _AROUND:
        return bool(value.args) and all(
            _counts(one, counting) for one in value.args if not isinstance(one, ast.Constant)
        )
    return _called(value) in _COUNTS


def _awaits(loops: Iterable[Loop], feeding: Iterable[_Step]) -> bool:
    """Say whether a loop awaits its batches."""
    awaited = any(isinstance(node, ast.Await) for step in feeding for node in ast.walk(step.value))
    return awaited or any(isinstance(loop, ast.AsyncFor) for loop in loops)
