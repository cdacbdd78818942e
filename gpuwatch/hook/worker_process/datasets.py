"""A fetcher's dataset: whose code makes its samples, and whether it makes them a batch at a time."""

from __future__ import annotations

from ..operations.registry import registry
from ..process import TYPE_CHECKING
from ..source_code import origins

if TYPE_CHECKING:
    from typing import Any


def makes_batches(fetcher: Any) -> bool:
    """Say whether the dataset gets the whole list of indices (through Subset too, which always claims to)."""
    if not fetcher.auto_collation:
        return True
    if hasattr(fetcher, "dataset_iter"):
        return False
    dataset = fetcher.dataset
    while type(dataset).__name__ == "Subset" and type(dataset).__module__ == "torch.utils.data.dataset":
        dataset = dataset.dataset
    return bool(getattr(dataset, "__getitems__", None))


def method_of(fetcher: Any, dataset: object) -> Any:
    """Return the method of the dataset's class that makes samples."""
    if hasattr(fetcher, "dataset_iter"):
        name = "__iter__"
    else:
        name = "__getitems__" if fetcher.auto_collation and fetcher.collate_fn.batched else "__getitem__"
    return getattr(type(dataset), name, None)


def announce(cls: type, method: Any) -> None:
    """Register and announce the operation that is the user's own code in making a sample."""
    key = ("dataset", cls)
    if registry.find(key) is not None:
        return
    path, line, _name = origins.callable_place(method) if method is not None else (None, None, None)
    name = getattr(method, "__name__", "__getitem__")
    registry.add(key, "dataset", f"{cls.__name__}.{name}", (path, line, name), {}).announce(None)
