"""Remedies of the batch on its way to the trainer: all tensors packed into one per dtype, bytes instead of floats.

The classes go to workers by pickle under spawn; they name only this package, which every process of a run has.
"""

from __future__ import annotations

from ..process import TYPE_CHECKING
from .active import Unsuitable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .active import Parameters

    Collate = Callable[[Any], Any]
    Tuple = tuple[Any, ...]
else:
    Tuple = tuple

_SMALLEST_IMAGE = 3


def pack(clone: Any, _name: str, _parameters: Parameters) -> None:
    """Send a clone's batches packed. Raises Unsuitable."""
    vars(clone)["collate_fn"] = Packing(_collate_of(clone))


def send_bytes(clone: Any, _name: str, _parameters: Parameters) -> None:
    """Send the images of a clone's batches as bytes. Raises Unsuitable."""
    vars(clone)["collate_fn"] = Bytes(_collate_of(clone))


def _collate_of(clone: Any) -> Collate:
    if clone.batch_sampler is None:
        raise Unsuitable("the data set gives whole batches, nothing is collated")
    collate: Collate = clone.collate_fn
    return collate


class Packing:
    """A collate function that lays all tensors of a batch into one per dtype."""

    def __init__(self, collate: Collate) -> None:
        self.collate = collate

    def __call__(self, samples: Any) -> Packed:
        import torch

        batch = self.collate(samples)
        spec = _mapped(batch, lambda tensor: _Hole(), torch.is_tensor)
        groups: dict[str, list[Any]] = {}
        for tensor in _leaves(batch, torch.is_tensor):
            groups.setdefault(str(tensor.dtype), []).append(tensor)
        shapes = [(str(t.dtype), tuple(t.shape)) for t in _leaves(batch, torch.is_tensor)]
        flat = {key: torch.cat([t.reshape(-1) for t in tensors]) for key, tensors in groups.items()}
        return Packed(flat, shapes, spec)


class Packed:
    """A packed batch: one flat tensor per dtype, the shapes in order, and the containers with holes."""

    def __init__(self, flat: dict[str, Any], shapes: list[tuple[str, tuple[int, ...]]], spec: Any) -> None:
        self.flat = flat
        self.shapes = shapes
        self.spec = spec

    def pin_memory(self) -> Packed:
        """Pin the flat tensors: torch calls this where the loader pins memory."""
        self.flat = {key: tensor.pin_memory() for key, tensor in self.flat.items()}
        return self

    def open(self) -> Any:
        """Return the batch as it was, its tensors views of the flat ones."""
        offset, tensors = dict.fromkeys(self.flat, 0), []
        for key, shape in self.shapes:
            count = 1
            for side in shape:
                count *= side
            tensors.append(self.flat[key][offset[key] : offset[key] + count].view(shape))
            offset[key] += count
        return _filled(self.spec, iter(tensors))


class Bytes:
    """A collate function that sends image-like floats as bytes, with their range to undo it."""

    def __init__(self, collate: Collate) -> None:
        self.collate = collate

    def __call__(self, samples: Any) -> Quantised:
        import torch

        return Quantised(_mapped(self.collate(samples), _to_bytes, torch.is_tensor))


class Quantised:
    """A batch whose large float tensors are (bytes, low, step, dtype)."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def pin_memory(self) -> Quantised:
        """Leave the bytes as they are."""
        return self

    def open(self) -> Any:
        """Return the batch in floats again."""
        return _mapped(self.batch, _to_floats, lambda thing: isinstance(thing, Levels))


class Levels(Tuple):
    """Bytes of a tensor, the lowest value, the step between levels and the dtype."""


def _to_bytes(tensor: Any) -> Any:
    import torch

    if not tensor.is_floating_point() or tensor.dim() < _SMALLEST_IMAGE:
        return tensor
    low, high = float(tensor.min()), float(tensor.max())
    step = (high - low) / 255 or 1.0
    return Levels((((tensor - low) / step).round_().to(torch.uint8), low, step, tensor.dtype))


def _to_floats(levels: Levels) -> Any:
    values, low, step, dtype = levels
    return values.to(dtype).mul_(step).add_(low)


class _Hole:
    """The place of a tensor."""


def _filled(spec: Any, tensors: Iterator[Any]) -> Any:
    return _mapped(spec, lambda hole: next(tensors), lambda thing: isinstance(thing, _Hole))


def _leaves(batch: Any, is_leaf: Callable[[Any], bool]) -> list[Any]:
    found: list[Any] = []

    def keep(leaf: Any) -> Any:
        found.append(leaf)
        return leaf

    _mapped(batch, keep, is_leaf)
    return found


def _mapped(thing: Any, change: Callable[[Any], Any], is_leaf: Callable[[Any], bool]) -> Any:
    """Return nested containers with every leaf changed; other objects stay."""
    if is_leaf(thing):
        return change(thing)
    if isinstance(thing, dict):
        return type(thing)({key: _mapped(value, change, is_leaf) for key, value in thing.items()})
    if isinstance(thing, tuple) and hasattr(thing, "_fields"):
        return type(thing)(*(_mapped(value, change, is_leaf) for value in thing))
    if isinstance(thing, (list, tuple)):
        return type(thing)(_mapped(value, change, is_leaf) for value in thing)
    return thing


def opened(batch: Any) -> Any:
    """Return a batch as the user's loop expects it."""
    return batch.open() if isinstance(batch, (Packed, Quantised)) else batch
