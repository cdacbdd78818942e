"""Where the trainer's side of data loading is patched: torch's own iterator classes, in their construction and `__next__`.

`_BaseDataLoaderIter.__next__` is what every derived loader goes through. The record of an iterator hangs on the
iterator itself and dies with it; the iterator, its dataset and its batches stay what they were.

Several parts of the hook wrap the same functions of torch, in the order of `entry/boot`: the first is the innermost.

- `__next__`: this file, then `experiment/driver`, which has to be outside: it may answer a request without torch,
  and the batches that it draws from torch are recorded as any others. Then `lines/exact`, outside both: its window ends at
  the request, before any code of ours runs. Experiments and exact lines are never on together.
- `fetch` of a fetcher: `worker_process/fetch`, then `lines/exact`. Here either order would do.
- Construction of an iterator: this file wraps the classes that are instantiated, experiment mode their base's `__init__`.
- `DataLoader.__init__` (`source_code/construction_sites`) and `_worker_loop` (`worker_process/worker`) have one wrapper.

`lines/in_process_sampler` and `entry/ptrace` wrap nothing: their place is free. A test holds the nesting of `__next__`.
"""

from __future__ import annotations

import atexit
import functools

from ..attributes import RECORD, WRAPPED
from ..event_log import spool
from ..process import process
from ..process_state import explicit_collections
from ..source_code import construction_sites
from . import activity, delivery, describe, importlib_bootstrap, queues, teardown
from .cells import cells
from .iterators import Record
from .process_facts import facts, torch_version
from .step_sampling import sampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BASE = "_BaseDataLoaderIter"
now_ns = activity.now_ns


def on_import(name: str, module: Any) -> None:
    """Patch `torch.utils.data.dataloader`, or torchdata's own iterator classes."""
    base = getattr(module, _BASE, None)
    if base is None or "__next__" not in vars(base):
        spool.meta("missing_seam", name + "." + _BASE)
        return
    for cls in _iterator_classes(module, base):
        for method in ("__init__", "_reset"):
            if method in vars(cls) and not hasattr(vars(cls)[method], WRAPPED):
                setattr(cls, method, _construction(vars(cls)[method]))
        teardown.watch(cls)
    if not hasattr(base.__next__, WRAPPED):
        setattr(base, RECORD, None)
        base.__next__ = importlib_bootstrap.wrap_next(
            base.__next__, delivery.requested, delivery.delivered, delivery.timed
        )
        setattr(base.__next__, WRAPPED, True)
        if hasattr(base, "_next_index"):
            base._next_index = importlib_bootstrap.wrap_next_index(base._next_index)
        _start()


def _iterator_classes(module: Any, base: type) -> list[type]:
    # Only those that are instantiated: a warning from their base's constructor must go on naming torch's line, not ours.
    classes = {thing for thing in vars(module).values() if isinstance(thing, type) and issubclass(thing, base)}
    return [cls for cls in classes if not any(cls in other.__mro__[1:] for other in classes)]


def _start() -> None:
    spool.meta("torch", torch_version())
    activity.watch_collector()
    explicit_collections.watch()
    atexit.register(facts.write_end)


def _construction(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `__init__` or `_reset` of an iterator class: the outermost call of the two is one iterator made."""

    @functools.wraps(original)
    def construct(self: Any, *args: Any, **kwargs: Any) -> Any:
        start_ns = now_ns()
        record = _begin(self, args, kwargs)
        result = original(self, *args, **kwargs)
        if record is not None:
            _write_iterator(self, args[0] if args else kwargs.get("loader"), record, start_ns)
        return result

    setattr(construct, WRAPPED, True)
    return construct


def _begin(iterator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Record | None:
    """Return the iterator's record, begun again; None inside another call that makes the same iterator."""
    if process.idle:
        return None
    try:
        loader = args[0] if args else kwargs["loader"]
        record: Record | None = iterator.__dict__.get(RECORD)
        if record is None:
            record = iterator.__dict__[RECORD] = Record(loader)
        elif record.under_construction:
            return None
        else:
            record.begin_epoch(loader)
        return record
    except Exception:
        return None


def _write_iterator(iterator: Any, loader: Any, record: Record, start_ns: int) -> None:
    end_ns = now_ns()
    try:
        record.queue = queues.view(iterator)
        facts.write()
        cells.write_new()
        attributes = describe.loader_attributes(loader, iterator)
        workers = describe.worker_pids(iterator)
        places = (*record.place, *construction_sites.place_of(loader))
        spool.event(
            "iterator", record.number, record.loader, start_ns, end_ns, record.epoch, attributes, workers, *places,
            record.take_index_ns(),
        )  # fmt: skip
    except Exception as error:
        spool.error("iterator", error)
    record.under_construction = False
    record.open = True
    account = activity.current()
    if sampling.sample_fully(account, end_ns):
        account.resume(end_ns)
