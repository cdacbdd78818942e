"""What is put in the place of a transform: a method that measures those of a class, and a function's stand-in."""

from __future__ import annotations

import functools
import operator

from ..attributes import CALLED_ON, measures, original
from ..process import TYPE_CHECKING
from .timing import run, thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .registry import Operation

    Recognise = Callable[[Any], "Operation | None"]
    # By id: the type that an instance had, and its operation. An id may be used again.
    Known = dict[int, tuple[type, "Operation | None"]]

_MOST_INSTANCES = 4096


def measured_method(cls: type, name: str, recognise: Recognise) -> Callable[..., Any]:
    """Return a replacement for method `name` of `cls`; `recognise(self)` gives the instance's operation or None."""
    method = original(getattr(cls, name))
    known: Known = {}

    @functools.wraps(method)
    def measured(self: Any, *args: Any, **kwargs: Any) -> Any:
        counters = thread.counters
        if counters is None:
            return method(self, *args, **kwargs)
        seen = known.get(id(self))
        if seen is None or seen[0] is not type(self):
            seen = _recognised(known, self, recognise)
        operation = seen[1]
        if operation is None or operation is counters.running:  # a container, or super().forward of the same object
            return method(self, *args, **kwargs)
        return run(counters, operation, method, (self, *args), kwargs, args[0] if args else kwargs)

    setattr(measured, CALLED_ON, known)
    return measures(method, measured)


def _recognised(known: Known, instance: object, recognise: Recognise) -> tuple[type, Operation | None]:
    if len(known) > _MOST_INSTANCES:  # transforms that are made for each sample
        known.clear()
    try:
        operation = recognise(instance)
    except Exception:
        operation = None
    known[id(instance)] = seen = (type(instance), operation)
    return seen


class MeasuredFunction:
    """Replaces a plain function in a list of transforms; pickles, copies and compares types as that function."""

    __slots__ = ("__weakref__", "__wrapped__", "_operation")

    def __init__(self, function: Callable[..., Any], operation: Operation) -> None:
        self.__wrapped__ = function
        self._operation = operation

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        counters = thread.counters
        if counters is None:
            return self.__wrapped__(*args, **kwargs)
        return run(counters, self._operation, self.__wrapped__, args, kwargs, args[0] if args else kwargs)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return operator.getitem, ((self.__wrapped__,), 0)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)
