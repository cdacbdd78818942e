"""Changes that an experiment can make to a twin of the user's loader; none touches the user's own objects.

A remedy of the data set replaces `twin.dataset` by a copy or a wrapper; one of a library is a patch that only acts
while its name is in ACTIVE: always in the twin's workers, and in the trainer (no workers) while the twin is asked.
What cannot be applied raises Unsuitable with the reason. Loader settings need no remedy: they are plain attributes.
"""

import copy
import sys

ACTIVE = {}
_SHRINKING = (
    "Resize",
    "RandomResizedCrop",
    "CenterCrop",
    "RandomCrop",
    "FiveCrop",
    "SmallestMaxSize",
    "LongestMaxSize",
)
_TO_FLOAT = ("ToTensor", "ToDtype", "ConvertImageDtype", "ConvertDtype")


class Unsuitable(Exception):
    """The remedy does not fit this loader."""


class Init:
    """A worker_init_fn that switches a remedy on in the worker, after the user's own."""

    def __init__(self, user, name, parameters):
        self.user = user
        self.name = name
        self.parameters = parameters

    def __call__(self, worker):
        """Run in the worker."""
        if self.user is not None:
            self.user(worker)
        switch_on(self.name, self.parameters)


def apply(twin, name, parameters):
    """Change a twin. Raises Unsuitable, also for a name that is none."""
    if name not in _REMEDIES:
        raise Unsuitable("there is no remedy %r; there are %s" % (name, ", ".join(sorted(_REMEDIES))))
    _REMEDIES[name](twin, name, parameters)


def switch_on(name, parameters):
    """Let a library remedy act in this process."""
    from . import remedy_decoding, remedy_threads

    ACTIVE[name] = parameters
    for module in (remedy_decoding, remedy_threads):
        if name in module.SWITCHES:
            module.SWITCHES[name](parameters)


def switch_off(name):
    """Let a library remedy rest in this process."""
    ACTIVE.pop(name, None)


def _in_workers(twin, name, parameters):
    twin.__dict__["worker_init_fn"] = Init(twin.worker_init_fn, name, parameters)
    twin.__dict__["_gpuwatch_remedy"] = (name, parameters)


def _workers_only(twin, name, parameters):
    if not twin.num_workers:
        raise Unsuitable("the loader has no workers")
    _in_workers(twin, name, parameters)


def _decoding(twin, name, parameters):
    from . import remedy_decoding

    remedy_decoding.check(name)
    _in_workers(twin, name, parameters)


def _shrink_first(twin, name, parameters):
    shrinks = (parameters["shrink"],) if parameters.get("shrink") else _SHRINKING
    before = parameters.get("before") or ()
    twin.__dict__["dataset"] = with_lists(twin.dataset, lambda steps: moved(steps, shrinks, before))


def _resize_before_float(twin, name, parameters):
    before = parameters.get("before") or _TO_FLOAT
    twin.__dict__["dataset"] = with_lists(twin.dataset, lambda steps: moved(steps, _SHRINKING, before))


def moved(steps, shrinks, before):
    """Return a list of transforms with the first shrinking one that follows any of `before` (none named: anything)
    moved in front of it; None if there is none."""
    names = [type(step).__name__ for step in steps]
    for at, step in enumerate(names):
        ahead = [i for i, other in enumerate(names[:at]) if other not in shrinks and (not before or other in before)]
        if step in shrinks and ahead:
            return steps[: ahead[0]] + [steps[at]] + steps[ahead[0] : at] + steps[at + 1 :]
    return None


def with_lists(dataset, change, depth=4):
    """Return a copy of a data set whose lists of transforms are changed; copies only what leads to them."""
    result = _changed(dataset, change, depth)
    if result is None:
        raise Unsuitable("no list of transforms in the data set has a shrinking operation behind those to be moved")
    return result


def _changed(thing, change, depth):
    attributes = getattr(thing, "__dict__", None)
    if attributes is None or depth == 0 or isinstance(thing, type):
        return None
    steps = attributes.get("transforms")
    if isinstance(steps, list):
        new = change(list(steps))
        return None if new is None else _copy_with(thing, "transforms", new)
    for name, value in list(attributes.items()):
        if type(value).__module__ in ("builtins", "torch", "numpy"):
            continue
        inner = _changed(value, change, depth - 1)
        if inner is not None:
            return _copy_with(thing, name, inner)
    return None


def _copy_with(thing, name, value):
    twin = copy.copy(thing)
    twin.__dict__[name] = value
    # torchvision's VisionDataset keeps its transform a second time, in a StandardTransform.
    standard = twin.__dict__.get("transforms")
    if name == "transform" and hasattr(standard, "transform"):
        twin.__dict__["transforms"] = _copy_with(standard, "transform", value)
    return twin


def _cache_items(twin, name, parameters):
    from .remedy_data import Remembering

    iterable = getattr(sys.modules.get("torch.utils.data"), "IterableDataset", ())
    if isinstance(twin.dataset, iterable) or not hasattr(twin.dataset, "__getitem__"):
        raise Unsuitable("an iterable data set has no items to keep")
    twin.__dict__["dataset"] = Remembering(twin.dataset)


def _batched_fetch(twin, name, parameters):
    from . import remedy_data

    remedy_data.fetch_batched(twin)


def _collated(twin):
    if twin.batch_sampler is None:
        raise Unsuitable("the data set gives whole batches, nothing is collated")


def _packed(twin, name, parameters):
    from .remedy_data import Packing

    _collated(twin)
    twin.__dict__["collate_fn"] = Packing(twin.collate_fn, twin.pin_memory)


def _bytes(twin, name, parameters):
    from .remedy_data import Bytes

    _collated(twin)
    twin.__dict__["collate_fn"] = Bytes(twin.collate_fn, twin.pin_memory)


_REMEDIES = {
    "scaled-decode": _decoding,
    "faster-decoder": _decoding,
    "single-threaded-workers": _workers_only,
    "shrink-first": _shrink_first,
    "resize-before-float": _resize_before_float,
    "cache-items": _cache_items,
    "batched-fetch": _batched_fetch,
    "packed-batches": _packed,
    "uint8-batches": _bytes,
}


def opened(batch):
    """Return a batch as the user's loop expects it: unpacked if a remedy packed it for the way."""
    data = sys.modules.get(__package__ + ".remedy_data")
    return batch if data is None else data.opened(batch)
