"""A preprocessing engine for inference: threads fill buffers that are used again, some batches ahead of the network."""

import queue
import threading

import torch
from torch.utils.data import IterableDataset


class Engine(IterableDataset):
    """Batches of `files` in their order; `prepare(file, out)` fills one image of shape `shape`.

    At most `in_flight` batches are being made or used. With `device` "cuda" the buffers are pinned, and each batch is
    copied on a stream of its own while the network still works on the one before. A batch is good until the next
    one is asked for.
    """

    def __init__(self, files, prepare, shape, batch, threads, in_flight=4, device="cpu"):
        self.files, self.prepare, self.batch = files, prepare, batch
        self.threads, self.in_flight, self.device = threads, in_flight, device
        self.shape = (batch, *shape)

    def __len__(self):
        return -(-len(self.files) // self.batch)

    def __iter__(self):
        work = _Work(self)
        try:
            for number in range(min(self.in_flight, len(self))):
                work.begin(number)
            copying = torch.cuda.Stream() if self.device == "cuda" else None
            for number in range(len(self)):
                images = work.wait(number)
                yield images if copying is None else _copied(images, copying)
                if number + self.in_flight < len(self):
                    # Its buffer is free now: the copy is done, or the network has read it.
                    if copying is not None:
                        copying.synchronize()
                    work.begin(number + self.in_flight)
        finally:
            work.end()


def _copied(images, copying):
    with torch.cuda.stream(copying):
        there = images.to("cuda", non_blocking=True)
    torch.cuda.current_stream().wait_stream(copying)
    there.record_stream(torch.cuda.current_stream())
    return there


class _Work:
    """One pass over the files: the buffers, the threads that fill them, what each batch still lacks."""

    def __init__(self, engine):
        self.engine = engine
        self.buffers = [torch.empty(engine.shape, pin_memory=engine.device == "cuda") for _ in range(engine.in_flight)]
        self.tasks, self.lock = queue.SimpleQueue(), threading.Lock()
        self.lacking, self.ready, self.trouble = {}, {}, None
        self.threads = [threading.Thread(target=self._fill, daemon=True) for _ in range(engine.threads)]
        for thread in self.threads:
            thread.start()

    def begin(self, number):
        """Hand the images of a batch to the threads."""
        first = number * self.engine.batch
        files = self.engine.files[first : first + self.engine.batch]
        self.lacking[number], self.ready[number] = len(files), threading.Event()
        images = self._buffer(number).numpy()
        for place, file in enumerate(files):
            self.tasks.put((number, file, images[place]))

    def wait(self, number):
        """Return a batch, channels last in memory, when it is whole. Raises what kept a thread from filling it."""
        self.ready[number].wait()
        del self.ready[number]
        if self.trouble is not None:
            raise self.trouble
        count = min(self.engine.batch, len(self.engine.files) - number * self.engine.batch)
        return self._buffer(number)[:count].movedim(-1, 1)

    def end(self):
        """End the threads; what they have not begun stays undone."""
        self.trouble = self.trouble or RuntimeError("the pass is over")
        for _ in self.threads:
            self.tasks.put(None)
        for thread in self.threads:
            thread.join()

    def _buffer(self, number):
        return self.buffers[number % len(self.buffers)]

    def _fill(self):
        while (task := self.tasks.get()) is not None:
            number, file, out = task
            try:
                if self.trouble is None:
                    self.engine.prepare(file, out)
            except Exception as trouble:
                self.trouble = trouble
            with self.lock:
                self.lacking[number] -= 1
                done = not self.lacking[number]
            if done:
                self.ready[number].set()
