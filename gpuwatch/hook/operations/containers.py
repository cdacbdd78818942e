"""Which objects are transforms, and which hold a list of them (Compose and the like), by their attributes."""

from __future__ import annotations

import itertools
import sys
import types

from ..process import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_CONTAINED = ("transforms", "transform", "target_transform", "augmentations")
_FUNCTION_TYPES = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def method_of(cls: type) -> str | None:
    """Return the method that does a transform's work: forward of nn.Modules, else __call__."""
    module = getattr(sys.modules.get("torch.nn"), "Module", None)
    if module is not None and issubclass(cls, module):
        return "forward" if callable(getattr(cls, "forward", None)) and cls is not module else None
    return "__call__" if isinstance(getattr(cls, "__call__", None), types.FunctionType) else None  # noqa: B004


def entries_of(thing: object) -> Any:
    """Return a container's list of transforms; None when it has none."""
    for _holder, name, entries in lists_of(thing):
        if name in ("transforms", "augmentations", "_modules"):
            return entries
    return None


def lists_of(thing: object) -> Iterator[tuple[Any, str, Any]]:
    """Give (holder, name, list) for each list or dict of callables that `thing` keeps as its transforms."""
    attributes = getattr(thing, "__dict__", None)
    if not isinstance(attributes, dict) or isinstance(thing, type):
        return
    for name in _CONTAINED:
        value = attributes.get(name)
        if isinstance(value, (list, tuple, dict)) and value and any(map(callable, _first(value))):
            yield thing, name, value
    modules = attributes.get("_modules")
    if isinstance(modules, dict) and modules and _is_module_list(thing):
        yield thing, "_modules", modules
    inner = modules.get("transforms") if isinstance(modules, dict) else None
    if inner is not None and isinstance(getattr(inner, "_modules", None), dict):
        yield inner, "transforms", inner._modules


def _first(entries: Any) -> Iterable[Any]:
    """Return the first few entries: a list of that name may also be a million rows."""
    return itertools.islice(entries.values() if isinstance(entries, dict) else entries, 32)


def _is_module_list(thing: object) -> bool:
    return type(thing).__name__ in ("Sequential", "ModuleList") and type(thing).__module__.startswith("torch.nn")


def family(root: type) -> list[type]:
    """Return a class and all that inherit from it."""
    found: list[Any] = [root]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub not in found)
    return found


def is_function(value: object) -> bool:
    """Say whether a value is a plain function, or a partial of one."""
    return isinstance(value, _FUNCTION_TYPES) or type(value).__name__ == "partial"


def is_transform(value: object) -> bool:
    """Say whether calling a value is an operation of its own: no function, class, container or scripted module."""
    if not callable(value) or isinstance(value, type) or entries_of(value):
        return False
    return not any(base.__name__ == "ScriptModule" for base in type(value).__mro__)
