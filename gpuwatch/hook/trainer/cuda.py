"""GPU wait: two timing events per step on the current stream, read when the GPU has passed them, never waited for.

A is recorded when the batch is handed over, B when the next one is asked for. B to the next A is the time for
which the stream had nothing left; A to B is the step's work. Only the training thread touches them.
"""

import collections
import sys

from ..event_log import spool

# At most this many steps may be in flight; beyond it steps go unmeasured until the GPU catches up.
_MOST_PENDING = 64
_MOST_TROUBLES = 3
_READ_PER_STEP = 4
_GPU_WAIT = '["gpu_wait",%s,%s,%s,%s]\n'


def meter():
    """Return a new meter once CUDA is initialised in this process; None before, and without CUDA.

    Asks only whether it is: initialising CUDA is the training's business, and no forked worker ever has it.
    """
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return None
    _say_devices(cuda)
    return Meter(cuda)


_said = []


def after_fork():
    """Say the devices again in a child that comes to use CUDA itself; a parent's CUDA is not initialised there."""
    _said.clear()


def _say_devices(cuda):
    if not _said:
        _said.append(True)
        spool.meta("cuda_devices", [_device(cuda, index) for index in range(cuda.device_count())])
        spool.meta("cuda_device", cuda.current_device())


def _device(cuda, index):
    properties = cuda.get_device_properties(index)
    uuid = getattr(properties, "uuid", None)
    return [index, _nvml_uuid(str(uuid)) if uuid else None, properties.name]


def _nvml_uuid(uuid):
    return uuid if uuid.startswith(("GPU-", "MIG-")) else "GPU-" + uuid


class Step:
    """One step's events: `before` the previous B or None, `start` A, `end` B once the next batch is asked for."""

    __slots__ = ("iterator", "index", "before", "start", "end")

    def __init__(self, iterator, index, before, start):
        self.iterator, self.index, self.before, self.start, self.end = iterator, index, before, start, None


class Meter:
    """The events of one training thread."""

    def __init__(self, cuda):
        self.cuda = cuda
        self.capturing = getattr(cuda, "is_current_stream_capturing", lambda: False)
        self.free = []
        self.pending = collections.deque()
        self.open = None
        self.last_end = None
        self.troubles = 0

    def asked(self):
        """Record B of the step that ends here."""
        step, self.open = self.open, None
        if step is None:
            return
        event = self._record()
        if event is None:
            self.last_end = None
            return self._recycle(step)
        step.end = self.last_end = event
        self.pending.append(step)

    def given(self, iterator, index):
        """Record A of the step that begins here, and write the steps that the GPU has passed."""
        before, self.last_end = self.last_end, None
        start = self._record()
        if start is not None:
            self.open = Step(iterator, index, before, start)
        elif before is not None and not self.pending:
            self.free.append(before)
        self.resolve(_READ_PER_STEP)

    def skip(self):
        """Leave out the step that is open: the asks since it began were not told."""
        step, self.open = self.open, None
        self.last_end = None
        if step is not None:
            self._recycle(step)

    def resolve(self, most=_MOST_PENDING):
        """Write up to `most` steps that are complete on the GPU, without waiting for any."""
        try:
            while most and self.pending and self.pending[0].end.query():
                most -= 1
                self._write(self.pending.popleft())
        except Exception as trouble:
            self._stumble(trouble)

    def _write(self, step):
        wait_ms = step.before.elapsed_time(step.start) if step.before is not None else None
        work_ms = step.start.elapsed_time(step.end)
        self._recycle(step)
        spool.later(_GPU_WAIT, (step.iterator, step.index, wait_ms and round(wait_ms, 4), round(work_ms, 4)), 0)

    def _recycle(self, step):
        # The step's B is the next step's `before`, and is given back with that one.
        self.free.extend(event for event in (step.before, step.start) if event is not None)

    def _record(self):
        try:
            if self.troubles >= _MOST_TROUBLES or len(self.pending) >= _MOST_PENDING or self.capturing():
                return None
            event = self.free.pop() if self.free else self.cuda.Event(enable_timing=True)
            event.record()
            return event
        except Exception as trouble:
            return self._stumble(trouble)

    def _stumble(self, trouble):
        self.free.clear()
        self.pending.clear()
        self.open = self.last_end = None
        self.troubles += 1
        if self.troubles == _MOST_TROUBLES:
            spool.meta("missing_seam", "CUDA events: %s: %s" % (type(trouble).__name__, trouble))
