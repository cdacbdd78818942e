"""Which classes and functions are transforms: the libraries', and the user's own in any `.transforms` list.

Library classes are measured whatever instance is called, so that transforms held by closures, collate functions or
globals are seen too. A container (Compose and the like, anything with a list of transforms) is no operation: when it
is first called its entries are looked at, and the user's own classes and functions in it join.
"""

import itertools
import sys
import types

from ..source_code import origins
from . import registry
from .patches import Attribute, Entry

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
_CONTAINED = ("transforms", "transform", "target_transform", "augmentations")
_FUNCTION_TYPES = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_DEPTH = 4
_MOST_VISITED = 1000  # visited things are kept alive, and some datasets make their transforms anew for each sample
_TELLING = ("transform", "augment", "preprocess")
_INSIDE = ("dataset", "datasets", "source_dataset")


class Discovery:
    """Finds transforms and registers their replacements with `patches`."""

    def __init__(self, patches):
        self._patches = patches
        self._classes = set()
        self._visited = {}
        self._entries = set()
        self.user_files = set()

    def scan_libraries(self):
        """Measure the transform classes of the libraries that are imported by now."""
        for name in _LIBRARIES:
            module = sys.modules.get(name)
            for cls in list(vars(module).values()) if module else ():
                if isinstance(cls, type) and cls.__module__ == name:
                    self._measure_class(cls, own_only=True)
        for name, base in _FAMILIES:
            root = getattr(sys.modules.get(name), base, None)
            for cls in _family(root) if isinstance(root, type) else ():
                self._measure_class(cls, own_only=True)
        self._spare_scripting()

    def _spare_scripting(self):
        jit = sys.modules.get("torch.jit")
        if jit is not None and ("jit", id(jit)) not in self._entries and hasattr(jit, "script"):
            self._entries.add(("jit", id(jit)))
            genuine, patches = jit.script, self._patches

            def script(*args, **kwargs):
                return patches.lifted(genuine, *args, **kwargs)

            script.__wrapped__, script.__name__, script.__doc__ = genuine, "script", genuine.__doc__
            self._patches.add(Attribute(jit, "script", script))

    def _measure_class(self, cls, own_only=False):
        method = _method_of(cls)
        if method is None or cls in self._classes or (own_only and method not in vars(cls)):
            return
        self._classes.add(cls)
        replacement = registry.measured_method(cls, method, self._recognise)
        if not own_only:
            replacement._gpuwatch_seen = True  # the user's own class: never dropped as unused
        self._patches.add(Attribute(cls, method, replacement))

    def drop_unused(self):
        """Give up the library classes that nothing has called; the next `scan_libraries` finds them again."""
        self._patches.keep_only_used()
        self._classes = self._patches.owners()

    def _recognise(self, instance):
        if entries_of(instance):
            self.visit(instance)
            return None
        return self._operation_of(instance)

    def _operation_of(self, instance):
        cls = type(instance)
        key = ("instance", cls, id(instance))
        found = registry.book.find(key)
        if found is not None:
            return found
        function = getattr(instance, "lambd", None)
        detail = {"params": registry.describe(instance)}
        place = self._place(cls, function)
        return registry.book.add(key, "transform", cls.__name__, place, detail, of_class=cls)

    def _place(self, cls, function):
        """Where to look: the definition of user code; of a library's class the line where the user makes it."""
        if callable(function):
            return origins.callable_place(function)
        method = getattr(cls, _method_of(cls) or "__call__", None)
        path, line, _name = origins.callable_place(registry.original(method))
        if path is None or origins.is_user_file(path):
            return path, line, cls.__name__
        made = origins.sole_mention(cls.__name__, self.user_files)
        return (made[0], made[1], cls.__name__) if made[0] else (path, line, cls.__name__)

    def visit(self, thing, depth=_DEPTH):
        """Look for containers, the user's transform classes and plain functions in `thing` and what it holds."""
        if depth == 0 or id(thing) in self._visited or isinstance(thing, _PLAIN) or len(self._visited) > _MOST_VISITED:
            return
        self._visited[id(thing)] = thing  # kept alive, so that the id stays its own
        for holder, name, entries in _held_entries(thing):
            self._visit_entries(holder, name, entries, depth)
        if not isinstance(thing, type):
            self._visit_attributes(thing, depth)

    def _visit_entries(self, holder, name, entries, depth):
        if isinstance(entries, tuple):
            entries = self._as_list(holder, name, entries)
        pairs = entries.items() if isinstance(entries, dict) else enumerate(entries)
        for key, entry in list(pairs):
            if _is_function(entry):
                self._measure_entry(entries, key, entry)
            else:
                self._measure_object(entry, depth - 1)

    def _as_list(self, holder, name, entries):
        if not any(_is_function(entry) for entry in entries):
            return list(entries)
        measured = tuple(
            registry.MeasuredFunction(e, registry.add_function(e)) if _is_function(e) else e for e in entries
        )
        self._patches.add(Attribute(holder, name, measured))
        return [entry for entry in entries if not _is_function(entry)]

    def _measure_entry(self, container, key, function):
        if type(function) is registry.MeasuredFunction:
            return
        stand_in = registry.MeasuredFunction(function, registry.add_function(function))
        self._patches.add(Entry(container, key, stand_in))

    def _measure_object(self, entry, depth):
        if callable(entry) and not isinstance(entry, type) and not entries_of(entry) and not _is_scripted(entry):
            self._measure_class(type(entry))
        self.visit(entry, depth)

    def _visit_attributes(self, thing, depth):
        for name, value in list(getattr(thing, "__dict__", {}).items()):
            telling = any(word in name.lower() for word in _TELLING)
            if telling and _is_function(value):
                if type(value) is not registry.MeasuredFunction:
                    stand_in = registry.MeasuredFunction(value, registry.add_function(value))
                    self._patches.add(Attribute(thing, name, stand_in))
            elif telling and not isinstance(value, _PLAIN):
                self._measure_object(value, depth - 1)
            elif name in _INSIDE or _is_transform(value):
                self._visit_inside(value, depth - 1)

    def _visit_inside(self, value, depth):
        for one in value if isinstance(value, (list, tuple)) else (value,):
            self.visit(one, depth)


