"""Does a remedy change what the loop gets? The same samples made both ways, under the same seeds, compared."""

import random
import sys

from . import remedies

_SAMPLES = 16


def compare(before, after):
    """Return what a twin's samples differ by: {"samples", "random", "max", "mean", "scale", "note"}.

    `before` and `after` are twins. `random`: the unchanged samples differ under another seed, so that only the
    distribution can be compared when the draws do not line up. Raises what the data set raises.
    """
    indices = _indices(before.dataset)
    if not indices:
        return {"samples": 0, "note": "not compared: the data set has no items to ask for"}
    state = _state()
    try:
        plain = _made(before, indices, 0)
        changed = _made(after, indices, 0)
        other = _made(before, indices, 1000)
    finally:
        _restore(state)
    result = difference(plain, changed)
    result["samples"] = len(indices)
    result["random"] = difference(plain, other).get("max") != 0.0
    result["means"] = [_mean(plain), _mean(changed)]
    result["about"] = _about(after)
    return result


def _mean(leaves):
    count = sum(len(leaf) for leaf in leaves)
    return sum(float(leaf.sum()) for leaf in leaves) / count if count else None


def _about(twin):
    """Return what else is worth knowing of a remedy: the memory that items take, the decoder that was found fastest."""
    from . import remedy_data, remedy_decoding

    name = (twin.__dict__.get("_gpuwatch_remedy") or (None,))[0]
    if name == "faster-decoder":
        return remedy_decoding.chosen()
    if isinstance(twin.dataset, remedy_data.Remembering):
        whole = len(twin.dataset) * twin.dataset.item_bytes()
        return "all %d items take about %.3g MB in each process that keeps them" % (len(twin.dataset), whole / 1e6)
    return None


def _indices(dataset):
    try:
        length = len(dataset)
        dataset.__getitem__
    except Exception:
        return []
    return [i * length // min(length, _SAMPLES) for i in range(min(length, _SAMPLES))]


def _made(twin, indices, base):
    """Return the numbers of the collated batch of the samples, each made under a seed of its own."""
    name, parameters = twin.__dict__.get("_gpuwatch_remedy") or (None, None)
    if name:
        remedies.switch_on(name, parameters)
    try:
        return numbers(remedies.opened(_batch(twin, indices, base)))
    finally:
        if name:
            remedies.switch_off(name)


def _batch(twin, indices, base):
    from .remedy_data import Remembering, Rows

    dataset = twin.dataset
    if isinstance(dataset, Rows):
        return twin.collate_fn(dataset.__getitems__(indices))
    if isinstance(dataset, Remembering):
        dataset = dataset.dataset  # every item is its own when all are kept
    samples = []
    for i in indices:
        seed(base + i)
        samples.append(dataset[i])
    return twin.collate_fn(samples)


def numbers(batch):
    """Return the numeric leaves of a batch as flat float tensors, in order."""
    import torch

    if torch.is_tensor(batch):
        return [batch.detach().reshape(-1).double()] if batch.numel() else []
    if hasattr(batch, "dtype") and hasattr(batch, "reshape"):
        return numbers(torch.as_tensor(batch)) if batch.dtype.kind in "fiub" else []
    if isinstance(batch, dict) or hasattr(batch, "items"):
        return [leaf for _, value in sorted(batch.items(), key=str) for leaf in numbers(value)]
    if isinstance(batch, (list, tuple)):
        return [leaf for value in batch for leaf in numbers(value)]
    if isinstance(batch, (int, float)):
        return [torch.tensor([float(batch)], dtype=torch.double)]
    return []


def difference(left, right):
    """Return the largest and the mean absolute difference of two lists of flat tensors, and the values' scale."""
    if [len(leaf) for leaf in left] != [len(leaf) for leaf in right]:
        return {"note": "other shapes"}
    count = sum(len(leaf) for leaf in left)
    if not count:
        return {"note": "nothing numeric to compare"}
    gaps = [(a - b).abs() for a, b in zip(left, right)]
    return {
        "max": max(float(gap.max()) for gap in gaps),
        "mean": sum(float(gap.sum()) for gap in gaps) / count,
        "scale": max(float(leaf.abs().max()) for leaf in left),
    }


def seed(number):
    """Seed this process's generators: Python's, torch's, NumPy's."""
    random.seed(number)
    sys.modules["torch"].manual_seed(number)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(number)


def _state():
    numpy = sys.modules.get("numpy")
    return random.getstate(), sys.modules["torch"].get_rng_state(), numpy and numpy.random.get_state()


def _restore(state):
    random.setstate(state[0])
    sys.modules["torch"].set_rng_state(state[1])
    if state[2]:
        sys.modules["numpy"].random.set_state(state[2])
