"""Arms the hook in a Python that may import torch: a finder for a few exact module names, nothing else.

The finder leaves the original spec and loader in place and wraps `exec_module` of that one loader for one
execution. Everything here fails open: a hook that cannot be placed leaves the module as torch made it.

Every Python of the run loads this module, and of the hook this one alone: `inject` copies it as the package's
`__init__.py` and appends what to watch for, as PLACED. Hence annotations in quotes: `from __future__ import annotations`
imports a module, which alone takes as long as this one.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# The package of the hook modules: of the copy, or where this module is in gpuwatch itself.
_HOOK = "_gpuwatch.hook" if __name__ == "_gpuwatch" else __name__[: -len(".entry.boot")]
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))
# The cores that the process may use before anything of the user's has run.
CPUS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


class Finder:
    """Find the watched modules through the other finders, and have hook modules called when they were executed."""

    __slots__ = ("waiting",)

    def __init__(self, placed: "dict[str, tuple[str, ...]]") -> None:
        # Modules of the frameworks, and those of this package whose `on_import(name, module)` is called, in this
        # order, once the former has been executed.
        self.waiting = dict(placed)

    def arm(self) -> None:
        """Hook what is imported already, and watch for the rest."""
        for name in list(self.waiting):
            if name in sys.modules:
                self._imported(name, sys.modules[name])
        if self.waiting:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return the spec that the next finder has for a watched name; None for every other name."""
        if name not in self.waiting:
            return None
        spec = self._others_spec(name, path, target)
        if spec is not None:
            self._watch_loader(name, spec.loader)
        return spec

    def _others_spec(self, name: str, path: "Sequence[str] | None", target: "ModuleType | None") -> "ModuleSpec | None":
        for finder in list(sys.meta_path):
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec is not None else None
            if spec is not None:
                return spec
        return None

    def invalidate_caches(self) -> None:
        """Do nothing: importlib calls this on every finder."""

    def _watch_loader(self, name: str, loader: "Loader | None") -> None:
        execute = getattr(loader, "exec_module", None)
        if loader is None or execute is None or isinstance(loader, type):
            return

        def exec_module(module: "ModuleType") -> None:
            execute(module)
            if getattr(module, "__name__", None) == name:
                loader.__dict__.pop("exec_module", None)
                self._imported(name, module)

        try:
            loader.exec_module = exec_module  # type: ignore[method-assign]
        except AttributeError:
            pass

    def _imported(self, name: str, module: "ModuleType") -> None:
        hooks = self.waiting.pop(name, ())
        if not self.waiting and self in sys.meta_path:
            sys.meta_path.remove(self)
        for hook in hooks:
            place(hook, name, module)


def arm(placed: "dict[str, tuple[str, ...]]") -> None:
    """Hook what is imported already, and watch for the rest; `placed` is words/patch_points' `placed_on_import()`."""
    Finder({**placed, **_named(placed)} if os.environ.get("GPUWATCH_INPUT") else placed).arm()


def _named(placed: "dict[str, tuple[str, ...]]") -> "dict[str, tuple[str, ...]]":
    """Return what to watch for besides: the modules of what GPUWATCH_INPUT names."""
    modules = dict.fromkeys(one.strip().partition(":")[0] for one in os.environ["GPUWATCH_INPUT"].split(","))
    return {module: (*placed.get(module, ()), "pipelines.named") for module in modules if module != "__main__"}


def place(hook: str, name: str, module: "ModuleType") -> None:
    """Let one hook module patch `module`; where that fails write so in the spool and go on."""
    try:
        _module(hook).on_import(name, module)
    except Exception as error:
        _report(f"{hook} on {name}", error)


def _module(name: str) -> "ModuleType":
    import importlib  # not above: it would be half of what an ordinary Python pays for us

    return importlib.import_module(_HOOK + "." + name)


def _report(where: str, error: Exception) -> None:
    try:
        _module("event_log.spool").error(where, error)
    except Exception:
        if _DEBUG:
            raise
        # Not even the report could be written: the training goes on without it.
