"""What a loader is made of and what the process has: the attributes of `iterator` events and some `meta` facts."""

import functools
import multiprocessing
import os
import sys

from ..source_code import callers, construction_sites, origins

_WRAPPERS = ("Subset", "ConcatDataset", "ChainDataset", "StackDataset")


def loader_attributes(loader, iterator):
    """Return the `attributes` of an iterator event; what a loader does not tell is None."""
    dataset = loader.dataset
    inner = _innermost(dataset)
    iterable = getattr(iterator, "_dataset_kind", 0) != 0
    file, line = callers.class_place(type(inner), "__iter__" if iterable else "__getitem__")
    sampler = getattr(loader, "sampler", None)
    return {
        "dataset": type(dataset).__name__,
        "dataset_kind": "iterable" if iterable else "map",
        "dataset_file": file,
        "dataset_line": line,
        "length": _length(dataset, sampler, iterable),
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
        "timeout": getattr(loader, "timeout", None),
        "tensor_dataset": type(inner).__name__ == "TensorDataset",
        "dataset_made": _made_at(type(inner).__name__, file, construction_sites.place_of(loader)[0]),
    }


@functools.lru_cache(None)
def _made_at(name, file, loaders_file):
    """Return [file, line] of the user's only call of a library's dataset class; None for a dataset of the user's own."""
    if file is None or origins.is_user_file(file):
        return None
    files = origins.user_files()
    if loaders_file and origins.is_user_file(loaders_file):
        files.add(loaders_file)
    path, line = origins.sole_mention(name, files)
    return [path, line] if path else None


def _innermost(dataset):
    for _ in range(8):
        if type(dataset).__name__ not in _WRAPPERS or not type(dataset).__module__.startswith("torch."):
            break
        parts = getattr(dataset, "datasets", None)
        inner = getattr(dataset, "dataset", None) or (parts[0] if isinstance(parts, (list, tuple)) and parts else None)
        if inner is None:
            break
        dataset = inner
    return dataset


def _name(thing):
    if thing is None:
        return None
    function = getattr(thing, "func", thing)
    named = function if hasattr(function, "__qualname__") else type(function)
    return "%s.%s" % (named.__module__, named.__qualname__)


def _length(dataset, sampler, iterable):
    # torch's own samplers have called len() already; nobody else's dataset is asked behind the user's back.
    if iterable or type(sampler).__module__ != "torch.utils.data.sampler":
        return None
    try:
        return len(dataset)
    except Exception:
        return None


def _batch_size(loader):
    size = getattr(loader, "batch_size", None)
    return size if size is not None else getattr(getattr(loader, "batch_sampler", None), "batch_size", None)


def _start_method(loader):
    if not loader.num_workers:
        return None
    context = getattr(loader, "multiprocessing_context", None)
    if context is not None:
        return context.get_start_method()
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


def worker_pids(iterator):
    """Return [[worker, pid], ...]; empty when loading runs in this process."""
    return [[index, worker.pid] for index, worker in enumerate(getattr(iterator, "_workers", ()))]


def library_threads():
    """Return how many threads each compute library would use here; only of libraries that are loaded already."""
    torch, cv2 = sys.modules.get("torch"), sys.modules.get("cv2")
    return {
        "torch": torch.get_num_threads() if hasattr(torch, "get_num_threads") else None,
        "cv2": cv2.getNumThreads() if hasattr(cv2, "getNumThreads") else None,
        "omp": _number("OMP_NUM_THREADS"),
        "mkl": _number("MKL_NUM_THREADS"),
    }


def _number(variable):
    value = os.environ.get(variable, "")
    return int(value) if value.isdigit() else None


def process_group():
    """Return [rank, local_rank, world_size] of an initialised torch.distributed; None without one."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return [distributed.get_rank(), _number("LOCAL_RANK"), distributed.get_world_size()]
