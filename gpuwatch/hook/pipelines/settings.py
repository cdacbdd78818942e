"""What a feed consists of: the attributes of its `iterator` event."""

from __future__ import annotations

from ..source_code import callers, origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..source_code.callers import Place

# Attributes of libraries' objects that say how many batches they prepare at once, and with how many threads or processes.
_BATCH_SIZE = ("batch_size", "_batch_size")


def attributes(source: Any, library: str, code: Place | None) -> dict[str, Any]:
    """Return the `attributes` of a feed's iterator event."""
    cls = type(source)
    file, line = callers.class_place(cls, "__iter__") if source is not None else (None, None)
    users = file is not None and origins.is_user_file(file)
    return {
        "pipeline": library,
        "dataset": cls.__name__ if source is not None else code[2] if code else library,
        "dataset_file": file if users else None,
        "dataset_line": line if users else None,
        "workers": 0,
        "batch_size": _batch_size(source),
        "loader_class": f"{cls.__module__}.{cls.__qualname__}" if source is not None else None,
        "gives": list(code) if code else None,
        "settings": told(source, library),
    }


def _batch_size(source: Any) -> int | None:
    for name in _BATCH_SIZE:
        size = getattr(source, "__dict__", {}).get(name)
        if isinstance(size, int) and not isinstance(size, bool):
            return size
    return None


def told(source: Any, library: str) -> dict[str, Any]:
    """Return the settings of a library's pipeline that decide how much it does at once, by their own names."""
    reader = _READERS.get(library)
    try:
        return reader(source) if reader is not None else {}
    except Exception:
        return {}  # another version of the library keeps them elsewhere


def _of_dali(source: Any) -> dict[str, Any]:
    pipeline = source._pipes[0]
    return {"num_threads": pipeline.num_threads, "prefetch_queue_depth": pipeline.prefetch_queue_depth}


def _of_grain(source: Any) -> dict[str, Any]:
    loader = getattr(source, "_data_loader", None)
    options = getattr(loader, "_multiprocessing_options", None)
    if options is not None:
        return {"worker_count": options.num_workers}
    return {"num_threads": source._read_options.num_threads} if hasattr(source, "_read_options") else {}


def _of_nodes(source: Any) -> dict[str, Any]:
    """Walk the nodes behind a loader's iterator: the first that maps with workers counts."""
    node = source
    for _ in range(32):
        if hasattr(node, "num_workers"):
            return {"num_workers": node.num_workers, "method": str(getattr(node, "method", None))}
        inner = [getattr(node, name, None) for name in ("root", "loader", "source", "_it", "base_node")]
        node = next((one for one in inner if one is not None), None)
        if node is None:
            break
    return {}


def _of_streaming(source: Any) -> dict[str, Any]:
    return {"num_workers": source.num_workers, "prefetch_factor": source.prefetch_factor}


_READERS = {
    "dali": _of_dali,
    "grain": _of_grain,
    "torchdata.nodes": _of_nodes,
    "streaming": _of_streaming,
    "litdata": _of_streaming,
}
