"""Dataclasses that cost a third of the time to declare: there are hundreds, and each command waits for those it imports.

`dataclasses` writes source for the comparison, hash and representation of each class and compiles it. Here classes share
one of each, which asks the class for its fields at the first use.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar, cast

_Class = TypeVar("_Class", bound=type)

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: _Class | None = None, /, *, frozen: bool = False, slots: bool = False) -> Any:
        """Make a class a dataclass, as the decorator of `dataclasses` does."""
        return _made(cls, frozen, slots) if cls is not None else lambda given: _made(given, frozen, slots)


def _made(cls: _Class, frozen: bool, slots: bool) -> _Class:
    own = set(vars(cls))
    made: Any = dataclasses.dataclass(frozen=frozen, slots=slots, repr=False, eq=False)(cls)
    shared: dict[str, Any] = {"__repr__": _repr, "__eq__": _eq}
    if "__hash__" not in own:
        shared["__hash__"] = _hash if frozen else None
    for name, method in shared.items():
        if name not in own:
            setattr(made, name, method)
    return cast("_Class", made)


_reading: dict[type, Callable[[Any], Any]] = {}


def _compared(value: Any) -> Any:
    """Return the values by which two of a class are the same."""
    cls = type(value)
    if cls not in _reading:
        names = [field.name for field in dataclasses.fields(cls) if field.compare]
        _reading[cls] = attrgetter(*names) if names else lambda _: ()
    return _reading[cls](value)


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _compared(self) == _compared(other)


def _hash(self: Any) -> int:
    return hash(_compared(self))


@recursive_repr()
def _repr(self: Any) -> str:
    fields = (field.name for field in dataclasses.fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in fields)})"
