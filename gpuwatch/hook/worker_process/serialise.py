"""What sending a batch costs: times the queue's feeder thread of a worker, where batches are pickled and written."""

import os
import sys
import time

from ..event_log import columns, spool

_now = time.monotonic_ns
_MOST_NODES = 20000
_PLAIN = (int, float, str, bytes, bool, type(None), complex)
_awaited = {}
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))


def expect(item):
    """Note that `item`, an (index, batch) tuple, will be serialised by the feeder thread."""
    if type(item) is tuple and len(item) == 2 and isinstance(item[0], int):
        if len(_awaited) > 64:  # a queue that serialises elsewhere
            _awaited.clear()
        _awaited[id(item)] = item[0]


class Pickler:
    """Stands in for multiprocessing.queues._ForkingPickler in a worker."""

    def __init__(self, genuine):
        self._genuine = genuine

    def dumps(self, obj, *args, **kwargs):
        """Serialise as the genuine pickler does."""
        index = _awaited.pop(id(obj), None)
        if index is None:
            return self._genuine.dumps(obj, *args, **kwargs)
        t0, cpu0 = _now(), time.thread_time_ns()
        data = self._genuine.dumps(obj, *args, **kwargs)
        t1 = _now()
        _note(index, t0, t1, cpu0, data, obj)
        return data

    def __getattr__(self, name):
        return getattr(self._genuine, name)


class _Feeder:
    """The send under way in the feeder thread, until its bytes are in the pipe."""

    sends_bytes = False
    event = None
    cpu0 = 0


def _note(index, t0, t1, cpu0, data, batch):
    try:
        tensors, tensor_bytes, float_bytes = contents(batch[1])
        event = [_worker_number(), index, t0, t1, len(data), tensors, tensor_bytes, float_bytes]
        if _Feeder.sends_bytes:
            _Feeder.event, _Feeder.cpu0 = event, cpu0
        else:
            spool.event("send", *event)
    except Exception:
        if _DEBUG:
            raise


def _worker_number():
    from . import fetch

    return fetch.worker.number


def watch(queue):
    """Time the serialising and writing of this worker's data queue from now on."""
    import multiprocessing.queues as queues

    genuine = getattr(queues, "_ForkingPickler", None)
    if genuine is not None and not isinstance(genuine, Pickler):
        queues._ForkingPickler = Pickler(genuine)
    send_bytes = getattr(queue, "_send_bytes", None)
    if callable(send_bytes) and getattr(queue, "_thread", None) is None:
        queue._send_bytes = _measured_write(send_bytes)
        _Feeder.sends_bytes = True


_LINE = '["send",' + ",".join(["%s"] * len(columns.COLUMNS["send"])) + "]\n"


def _measured_write(send_bytes):
    def write(data):
        send_bytes(data)
        event, _Feeder.event = _Feeder.event, None
        if event is not None:
            event += (_now() - event[3], time.thread_time_ns() - _Feeder.cpu0)
            spool.write((_LINE % tuple(event)).encode())

    return write


def contents(batch):
    """Return (tensors, bytes in tensors, of them in float32 or float64) of a nested batch; looks at no more than 20,000 parts."""
    torch = sys.modules.get("torch")
    if torch is None:
        return 0, 0, 0
    count = total = floats = 0
    tensor, wide = torch.Tensor, (torch.float32, torch.float64)
    pending, seen = [batch], 0
    while pending and seen < _MOST_NODES:
        part = pending.pop()
        seen += 1
        if isinstance(part, tensor):
            size = part.numel() * part.element_size()
            count += 1
            total += size
            if part.dtype in wide:
                floats += size
        elif type(part) not in _LEAVES:
            _open_up(part, pending)
    return count, total, floats


_LEAVES = frozenset(_PLAIN)


def _open_up(part, pending):
    if isinstance(part, dict):
        pending.extend(part.values())
    elif isinstance(part, (list, tuple)):
        if part and not (type(part[0]) in _LEAVES and type(part[-1]) in _LEAVES):
            pending.extend(part)
        elif part and isinstance(part, tuple):
            pending.extend(one for one in part if type(one) not in _LEAVES)
    elif hasattr(part, "__dict__") and not hasattr(part, "__array__"):
        pending.extend(vars(part).values())
