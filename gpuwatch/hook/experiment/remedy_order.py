"""Remedies of the order of transforms: a shrinking one is moved in front of those that do not need all the pixels."""

from __future__ import annotations

import copy

from ..process import TYPE_CHECKING
from .active import Unsuitable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .active import Parameters

    # Takes a list of transforms, and returns a new one or None.
    Change = Callable[[list[Any]], "list[Any] | None"]

_SHRINKING = (
    "Resize",
    "RandomResizedCrop",
    "CenterCrop",
    "RandomCrop",
    "FiveCrop",
    "SmallestMaxSize",
    "LongestMaxSize",
)
_TO_FLOAT = ("ToTensor", "ToDtype", "ConvertImageDtype", "ConvertDtype")
_DEPTH = 4


def shrink_first(clone: Any, _name: str, parameters: Parameters) -> None:
    """Move a shrinking transform (`shrink`, or the first) in front of `before`, or of all others. Raises Unsuitable."""
    shrinks = (parameters["shrink"],) if parameters.get("shrink") else _SHRINKING
    before = parameters.get("before") or ()
    vars(clone)["dataset"] = with_lists(clone.dataset, lambda steps: moved(steps, shrinks, before))


def resize_before_float(clone: Any, _name: str, parameters: Parameters) -> None:
    """Move the first shrinking transform in front of the conversion to floats. Raises Unsuitable."""
    before = parameters.get("before") or _TO_FLOAT
    vars(clone)["dataset"] = with_lists(clone.dataset, lambda steps: moved(steps, _SHRINKING, before))


def moved(steps: list[Any], shrinks: Sequence[str], before: Sequence[str]) -> list[Any] | None:
    """Return a list of transforms with the first shrinking one that follows any of `before` (none named: anything)
    moved in front of it; None if there is none."""
    names = [type(step).__name__ for step in steps]
    for index, step in enumerate(names):
        ahead = [i for i, other in enumerate(names[:index]) if other not in shrinks and (not before or other in before)]
        if step in shrinks and ahead:
            return [*steps[: ahead[0]], steps[index], *steps[ahead[0] : index], *steps[index + 1 :]]
    return None


def with_lists(dataset: Any, change: Change) -> Any:
    """Return a copy of a data set whose lists of transforms are changed; copies only what leads to them."""
    result = _changed(dataset, change, _DEPTH)
    if result is None:
        raise Unsuitable("no list of transforms in the data set has a shrinking operation behind those to be moved")
    return result


def _changed(thing: Any, change: Change, depth: int) -> Any:
    attributes = getattr(thing, "__dict__", None)
    if attributes is None or depth == 0 or isinstance(thing, type):
        return None
    steps = attributes.get("transforms")
    if isinstance(steps, list):
        new = change(list(steps))
        return None if new is None else _copy_with(thing, "transforms", new)
    for name, value in list(attributes.items()):
        if type(value).__module__ in ("builtins", "torch", "numpy"):
            continue
        inner = _changed(value, change, depth - 1)
        if inner is not None:
            return _copy_with(thing, name, inner)
    return None


def _copy_with(thing: Any, name: str, value: Any) -> Any:
    copied = copy.copy(thing)
    vars(copied)[name] = value
    # torchvision's VisionDataset keeps its transform a second time, in a StandardTransform.
    standard = vars(copied).get("transforms")
    if name == "transform" and hasattr(standard, "transform"):
        vars(copied)["transforms"] = _copy_with(standard, "transform", value)
    return copied
