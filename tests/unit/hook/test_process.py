"""The hook's state belongs to one object, which renews it in a forked child; no module keeps another one."""

from __future__ import annotations

import ast
import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import gpuwatch.hook
from gpuwatch.hook.event_log import counters
from gpuwatch.hook.process import Process

HOOK = Path(gpuwatch.hook.__file__).parent
MODULES = sorted(path.relative_to(HOOK).as_posix() for path in HOOK.rglob("*.py"))
# Calls whose result can change, beside those of a class (a capitalised name).
CONTAINERS = {"dict", "list", "set", "bytearray", "deque", "defaultdict", "count", "cycle", "local", "ref", "iter"}
MUTATING = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "setdefault", "sort", "update",
}  # fmt: skip
DISPLAYS = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp, ast.GeneratorExp)


@functools.cache
def parsed(module: str) -> ast.Module:
    return ast.parse((HOOK / module).read_text())


def called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def is_owned(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "process.own"


def can_change(value: ast.expr) -> bool:
    if isinstance(value, ast.IfExp):
        return can_change(value.body) or can_change(value.orelse)
    if isinstance(value, (ast.BoolOp, ast.Tuple)):
        return any(map(can_change, value.values if isinstance(value, ast.BoolOp) else value.elts))
    if not isinstance(value, ast.Call):
        return isinstance(value, DISPLAYS)
    name = called(value).lstrip("_")
    return name in CONTAINERS or name[:1].isupper()


def bindings(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that are bound when a module is executed, with their values."""
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                yield from ((one.id, statement.value) for one in ast.walk(target) if isinstance(one, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            yield ast.unparse(statement.target), statement.value
        elif isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            yield from bindings(statement.orelse)
        elif isinstance(statement, (ast.If, ast.Try, ast.With, ast.For)):
            for part in ("body", "orelse", "finalbody"):
                yield from bindings(getattr(statement, part, []))


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def changed_names(tree: ast.Module) -> set[str]:
    """Return the names of things whose content or attributes some statement changes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            names.add(last_name(node.value))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATING:
            names.add(last_name(node.func.value))
        elif isinstance(node, ast.AugAssign):
            names.add(last_name(node.target))
    return names


def state(tree: ast.Module, changed: set[str]) -> list[str]:
    """Return the names of a module that are state of its own."""
    found = [
        name
        for name, value in bindings(tree.body)
        if can_change(value) and not is_owned(value) and (not name.isupper() or name in changed)
    ]
    rebound = [name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names]
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name in changed]
    return found + rebound + classes


def test_state_is_owned_by_the_process() -> None:
    changed = set().union(*(changed_names(parsed(module)) for module in MODULES))
    found = {module: state(parsed(module), changed) for module in MODULES if module != "process.py"}
    assert {module: names for module, names in found.items() if names} == {}


def test_one_module_is_called_at_a_fork() -> None:
    def registers(module: str) -> bool:
        return any(
            isinstance(node, ast.Attribute) and node.attr == "register_at_fork" for node in ast.walk(parsed(module))
        )

    assert [module for module in MODULES if registers(module)] == ["process.py"]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a = {}", ["a"]),
        ("if True:\n    a = [1]", ["a"]),
        ("if TYPE_CHECKING:\n    a = TypeVar('a')\nelse:\n    b = [1]", ["b"]),
        ("a: list[int] = []", ["a"]),
        ("a = thing or [Thing()]", ["a"]),
        ("a = itertools.count(1)", ["a"]),
        ("def f():\n    global a\n    a = 1", ["a"]),
        ("class A:\n    b = 1\ndef f():\n    A.b = 2", ["A"]),
        ("TABLE = {1: 2}", []),
        ("TABLE = {}\ndef f():\n    TABLE[1] = 2", ["TABLE"]),
        ("TABLE = {}\ndef f():\n    TABLE.update(a=1)", ["TABLE"]),
        ("a = process.own(Thing())", []),
        ("a = (1, 2)\nb = re.compile('x')\nc = os.getpid\nd = thing.list", []),
    ],
)
def test_state_is_known_by_its_form(source: str, names: list[str]) -> None:
    tree = ast.parse(source)
    assert state(tree, changed_names(tree)) == names


class Counted:
    """A part that can be told apart from what it was before the fork."""

    def __init__(self, order: list[str], name: str) -> None:
        self.order, self.name, self.renewed = order, name, 0

    def after_fork(self) -> None:
        self.order.append(self.name)
        self.renewed += 1


class Failing(Counted):
    def after_fork(self) -> None:
        super().after_fork()
        raise ValueError("planted")


def in_child(check: Callable[[], bool]) -> bool:
    """Return what `check` says in a forked child."""
    pid = os.fork()
    if pid == 0:
        answer = False
        try:
            answer = check()
        finally:
            os._exit(0 if answer else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_parts_are_renewed_in_the_order_in_which_they_were_made() -> None:
    process, order = Process(), list[str]()
    parts = [process.own(Counted(order, name)) for name in "abc"]
    process.after_fork()
    assert order == ["a", "b", "c"] and [part.renewed for part in parts] == [1, 1, 1]


def test_a_part_that_fails_leaves_the_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    process, order = Process(), list[str]()
    for part in (Counted(order, "a"), Failing(order, "b"), Counted(order, "c")):
        process.own(part)
    monkeypatch.delenv("GPUWATCH_DEBUG", raising=False)
    process.after_fork()
    assert order == ["a", "b", "c"]
    monkeypatch.setenv("GPUWATCH_DEBUG", "1")
    with pytest.raises(ValueError, match="planted"):
        process.after_fork()
    assert order == ["a", "b", "c"] * 2


def test_a_forked_child_has_parts_of_its_own() -> None:
    from gpuwatch.hook.process import process

    part = process.own(Counted([], "a"))
    try:
        assert in_child(lambda: part.renewed == 1 and process.pid == os.getpid())
        assert part.renewed == 0 and process.pid == os.getpid()
    finally:
        process.parts.remove(part)


def test_a_forked_childs_run_queue_delay_is_its_own() -> None:
    """The descriptor of a thread is opened again in the child, also of one that was not the main thread."""

    def reopened() -> bool:
        before = counters._thread.readings.schedstat
        return before is None and counters.thread_delay_ns() is not None

    answers: list[bool] = []
    if counters.thread_delay_ns() is None:
        pytest.skip("this kernel has no /proc/thread-self/schedstat")
    thread = threading.Thread(target=lambda: answers.append(counters.thread_delay_ns() is None or in_child(reopened)))
    thread.start()
    thread.join()
    assert answers == [True] and in_child(reopened)
    assert counters._thread.readings.schedstat is not None
