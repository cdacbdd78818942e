"""Stamp each batch that torch's loader hands over and each update; feed cached batches, the loader alone, other workers.

WILD_STAMPS is the folder that gets a file per process, in which each line is an event:

    ["i", n, workers, made_ns]       the n-th iterator that was asked for a batch, or its next epoch
    ["b", n, asked_ns, handed_ns]    a batch
    ["e", n, asked_ns]               it had no more
    ["o", ns], ["k", ns]             an optimizer's step, a backward pass

WILD_MODE is empty, `cached`, `loader` or `workers=N`. WILD_TRAINING lists the iterators that train (from a run as it is),
WILD_BATCHES how many batches one of them gives where it does not say so itself, or how many `loader` takes.
"""

import atexit
import copy
import inspect
import json
import os
import time

MODE = os.environ.get("WILD_MODE", "")
KEPT = 4
KEPT_BATCHES = {}
TRAINING = frozenset(int(number) for number in os.environ.get("WILD_TRAINING", "").split(",") if number)
BATCHES = int(os.environ.get("WILD_BATCHES") or 0)
FLUSH_NS = 200000000
# torch's _DatasetKind.Iterable.
ITERABLE = 1
now = time.monotonic_ns


class Stamps:
    """The events of one process, in a file of its own: what os._exit or a kill loses is a fifth of a second."""

    def __init__(self):
        self.pid, self.events, self.written = os.getpid(), [], 0

    def add(self, *event):
        if self.pid != os.getpid():
            self.__init__()
        self.events.append(event)
        if now() - self.written > FLUSH_NS:
            self.flush()

    def flush(self):
        if self.pid != os.getpid() or not self.events:
            return
        lines = "".join(json.dumps(event) + "\n" for event in self.events)
        self.events, self.written = [], now()
        with open(os.path.join(os.environ["WILD_STAMPS"], f"{self.pid}.jsonl"), "a") as file:
            file.write(lines)


stamps = Stamps()


class Epoch:
    """One pass of one iterator."""

    count = 0

    def __init__(self, iterator, made):
        self.number, Epoch.count = Epoch.count, Epoch.count + 1
        self.sampler, self.handed, self.drawn = iterator._sampler_iter, 0, None
        stamps.add("i", self.number, getattr(iterator, "_num_workers", 0), made)

    @property
    def trains(self):
        return self.number in TRAINING


def epoch_of(iterator):
    """Return the iterator's pass: a new one when it was reset, as persistent workers are."""
    epoch = iterator.__dict__.get("_wild_epoch")
    if epoch is None or epoch.sampler is not iterator._sampler_iter:
        made = iterator.__dict__.get("_wild_made") if epoch is None else None
        epoch = iterator._wild_epoch = Epoch(iterator, made or now())
    return epoch


def plain(iterator, epoch, take):
    return take(iterator)


def cached(iterator, epoch, take):
    """Hand over the first batches again and again, as many as the iterator would have given."""
    if not epoch.trains:
        return take(iterator)
    # The dataset is kept too: another one must not get its id.
    _, kept = KEPT_BATCHES.setdefault(id(iterator._dataset), (iterator._dataset, []))
    if len(kept) < KEPT:
        batch = take(iterator)
        kept.append(copied(batch))
        return batch
    if epoch.drawn is None:
        epoch.drawn = max(epoch.handed, getattr(iterator, "_send_idx", 0))
    if BATCHES and endless(iterator) and epoch.handed >= BATCHES:
        raise StopIteration
    if epoch.handed >= epoch.drawn:
        next(iterator._sampler_iter)
        epoch.drawn += 1
    return copied(kept[epoch.handed % KEPT])


def endless(iterator):
    """Say whether the end is the dataset's affair, not the sampler's."""
    return iterator._dataset_kind == ITERABLE


def copied(batch):
    try:
        return copy.deepcopy(batch)
    except Exception:
        return batch


def loader_alone(iterator, epoch, take):
    """Take the first training iterator's batches and give none of them to the training; then end the process."""
    if not epoch.trains:
        return take(iterator)
    try:
        while not BATCHES or epoch.handed < BATCHES:
            asked = now()
            take(iterator)
            epoch.handed += 1
            stamps.add("b", epoch.number, asked, now())
    except StopIteration:
        pass
    stamps.flush()
    os._exit(0)


WAYS = {"cached": cached, "loader": loader_alone}


def install(loader):
    """Wrap what torch's loader module defines; where a name is missing nothing is stamped."""
    base = loader._BaseDataLoaderIter
    base.__init__ = stamped_init(base.__init__)
    base.__next__ = stamped_next(base.__next__, WAYS.get(MODE, plain))
    if MODE.startswith("workers="):
        loader.DataLoader.__init__ = with_workers(loader.DataLoader.__init__, int(MODE.partition("=")[2]))
    after_import("torch.optim.optimizer", stamp_optimizer)  # noqa: F821 (given by importing.py)
    after_import("torch.autograd", stamp_backward)  # noqa: F821
    atexit.register(lambda: stamps.flush())


def stamped_init(original):
    def __init__(self, *args, **kwargs):
        self._wild_made = now()
        original(self, *args, **kwargs)

    return __init__


def stamped_next(original, way):
    def __next__(self):
        asked = now()
        epoch = epoch_of(self)
        try:
            batch = way(self, epoch, original)
        except StopIteration:
            stamps.add("e", epoch.number, asked)
            raise
        epoch.handed += 1
        stamps.add("b", epoch.number, asked, now())
        return batch

    return __next__


def with_workers(original, number):
    signature = inspect.signature(original)

    def __init__(self, *args, **kwargs):
        given = signature.bind(self, *args, **kwargs)
        given.arguments["num_workers"] = number
        if not number:
            for name in ("prefetch_factor", "persistent_workers", "multiprocessing_context", "timeout"):
                given.arguments.pop(name, None)
        original(*given.args, **given.kwargs)

    return __init__


def stamp_optimizer(module):
    hook = getattr(module, "register_optimizer_step_post_hook", None)
    if hook is not None:
        hook(lambda *_: stamps.add("o", now()))


def stamp_backward(module):
    original = module.backward

    def backward(*args, **kwargs):
        original(*args, **kwargs)
        stamps.add("k", now())

    # Below this frame is the backward pass, not the loader.
    backward.__code__ = backward.__code__.replace(co_filename=module.__file__)
    module.backward = backward
