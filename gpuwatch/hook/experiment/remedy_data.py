"""Remedies of data set and batch: items kept in memory, batched indexing, packed batches, bytes instead of floats.

The classes go to workers by pickle under spawn; they name only this package, which every process of a run has.
"""

from . import remedies

_KEPT = 64
_SMALLEST_IMAGE = 3


class Remembering:
    """A data set as if every item were in memory: a few items are made once and given for all indices."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.kept = {}

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        slot = index % _KEPT if isinstance(index, int) else index
        if slot not in self.kept:
            self.kept[slot] = self.dataset[slot]
        return self.kept[slot]

    def item_bytes(self):
        """Return what one item takes when it is kept, by its pickle."""
        import pickle

        return len(pickle.dumps(self.dataset[0], pickle.HIGHEST_PROTOCOL))

    def __getattr__(self, name):
        if name in ("dataset", "kept", "__getitems__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)


class Rows:
    """A TensorDataset (or a part of one) whose rows come by one indexing call per batch."""

    def __init__(self, tensors, indices):
        self.tensors = tensors
        self.indices = indices

    def __len__(self):
        return len(self.tensors[0]) if self.indices is None else len(self.indices)

    def __getitem__(self, index):
        return self.__getitems__([index])

    def __getitems__(self, indices):
        chosen = indices if self.indices is None else [self.indices[i] for i in indices]
        return [tensor[chosen] for tensor in self.tensors]


def fetch_batched(twin):
    """Make a twin index whole batches. Raises Unsuitable for anything but tensors in memory."""
    dataset, indices = twin.dataset, None
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        dataset, indices = dataset.dataset, list(dataset.indices)
    tensors = getattr(dataset, "tensors", None)
    if not isinstance(tensors, tuple) or twin.batch_sampler is None:
        raise remedies.Unsuitable("not a TensorDataset with batches")
    twin.__dict__["dataset"] = Rows(tensors, indices)
    twin.__dict__["collate_fn"] = _as_it_is


def _as_it_is(batch):
    return batch


class Packing:
    """A collate function that lays all tensors of a batch into one per dtype."""

    def __init__(self, collate, pinned):
        self.collate = collate
        self.pinned = pinned

    def __call__(self, samples):
        import torch

        batch = self.collate(samples)
        groups, spec = {}, _spec(batch, torch.is_tensor)
        for tensor in _leaves(batch, torch.is_tensor):
            groups.setdefault(str(tensor.dtype), []).append(tensor)
        shapes = [(str(t.dtype), tuple(t.shape)) for t in _leaves(batch, torch.is_tensor)]
        flat = {key: torch.cat([t.reshape(-1) for t in tensors]) for key, tensors in groups.items()}
        return Packed(flat, shapes, spec)


class Packed:
    """A packed batch: one flat tensor per dtype, the shapes in order, and the containers with holes."""

    def __init__(self, flat, shapes, spec):
        self.flat = flat
        self.shapes = shapes
        self.spec = spec

    def pin_memory(self):
        self.flat = {key: tensor.pin_memory() for key, tensor in self.flat.items()}
        return self

    def open(self):
        """Return the batch as it was, its tensors views of the flat ones."""
        at, tensors = dict.fromkeys(self.flat, 0), []
        for key, shape in self.shapes:
            count = 1
            for side in shape:
                count *= side
            tensors.append(self.flat[key][at[key] : at[key] + count].view(shape))
            at[key] += count
        return _filled(self.spec, iter(tensors))


class Bytes(Packing):
    """A collate function that sends image-like floats as bytes, with their range to undo it."""

    def __call__(self, samples):
        import torch

        batch = self.collate(samples)
        return Quantised(_mapped(batch, _to_bytes, torch.is_tensor))


class Quantised:
    """A batch whose large float tensors are (bytes, low, step, dtype)."""

    def __init__(self, batch):
        self.batch = batch

    def pin_memory(self):
        return self

    def open(self):
        """Return the batch in floats again."""
        return _mapped(self.batch, _to_floats, lambda thing: isinstance(thing, Levels))


class Levels(tuple):
    """Bytes of a tensor, the lowest value, the step between levels and the dtype."""


def _to_bytes(tensor):
    import torch

    if not tensor.is_floating_point() or tensor.dim() < _SMALLEST_IMAGE:
        return tensor
    low, high = float(tensor.min()), float(tensor.max())
    step = (high - low) / 255 or 1.0
    return Levels((((tensor - low) / step).round_().to(torch.uint8), low, step, tensor.dtype))


def _to_floats(levels):
    values, low, step, dtype = levels
    return values.to(dtype).mul_(step).add_(low)


class _Hole:
    """Where a tensor stood."""


def _spec(batch, is_leaf):
    return _mapped(batch, lambda tensor: _Hole(), is_leaf)


def _filled(spec, tensors):
    return _mapped(spec, lambda hole: next(tensors), lambda thing: isinstance(thing, _Hole))


def _leaves(batch, is_leaf):
    found = []
    _mapped(batch, lambda tensor: found.append(tensor) or tensor, is_leaf)
    return found


def _mapped(thing, change, is_leaf):
    """Return nested containers with every leaf changed; other objects stay."""
    if is_leaf(thing):
        return change(thing)
    if isinstance(thing, dict):
        return type(thing)({key: _mapped(value, change, is_leaf) for key, value in thing.items()})
    if isinstance(thing, tuple) and hasattr(thing, "_fields"):
        return type(thing)(*(_mapped(value, change, is_leaf) for value in thing))
    if isinstance(thing, (list, tuple)):
        return type(thing)(_mapped(value, change, is_leaf) for value in thing)
    return thing


def opened(batch):
    """Return a batch as the loop expects it."""
    return batch.open() if isinstance(batch, (Packed, Quantised)) else batch
