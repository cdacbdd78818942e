"""Where the user's code made each loader: `DataLoader.__init__`, looked at once per loader.

The line that a user edits is the constructor call, not the loop. It is kept beside the loader, never on it: a copied or
unpickled loader has none. A loader that a framework makes again over the user's data has the line of the user's own.
"""

import functools
import weakref

from . import callers

_MARK = "_gpuwatch_making"
_NOWHERE = (None, None, None)
_places = weakref.WeakKeyDictionary()  # loader -> (place, whether the user's own code called the constructor)


def on_import(name, module):
    """Have the constructors of torch's DataLoader, and of torchdata's if it has its own, remembered."""
    for cls in (getattr(module, "DataLoader", None), getattr(module, "StatefulDataLoader", None)):
        if isinstance(cls, type) and "__init__" in vars(cls) and not hasattr(cls.__init__, _MARK):
            cls.__init__ = _remembered(cls.__init__)


def place_of(loader):
    """Return (file, line, function) of the user's call that made `loader`; (None, None, None) where it is not known."""
    try:
        return _places.get(loader, (_NOWHERE,))[0]
    except TypeError:  # a loader that cannot be hashed or referenced weakly
        return _NOWHERE


def _remembered(original):
    @functools.wraps(original)
    def __init__(self, *args, **kwargs):
        original(self, *args, **kwargs)
        _remember(self)

    setattr(__init__, _MARK, True)
    return __init__


def _remember(loader):
    try:
        place, direct = callers.constructing_place(loader)
        if not direct:
            place = _users_own(loader) or place
        _places[loader] = place, direct
    except Exception:
        pass  # the loader is made, only nobody knows where


def _users_own(loader):
    dataset = vars(loader).get("dataset")
    for other, (place, direct) in list(_places.items()):
        if direct and vars(other).get("dataset") is dataset:
            return place
    return None
