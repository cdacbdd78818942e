"""What a worker's copy of the dataset keeps of the samples that it made: mappings that grow, and functools' caches.

Looked at twice per epoch: before its first sample and after its last. Only lengths are read.
"""

from __future__ import annotations

import functools
import sys
import types

from ..process import TYPE_CHECKING
from ..source_code import origins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    # By name: what it is, and how many entries it has.
    Census = dict[str, tuple[str, int]]

_MOST_OBJECTS, _MOST_NAMES, _MOST_SLOTS, _DEEPEST = 64, 400, 10_000, 2
_LRU = type(functools.lru_cache(maxsize=1)(len))
_NEVER = (type, types.ModuleType, types.FunctionType, types.MethodType, _LRU)


def census(dataset: object) -> Census:
    """Return the entries of all that may keep samples: in the dataset's objects, their classes and modules."""
    found: Census = {}
    for owner, name, value in _things(dataset):
        known = _entries(value)
        if known is not None:
            found[f"{owner}.{name}"] = known
    return found


def grown(before: Census, after: Census) -> list[list[Any]]:
    """Return [name, kind, entries before, entries after] of what has grown, the most first."""
    rows = []
    for name, (kind, count) in after.items():
        kind, earlier = before.get(name, (kind, 0))
        if count > earlier:
            rows.append((count - earlier, [name, kind, earlier, count]))
    return [row for _, row in sorted(rows, key=lambda grown: -grown[0])[:3]]


def _entries(value: Any) -> tuple[str, int] | None:
    # By the built-in types' own methods: those of a subclass may do anything.
    if isinstance(value, dict):
        # Numbers by index are counts, no samples.
        first = next(iter(dict.values(value)), None)
        return None if isinstance(first, (int, float)) else ("dict", dict.__len__(value))
    if isinstance(value, list):
        count = list.__len__(value)
        empty = sum(one is None for one in list.__iter__(value)) if count <= _MOST_SLOTS else 0
        return ("slots", count - empty) if empty else ("list", count)
    return ("lru_cache", int(value.cache_info().misses)) if isinstance(value, _LRU) else None


def _things(dataset: object) -> Iterator[tuple[str, str, Any]]:
    pending: list[tuple[Any, int]] = [(dataset, 0)]
    seen: set[int] = set()
    while pending and len(seen) < _MOST_OBJECTS:
        thing, depth = pending.pop(0)
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        owner = type(thing).__name__
        for name, value in list(vars(thing).items())[:_MOST_NAMES] if type(thing).__dictoffset__ else ():
            yield owner, name, value
            if depth < _DEEPEST and _may_hold(value):
                pending.append((value, depth + 1))
        yield from _of_class(type(thing), seen)


def _may_hold(value: Any) -> bool:
    # By the type: asking the object for an attribute may have it open a file.
    if isinstance(value, _NEVER) or not type(value).__dictoffset__:
        return False
    return not type(value).__module__.startswith(("torch.nn", "numpy", "pandas")) and type(value).__name__ != "Tensor"


def _of_class(cls: type, seen: set[int]) -> Iterator[tuple[str, str, Any]]:
    """Return what the user's classes and their modules hold, each once."""
    for base in cls.__mro__:
        module = sys.modules.get(base.__module__)
        file = getattr(module, "__file__", None)
        if id(base) in seen or file is None or not origins.is_user_file(file):
            continue
        seen.add(id(base))
        yield from ((base.__name__, name, value) for name, value in list(vars(base).items())[:_MOST_NAMES])
        if id(module) not in seen:
            seen.add(id(module))
            yield from ((base.__module__, name, value) for name, value in list(vars(module).items())[:_MOST_NAMES])
