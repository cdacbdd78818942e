"""Which classes and functions are transforms: the libraries', and the user's own in any `.transforms` list.

Library classes are measured whatever instance is called, so that transforms kept in closures, collate functions or
globals are found too. A container (Compose and the like, anything with a list of transforms) is no operation: when it
is first called its entries are looked at, and the user's own classes and functions in it join.
"""

from __future__ import annotations

import sys

from ..attributes import CALLED_ON, original
from ..process import TYPE_CHECKING
from ..source_code import mentions, origins
from .containers import entries_of, family, is_function, is_transform, lists_of, method_of
from .patches import Attribute, Entry
from .registry import describe, registry
from .wrappers import MeasuredFunction, measured_method

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .patches import Patches
    from .registry import Operation, Place

_LIBRARIES = (
    "torchvision.transforms.transforms",
    "torchvision.transforms.autoaugment",
    "torchaudio.transforms._transforms",
)
_FAMILIES = (  # a base class and everything that inherits from it
    ("torchvision.transforms.v2", "Transform"),
    ("albumentations.core.transforms_interface", "BasicTransform"),
    ("albumentations.core.composition", "BaseCompose"),
)
_DEPTH = 4
_MOST_VISITED = 1000  # visited things are kept alive, and some datasets make their transforms for each sample
# An attribute with one of these words in its name is a transform, whatever its class.
_NAMES_OF_TRANSFORMS = ("transform", "augment", "preprocess")
_INSIDE = ("dataset", "datasets", "source_dataset")
_MOST_LISTED = 32
_PLAIN = (str, bytes, int, float, bool, type(None))


class Discovery:
    """Finds transforms and registers their replacements with `patches`."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self._classes: set[type] = set()
        self._visited: dict[int, object] = {}
        self._scripting: object = None
        self.user_files: set[str] = set()
        # By the id of a transform in a container: the classes of all that the container holds.
        self._lists: dict[int, tuple[str, ...]] = {}

    def scan_libraries(self) -> None:
        """Measure the transform classes of the libraries that are imported by now."""
        for name in _LIBRARIES:
            module = sys.modules.get(name)
            for cls in list(vars(module).values()) if module else ():
                if isinstance(cls, type) and cls.__module__ == name:
                    self._measure_class(cls, own_only=True)
        for name, base in _FAMILIES:
            root = getattr(sys.modules.get(name), base, None)
            for cls in family(root) if isinstance(root, type) else ():
                self._measure_class(cls, own_only=True)
        self._spare_scripting()

    def _spare_scripting(self) -> None:
        jit: Any = sys.modules.get("torch.jit")
        if jit is not None and jit is not self._scripting and hasattr(jit, "script"):
            self._scripting = jit
            unhooked, patches = jit.script, self._patches

            def script(*args: Any, **kwargs: Any) -> Any:
                return patches.lifted(unhooked, *args, **kwargs)

            script.__doc__ = unhooked.__doc__
            vars(script)["__wrapped__"] = unhooked
            self._patches.add(Attribute(jit, "script", script))

    def _measure_class(self, cls: type, own_only: bool = False) -> None:
        method = method_of(cls)
        if method is None or cls in self._classes or (own_only and method not in vars(cls)):
            return
        self._classes.add(cls)
        replacement = measured_method(cls, method, self._recognise)
        if not own_only:
            setattr(replacement, CALLED_ON, True)  # the user's own class: never dropped as unused
        self._patches.add(Attribute(cls, method, replacement))

    def drop_unused(self) -> None:
        """Give up the library classes that were never called; the next `scan_libraries` finds them again."""
        self._patches.keep_only_used()
        self._classes = self._patches.owners()

    def _recognise(self, instance: object) -> Operation | None:
        if entries_of(instance):
            self.visit(instance)
            return None
        return self._operation_of(instance)

    def _operation_of(self, instance: object) -> Operation:
        cls: type = type(instance)
        key = ("instance", cls, id(instance))
        found = registry.find(key)
        if found is not None:
            return found
        place = self._place(instance)
        return registry.add(key, "transform", cls.__name__, place, {"params": describe(instance)}, of_class=cls)

    def _place(self, instance: object) -> Place:
        """Where to look: the definition of user code; of a library's class the line where the user makes it."""
        cls, function = type(instance), getattr(instance, "lambd", None)
        if callable(function):
            return origins.callable_place(function)
        method = getattr(cls, method_of(cls) or "__call__", None)
        path, line, _name = origins.callable_place(original(method))
        if path is None or origins.is_user_file(path):
            return path, line, cls.__name__
        made = mentions.sole_call(cls, self.user_files, self._lists.get(id(instance), ()))
        return (made[0], made[1], cls.__name__) if made[0] else (path, line, cls.__name__)

    def visit(self, thing: object, depth: int = _DEPTH) -> None:
        """Look for containers, the user's transform classes and plain functions in `thing` and what it holds."""
        if depth == 0 or id(thing) in self._visited or isinstance(thing, _PLAIN) or len(self._visited) > _MOST_VISITED:
            return
        self._visited[id(thing)] = thing  # kept alive, so that the id stays its own
        for holder, name, entries in lists_of(thing):
            self._visit_entries(holder, name, entries, depth)
        if not isinstance(thing, type):
            self._visit_attributes(thing, depth)

    def _visit_entries(self, holder: Any, name: str, entries: Any, depth: int) -> None:
        if isinstance(entries, tuple):
            entries = self._as_list(holder, name, entries)
        pairs = entries.items() if isinstance(entries, dict) else enumerate(entries)
        self._lists.update(_beside(list(entries.values() if isinstance(entries, dict) else entries)))
        for key, entry in list(pairs):
            if not is_function(entry):
                self._measure_object(entry, depth - 1)
            elif type(entry) is not MeasuredFunction:
                self._patches.add(Entry(entries, key, _measured(entry)))

    def _as_list(self, holder: Any, name: str, entries: tuple[Any, ...]) -> list[Any]:
        if not any(is_function(entry) for entry in entries):
            return list(entries)
        replacement = tuple(_measured(entry) if is_function(entry) else entry for entry in entries)
        self._patches.add(Attribute(holder, name, replacement))
        return [entry for entry in entries if not is_function(entry)]

    def _measure_object(self, entry: Any, depth: int) -> None:
        if is_transform(entry):
            self._measure_class(type(entry))
        self.visit(entry, depth)

    def _visit_attributes(self, thing: object, depth: int) -> None:
        for name, value in list(getattr(thing, "__dict__", {}).items()):
            named = any(word in name.lower() for word in _NAMES_OF_TRANSFORMS)
            if named and is_function(value):
                if type(value) is not MeasuredFunction:
                    self._patches.add(Attribute(thing, name, _measured(value)))
            elif named and not isinstance(value, _PLAIN):
                self._measure_object(value, depth - 1)
            elif name in _INSIDE or entries_of(value) is not None:
                self._visit_inside(value, depth - 1)

    def _visit_inside(self, value: Any, depth: int) -> None:
        for one in value if isinstance(value, (list, tuple)) else (value,):
            self.visit(one, depth)


def _beside(entries: list[Any]) -> dict[int, tuple[str, ...]]:
    """Return for each object of a list the classes of the objects in it, functions left out."""
    objects = [entry for entry in entries[:_MOST_LISTED] if not is_function(entry)]
    names = tuple(type(entry).__name__ for entry in objects)
    return {id(entry): names for entry in objects}


def _measured(function: Callable[..., Any]) -> MeasuredFunction:
    return MeasuredFunction(function, registry.add_function(function))
