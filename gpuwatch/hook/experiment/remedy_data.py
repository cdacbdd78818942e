"""Remedies of the data set: items kept in memory, rows of tensors indexed a batch at a time.

The classes go to workers by pickle under spawn; they name only this package, which every process of a run has.
"""

from __future__ import annotations

import io
import pickle
import sys

from ..process import TYPE_CHECKING
from .active import Unsuitable

if TYPE_CHECKING:
    from typing import Any

    from .active import Parameters

_KEPT = 64


class _Sizing(pickle.Pickler):
    """Pickles an object without its tensors, whose bytes it adds up."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.file = file
        self.tensor_bytes = 0

    def persistent_id(self, thing: Any) -> str | None:
        if not sys.modules["torch"].is_tensor(thing):
            return None
        self.tensor_bytes += thing.numel() * thing.element_size()
        return "tensor"


class Remembering:
    """A data set as if every item were in memory: a few items are made once and given for all indices."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.kept: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        slot = index % _KEPT if isinstance(index, int) else index
        if slot not in self.kept:
            self.kept[slot] = self.dataset[slot]
        return self.kept[slot]

    def item_bytes(self) -> int:
        """Return what one item takes when it is kept: its pickle, and of tensors what they hold, not what they are views of."""
        sizing = _Sizing(io.BytesIO(), pickle.HIGHEST_PROTOCOL)
        sizing.dump(self.dataset[0])
        return sizing.file.tell() + sizing.tensor_bytes

    def __getattr__(self, name: str) -> Any:
        if name in ("dataset", "kept", "__getitems__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)


def cache_items(clone: Any, _name: str, _parameters: Parameters) -> None:
    """Keep the items of a clone's data set. Raises Unsuitable for one that has no items."""
    iterable = getattr(sys.modules.get("torch.utils.data"), "IterableDataset", ())
    if isinstance(clone.dataset, iterable) or not hasattr(clone.dataset, "__getitem__"):
        raise Unsuitable("an iterable data set has no items to keep")
    vars(clone)["dataset"] = Remembering(clone.dataset)


class Rows:
    """A TensorDataset (or a part of one) whose rows come by one indexing call per batch."""

    def __init__(self, tensors: tuple[Any, ...], indices: list[int] | None) -> None:
        self.tensors = tensors
        self.indices = indices

    def __len__(self) -> int:
        return len(self.tensors[0]) if self.indices is None else len(self.indices)

    def __getitem__(self, index: int) -> list[Any]:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> list[Any]:
        chosen = indices if self.indices is None else [self.indices[i] for i in indices]
        return [tensor[chosen] for tensor in self.tensors]


def fetch_batched(clone: Any, _name: str, _parameters: Parameters) -> None:
    """Make a clone index whole batches. Raises Unsuitable for anything but tensors in memory."""
    dataset, indices = clone.dataset, None
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        dataset, indices = dataset.dataset, list(dataset.indices)
    tensors = getattr(dataset, "tensors", None)
    if not isinstance(tensors, tuple) or clone.batch_sampler is None:
        raise Unsuitable("not a TensorDataset with batches")
    vars(clone)["dataset"] = Rows(tensors, indices)
    vars(clone)["collate_fn"] = _as_it_is


def _as_it_is(batch: Any) -> Any:
    return batch
