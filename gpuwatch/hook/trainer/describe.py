"""What a loader consists of: the attributes of `iterator` events; and the process group."""

from __future__ import annotations

import functools
import multiprocessing
import os
import sys
import types

from ..source_code import callers, construction_sites, dataset_values, mentions, origins
from ..source_code.wrapped_datasets import innermost
from . import samplers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def loader_attributes(loader: Any, iterator: Any) -> dict[str, Any]:
    """Return the `attributes` of an iterator event; what a loader does not have is None."""
    iterable = getattr(iterator, "_dataset_kind", 0) != 0
    sampler = getattr(loader, "sampler", None)
    return {
        **_dataset_attributes(loader, sampler, iterable),
        "workers": getattr(loader, "num_workers", 0),
        "batch_size": _batch_size(loader),
        "prefetch": getattr(loader, "prefetch_factor", None) if loader.num_workers else None,
        "persistent": bool(getattr(loader, "persistent_workers", False)),
        "pin_memory": bool(getattr(loader, "pin_memory", False)),
        "in_order": bool(getattr(loader, "in_order", True)),
        "drop_last": bool(getattr(loader, "drop_last", False)),
        "start_method": _start_method(loader),
        "sampler": type(sampler).__name__,
        "collate": _name(getattr(loader, "collate_fn", None)),
        "loader_class": _name(type(loader)),
        "made_by": construction_sites.library_of(loader),
        "timeout": getattr(loader, "timeout", None),
        "dataset_values": dataset_values.marks(innermost(loader.dataset)) if loader.num_workers else None,
        **samplers.sampler_attributes(loader),
        "worker_init": _init_place(loader),
    }


def _dataset_attributes(loader: Any, sampler: Any, iterable: bool) -> dict[str, Any]:
    dataset = loader.dataset
    behind = _behind_generator(dataset) if iterable else None
    cls: type = type(innermost(dataset)) if behind is None else behind
    file, line = callers.class_place(cls, "__iter__" if iterable and behind is None else "__getitem__")
    return {
        "dataset": type(dataset).__name__ if behind is None else behind.__name__,
        "dataset_inner": cls.__name__,
        "dataset_kind": "iterable" if iterable else "map",
        "dataset_file": file,
        "dataset_line": line,
        "length": _length(dataset, sampler, iterable),
        "length_said": getattr(loader, "_IterableDataset_len_called", None) if iterable else None,
        "worker_init": bool(getattr(loader, "worker_init_fn", None)),
        "tensor_dataset": cls.__name__ == "TensorDataset",
        "dataset_made": dataset_place(cls, file, construction_sites.place_of(loader)[0]),
    }


def _behind_generator(dataset: Any) -> type | None:
    """Return the user's class of batches behind a library's dataset that hands on a generator over it, as Keras makes."""
    if origins.is_user_file(str(callers.class_place(type(dataset), "__iter__")[0])):
        return None
    generators = (
        value for value in getattr(dataset, "__dict__", {}).values() if isinstance(value, types.GeneratorType)
    )
    for frame in (generator.gi_frame for generator in generators):
        owner = frame.f_locals.get("self") if frame is not None else None
        for value in list(vars(owner).values()) if hasattr(owner, "__dict__") else ():
            file = callers.class_place(type(value), "__getitem__")[0] if hasattr(value, "__getitem__") else None
            if file and origins.is_user_file(file):
                return type(value)
    return None


@functools.lru_cache(maxsize=256)
def dataset_place(cls: type, file: str | None, loaders_file: str | None) -> list[Any] | None:
    """Return [file, line] of the user's only call of a library's dataset class; None for a dataset of the user's own."""
    if file is None or origins.is_user_file(file):
        return None
    files = origins.user_files()
    if loaders_file and origins.is_user_file(loaders_file):
        files.add(loaders_file)
    path, line = mentions.sole_call(cls, files)
    return [path, line] if path else None


def _init_place(loader: Any) -> list[Any] | None:
    """Return [file, line] of the user's worker_init_fn, a function or an object that can be called."""
    function = getattr(loader, "worker_init_fn", None)
    if function is None:
        return None
    file, line, _name = origins.callable_place(function)
    if file is None:
        file, line = callers.class_place(type(function), "__call__")
    return [file, line] if file and origins.is_user_file(file) else None


def _name(thing: Any) -> str | None:
    if thing is None:
        return None
    function = getattr(thing, "func", thing)
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _length(dataset: Any, sampler: Any, iterable: bool) -> int | None:
    # torch's own samplers have called len() already; with others it might be a call that the user never makes.
    if iterable or type(sampler).__module__ != "torch.utils.data.sampler":
        return None
    try:
        return len(dataset)
    except Exception:
        return None


def _batch_size(loader: Any) -> Any:
    size = getattr(loader, "batch_size", None)
    return size if size is not None else getattr(getattr(loader, "batch_sampler", None), "batch_size", None)


def _start_method(loader: Any) -> str | None:
    if not loader.num_workers:
        return None
    context = getattr(loader, "multiprocessing_context", None)
    if context is not None:
        method: str = context.get_start_method()
        return method
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


def worker_pids(iterator: Any) -> list[list[int]]:
    """Return [[worker, pid], ...]; empty when loading runs in this process."""
    return [[index, worker.pid] for index, worker in enumerate(getattr(iterator, "_workers", ()))]


def process_group() -> list[Any] | None:
    """Return [rank, local_rank, world_size] of an initialised torch.distributed; None without one."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    local_rank = os.environ.get("LOCAL_RANK", "")
    return [distributed.get_rank(), int(local_rank) if local_rank.isdigit() else None, distributed.get_world_size()]
