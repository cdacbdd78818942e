"""Where the user's code constructed each loader: `DataLoader.__init__`, looked at once per loader.

The line that a user edits is the constructor call, not the loop. It is kept beside the loader, never on it: a copied or
unpickled loader has none. A loader that a framework constructs again over the user's data has the line of the user's own.
"""

from __future__ import annotations

import functools
import weakref

from ..process import process
from . import callers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_MARK = "_gpuwatch_making"
_NOWHERE = (None, None, None)


class Sites:
    """The construction site of each loader, and whether the user's own code called the constructor."""

    def __init__(self) -> None:
        self.of: weakref.WeakKeyDictionary[Any, tuple[callers.Place, bool]] = weakref.WeakKeyDictionary()

    def after_fork(self) -> None:
        """Keep all: the child inherits the loaders."""

    def remember(self, loader: Any) -> None:
        """Note who called the constructor of `loader`, which has just returned."""
        try:
            place, direct = callers.constructing_place(loader)
            if not direct:
                place = self._users_own(loader) or place
            self.of[loader] = place, direct
        except Exception:
            pass  # the loader is made, only its place is not known

    def _users_own(self, loader: Any) -> callers.Place | None:
        dataset = vars(loader).get("dataset")
        for other, (place, direct) in list(self.of.items()):
            if direct and vars(other).get("dataset") is dataset:
                return place
        return None


_sites = process.own(Sites())


def on_import(name: str, module: Any) -> None:
    """Have the constructors of torch's DataLoader, and of torchdata's if it has its own, remembered."""
    for cls in (getattr(module, "DataLoader", None), getattr(module, "StatefulDataLoader", None)):
        if isinstance(cls, type) and "__init__" in vars(cls) and not hasattr(vars(cls)["__init__"], _MARK):
            cls.__init__ = _remembered(vars(cls)["__init__"])  # type: ignore[misc]


def place_of(loader: Any) -> callers.Place:
    """Return (file, line, function) of the user's call that made `loader`; (None, None, None) where it is not known."""
    try:
        known = _sites.of.get(loader)
    except TypeError:  # a loader that cannot be hashed or referenced weakly
        known = None
    return known[0] if known is not None else _NOWHERE


def _remembered(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        _sites.remember(self)

    setattr(__init__, _MARK, True)
    return __init__
