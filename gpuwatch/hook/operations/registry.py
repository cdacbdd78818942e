"""The operations of this process: what a fetch was seen to run, each registered once, numbered and announced.

An operation is a decoding or reading function at one line of the user's, a transform with its parameters, or the
dataset's own method. `fetch` events name it by its number, `op` events say what it is.
"""

from __future__ import annotations

from ..event_log import spool
from ..process import TYPE_CHECKING, process
from ..source_code import origins

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    # File, line, and the name of the function or class there.
    Place = tuple[str | None, int | None, str | None]

_OPERATIONS_PER_CLASS = 32
_MOST_OPERATIONS = 256
_LONGEST_DETAIL = 200


class Operation:
    """One named part of a fetch in this process."""

    __slots__ = ("detail", "kind", "name", "number", "of_class", "ordered", "place", "position")

    def __init__(
        self, number: int, kind: str, name: str, place: Place, detail: dict[str, Any], of_class: Hashable
    ) -> None:
        self.number, self.kind, self.name = number, kind, name
        self.place, self.detail, self.of_class = place, detail, of_class
        self.position: int | None = None
        self.ordered = False

    def announce(self, position: int | None) -> None:
        """Write the operation's facts; a later line for the same number replaces an earlier one."""
        self.position = position
        spool.event("op", self.number, self.kind, self.name, *self.place, position, self.detail)


class Registry:
    """All operations of this process. `order`: in which data passes through them, by their completion within a sample;
    one that only some samples have is inserted where it was first seen."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.operations: list[Operation] = []
        self.order: list[Operation] = []
        self.unsettled = False
        self._by_key: dict[Hashable, Operation] = {}
        self._per_class: dict[Hashable, list[Operation]] = {}

    def after_fork(self) -> None:
        """Start empty: a forked process numbers and announces its own."""
        self.clear()

    def find(self, key: Hashable) -> Operation | None:
        """Return the operation registered under `key`; None if there is none."""
        return self._by_key.get(key)

    def add(
        self, key: Hashable, kind: str, name: str, place: Place, detail: dict[str, Any], of_class: Hashable = None
    ) -> Operation:
        """Register an operation; when there are too many of a class, return the class's last one instead."""
        family = self._per_class.setdefault(of_class or name, [])
        if family and (len(family) >= _OPERATIONS_PER_CLASS or len(self.operations) >= _MOST_OPERATIONS):
            return family[-1]
        operation = Operation(len(self.operations), kind, name, place, detail, of_class)
        self.operations.append(operation)
        family.append(operation)
        self._by_key[key] = operation
        return operation

    def add_function(self, function: Callable[..., Any]) -> Operation:
        """Return the operation of a plain function, lambda or partial used as a transform."""
        key = ("function", id(function))
        found = self.find(key)
        if found is not None:
            return found
        place = origins.callable_place(function)
        name = "lambda" if "<lambda>" in (place[2] or "") else (place[2] or "function").rsplit(".", 1)[-1]
        return self.add(key, "transform", name, place, {"params": describe(function)}, of_class=key)

    def place_after(self, operation: Operation, previous: Operation | None) -> None:
        """Note that an operation was first seen to complete right after `previous` in a sample."""
        index = self.order.index(previous) + 1 if previous in self.order else 0
        self.order.insert(index, operation)
        operation.ordered = True
        self.unsettled = True

    def settle(self) -> None:
        """Announce operations that are new or whose position has moved."""
        self.unsettled = False
        for position, operation in enumerate(self.order):
            if operation.position != position:
                operation.announce(position)


registry = process.own(Registry())


def describe(value: object) -> str | None:
    """Return a short one-line repr; None when the object cannot give one."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        return None
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"