_PLAIN = (str, bytes, int, float, bool, type(None))


def _family(root):
    found = [root]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub not in found)
    return found


def _method_of(cls):
    """Return the method that does a transform's work: forward of nn.Modules, else __call__."""
    module = getattr(sys.modules.get("torch.nn"), "Module", None)
    if module is not None and issubclass(cls, module):
        return "forward" if callable(getattr(cls, "forward", None)) and cls is not module else None
    return "__call__" if isinstance(getattr(cls, "__call__", None), types.FunctionType) else None


def entries_of(thing):
    """Return a container's list of transforms; None when it has none."""
    for _holder, name, entries in _held_entries(thing):
        if name in ("transforms", "augmentations", "_modules"):
            return entries
    return None


def _held_entries(thing):
    """Give (holder, name, list) for each list or dict of callables that `thing` keeps as its transforms."""
    attributes = getattr(thing, "__dict__", None)
    if not isinstance(attributes, dict) or isinstance(thing, type):
        return
    for name in _CONTAINED:
        value = attributes.get(name)
        if isinstance(value, (list, tuple, dict)) and value and any(map(callable, _first(value))):
            yield thing, name, value
    module_lists = attributes.get("_modules")
    if isinstance(module_lists, dict) and module_lists and _is_module_list(thing):
        yield thing, "_modules", module_lists
    inner = module_lists.get("transforms") if isinstance(module_lists, dict) else None
    if inner is not None and isinstance(getattr(inner, "_modules", None), dict):
        yield inner, "transforms", inner._modules


def _first(entries):
    """Return the first few entries: a list of that name may also be a million rows."""
    return itertools.islice(entries.values() if isinstance(entries, dict) else entries, 32)


def _is_module_list(thing):
    return type(thing).__name__ in ("Sequential", "ModuleList") and type(thing).__module__.startswith("torch.nn")


def _is_function(value):
    return isinstance(value, _FUNCTION_TYPES) or type(value).__name__ == "partial"


def _is_scripted(value):
    return any(base.__name__ == "ScriptModule" for base in type(value).__mro__)


def _is_transform(value):
    return entries_of(value) is not None
