"""Where libraries' pipelines are taken hold of, once their modules have been imported."""

from __future__ import annotations

import inspect

from ...words import pipelines
from ..attributes import is_measured
from ..event_log import spool
from . import importlib_bootstrap as wrappers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def on_import(name: str, module: Any) -> None:
    """Wrap the functions of one module through which batches come; one that is not there is written as missing."""
    for pipeline in pipelines.pipelines_of(name):
        try:
            owner, attribute = owner_of(module, pipeline.place)
        except AttributeError:
            spool.meta("missing_pipeline", f"{name}:{pipeline.place}")
            continue
        for one in _family(owner) if pipeline.subclasses else (owner,):
            if attribute in vars(one) or one is owner:
                wrap(one, attribute, pipeline.library)


def owner_of(module: Any, place: str) -> tuple[Any, str]:
    """Return the object of a module that a place is an attribute of, and the attribute's name. Raises AttributeError."""
    *path, attribute = place.split(".")
    owner = module
    for name in path:
        owner = getattr(owner, name)
    getattr(owner, attribute)
    return owner, attribute


def wrap(owner: Any, attribute: str, library: str) -> None:
    """Replace a function that hands over batches, or an iterator of them, by one that measures it."""
    original = getattr(owner, attribute)
    if not is_measured(original):
        setattr(owner, attribute, _wrapper(attribute, original)(original, library))


def _wrapper(attribute: str, function: Any) -> Callable[..., Any]:
    if attribute == "__next__":
        return wrappers.wrap_next
    if inspect.isgeneratorfunction(function):
        return wrappers.wrap_generator
    return wrappers.wrap_iter if attribute in ("__iter__", "iter") else wrappers.wrap_call


def _family(cls: type) -> Iterator[type]:
    yield cls
    derived: type
    for derived in type.__subclasses__(cls):
        yield from _family(derived)
