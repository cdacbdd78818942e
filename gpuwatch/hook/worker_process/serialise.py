"""What sending a batch costs: times the queue's feeder thread of a worker, where batches are pickled and written."""

from __future__ import annotations

import sys
import time

from ..event_log import columns, spool
from ..process import TYPE_CHECKING, process
from .state import worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_now = time.monotonic_ns
_MOST_NODES = 20000
_MOST_EXPECTED = 64
_MOST_STORAGES = 64
_LEAVES = frozenset((int, float, str, bytes, bool, type(None), complex))
_LINE = '["send",' + ",".join(["%s"] * len(columns.COLUMNS["send"])) + "]\n"


class Feeder:
    """What the queue's feeder thread is to send, and the send that is under way until its bytes are in the pipe.

    `expected`: batch numbers by the id of the (index, batch) tuple. `sends_bytes`: writing is timed as well.
    """

    __slots__ = ("cpu_ns", "event", "expected", "sends_bytes", "storage_bytes")

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Send nothing: the thread stayed with the parent."""
        self.expected: dict[int, int] = {}
        self.sends_bytes = False
        self.event: list[Any] | None = None
        self.cpu_ns = 0
        self.storage_bytes = 0


feeder = process.own(Feeder())


def expect(item: object) -> None:
    """Note that `item`, an (index, batch) tuple, will be serialised by the feeder thread."""
    if type(item) is tuple and len(item) == 2 and isinstance(item[0], int):
        expected = feeder.expected
        if len(expected) > _MOST_EXPECTED:  # a queue that serialises elsewhere
            expected.clear()
        expected[id(item)] = item[0]


class Pickler:
    """Replaces multiprocessing.queues._ForkingPickler in a worker."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def dumps(self, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Serialise as the original pickler does."""
        index = feeder.expected.pop(id(obj), None)
        if index is None:
            return self._original.dumps(obj, *args, **kwargs)
        t0, cpu_ns = _now(), time.thread_time_ns()
        data = self._original.dumps(obj, *args, **kwargs)
        _sent(index, t0, _now(), cpu_ns, data, obj)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def _sent(index: int, t0: int, t1: int, cpu_ns: int, data: Any, item: Any) -> None:
    try:
        tensors, total, floats, storages = contents(item[1])
        event = [worker.number, index, t0, t1, len(data), tensors, total, floats]
        if feeder.sends_bytes:
            feeder.event, feeder.cpu_ns, feeder.storage_bytes = event, cpu_ns, storages
        else:
            spool.event("send", *event, None, None, storages)
    except Exception as error:
        spool.error("send", error)


def watch(queue: Any) -> None:
    """Time the serialising and writing of this worker's data queue from now on."""
    import multiprocessing.queues

    queues: Any = multiprocessing.queues
    original = getattr(queues, "_ForkingPickler", None)
    if original is not None and not isinstance(original, Pickler):
        queues._ForkingPickler = Pickler(original)
    send_bytes = getattr(queue, "_send_bytes", None)
    if callable(send_bytes) and getattr(queue, "_thread", None) is None:
        queue._send_bytes = _measured_write(send_bytes)
        feeder.sends_bytes = True


def _measured_write(send_bytes: Callable[[Any], Any]) -> Callable[[Any], None]:
    def write(data: Any) -> None:
        send_bytes(data)
        event, feeder.event = feeder.event, None
        if event is not None:
            event += (_now() - event[3], time.thread_time_ns() - feeder.cpu_ns, feeder.storage_bytes)
            spool.write((_LINE % tuple(event)).encode())

    return write


def contents(batch: object) -> tuple[int, int, int, int]:
    """Return (tensors, bytes in tensors, of them in float32 or float64, bytes of the storages beneath) of a nested batch.

    Looks at no more than 20,000 parts. A storage that several tensors share counts once; of the tensors beyond the first
    64, and of those without one, the tensor itself is counted."""
    torch = sys.modules.get("torch")
    if torch is None:
        return 0, 0, 0, 0
    count = total = floats = beneath = 0
    storages: dict[int, int] = {}
    tensor, wide = torch.Tensor, (torch.float32, torch.float64)
    pending, seen = [batch], 0
    while pending and seen < _MOST_NODES:
        part: Any = pending.pop()
        seen += 1
        if isinstance(part, tensor):
            size = part.numel() * part.element_size()
            count += 1
            total += size
            if part.dtype in wide:
                floats += size
            if count > _MOST_STORAGES or not _note_storage(part, storages):
                beneath += size
        elif type(part) not in _LEAVES:
            _open_up(part, pending)
    return count, total, floats, beneath + sum(storages.values())


def _note_storage(tensor: Any, storages: dict[int, int]) -> bool:
    """Note how large a tensor's storage is; False where it has none (sparse tensors, subclasses, an old torch)."""
    try:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
    except Exception:
        return False
    return True


def _open_up(part: Any, pending: list[object]) -> None:
    if isinstance(part, dict):
        pending.extend(part.values())
    elif isinstance(part, (list, tuple)):
        if part and not (type(part[0]) in _LEAVES and type(part[-1]) in _LEAVES):
            pending.extend(part)
        elif part and isinstance(part, tuple):
            pending.extend(one for one in part if type(one) not in _LEAVES)
    elif hasattr(part, "__dict__") and not hasattr(part, "__array__"):
        pending.extend(vars(part).values())
