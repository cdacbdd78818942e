"""How many pixels (or elements, where it is no image) a value has; cheap enough for every call."""

from __future__ import annotations

from ..process import TYPE_CHECKING, process

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Count = Callable[[Any], int | None]
    _ByType = dict[type, Count]
else:
    _ByType = dict

_FEW_CHANNELS = 4
_IMAGE_KEYS = ("image", "img", "images", "pixel_values")


class _Counts(_ByType):
    """The way to count the pixels of each type, found out at its first value."""

    def __missing__(self, kind: type) -> Count:
        self[kind] = count = _count_for(kind)
        return count

    def after_fork(self) -> None:
        """Keep all: a type is the same in every process."""


_counts = process.own(_Counts())


def pixels(value: Any) -> int | None:
    """Return the pixels of an image, tensor, array, or of the first of them in a dict or tuple; None for the rest."""
    try:
        return _counts[type(value)](value)
    except Exception:
        return None


def _count_for(kind: type) -> Count:
    if issubclass(kind, dict):
        return _of_dict
    if issubclass(kind, (tuple, list)):
        return _of_first
    names = {f"{base.__module__}.{base.__name__}" for base in kind.__mro__}
    if "PIL.Image.Image" in names:
        return _of_image
    if names & {"torch.Tensor", "torch._tensor.Tensor", "numpy.ndarray"}:
        return _of_shape
    return _unknown


def _unknown(_value: Any) -> None:
    return None


def _of_image(value: Any) -> int:
    width, height = value.size
    return int(width * height)


def _of_shape(value: Any) -> int:
    shape: tuple[int, ...] = value.shape
    count = len(shape)
    if count == 3:
        first, second, third = shape
        return second * third if first <= _FEW_CHANNELS else _of_planes(first, second, third)
    if count == 2:
        return shape[0] * shape[1]
    if count == 4:
        return shape[0] * _of_planes(shape[1], shape[2], shape[3])
    total = 1
    for size in shape:
        total *= size
    return total


def _of_planes(first: int, second: int, third: int) -> int:
    if first <= _FEW_CHANNELS:
        return second * third
    if third <= _FEW_CHANNELS:
        return first * second
    return first * second * third


def _of_dict(value: dict[Any, Any]) -> int | None:
    for key in _IMAGE_KEYS:
        if key in value:
            return pixels(value[key])
    return None


def _of_first(value: Any) -> int | None:
    return pixels(value[0]) if value and not isinstance(value[0], (tuple, list, dict)) else None
