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


class Site:
    """Where a loader was constructed; whether by the user's own code, else by which (module, file, line) of a library."""

    __slots__ = ("direct", "library", "place")

    def __init__(self, place: callers.Place, direct: bool, library: tuple[str, str, int] | None) -> None:
        self.place, self.direct, self.library = place, direct, library


class Sites:
    """The construction site of each loader."""

    def __init__(self) -> None:
        self.of: weakref.WeakKeyDictionary[Any, Site] = weakref.WeakKeyDictionary()

    def after_fork(self) -> None:
        """Keep all: the child inherits the loaders."""

    def remember(self, loader: Any) -> None:
        """Note who called the constructor of `loader`, which has just returned."""
        try:
            place, direct = callers.constructing_place(loader)
            library = callers.constructing_library(loader)
            earlier = None if direct else self._over_the_same_data(loader)
            if earlier is not None:
                place, library = earlier.place, earlier.library
            self.of[loader] = Site(place, direct, library)
        except Exception:
            pass  # the loader is made, only its place is not known

    def _over_the_same_data(self, loader: Any) -> Site | None:
        """Return the site of the loader that a framework makes again: the user's own, else the first."""
        dataset = vars(loader).get("dataset")
        sites = [site for other, site in list(self.of.items()) if vars(other).get("dataset") is dataset]
        return next((site for site in sites if site.direct), next(iter(sites), None))


_sites = process.own(Sites())


def on_import(name: str, module: Any) -> None:
    """Have the constructors of torch's DataLoader, and of torchdata's if it has its own, remembered."""
    for cls in (getattr(module, "DataLoader", None), getattr(module, "StatefulDataLoader", None)):
        if isinstance(cls, type) and "__init__" in vars(cls) and not hasattr(vars(cls)["__init__"], _MARK):
            cls.__init__ = _remembered(vars(cls)["__init__"])  # type: ignore[misc]


def place_of(loader: Any) -> callers.Place:
    """Return (file, line, function) of the user's call that made `loader`; (None, None, None) where it is not known."""
    known = _site(loader)
    return known.place if known is not None else _NOWHERE


def library_of(loader: Any) -> tuple[str, str, int] | None:
    """Return (module, file, line) of the library's call that made `loader`; None where the user's own code made it."""
    known = _site(loader)
    return known.library if known is not None else None


def _site(loader: Any) -> Site | None:
    try:
        return _sites.of.get(loader)
    except TypeError:  # a loader that cannot be hashed or referenced weakly
        return None


def _remembered(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        _sites.remember(self)

    setattr(__init__, _MARK, True)
    return __init__
