"""Does a remedy change what the loop gets? The same samples made both ways, under the same seeds, compared."""

from __future__ import annotations

import random
import sys

from ..process import TYPE_CHECKING
from . import remedies, remedy_batches, remedy_decoding
from .remedy_data import Remembering, Rows

if TYPE_CHECKING:
    from typing import Any

    # Flat float tensors: the numbers of a batch.
    Leaves = list[Any]

_SAMPLES = 16
# Added to the seeds of the samples that show whether they are random.
_OTHER_SEED = 1000


def compare(before: Any, after: Any) -> dict[str, Any]:
    """Return what a clone's samples differ by: {"samples", "random", "max", "mean", "scale", "note"}.

    `before` and `after` are clones. `random`: the unchanged samples differ under another seed, so that only the
    distribution can be compared when the draws do not line up. Raises what the data set raises.
    """
    indices = _indices(before.dataset)
    if not indices:
        return {"samples": 0, "note": "not compared: the data set has no items to ask for"}
    state = _state()
    try:
        plain = _made(before, indices, 0)
        changed = _made(after, indices, 0)
        other = _made(before, indices, _OTHER_SEED)
    finally:
        _restore(state)
    result = difference(plain, changed)
    result["samples"] = len(indices)
    result["random"] = difference(plain, other).get("max") != 0.0
    result["means"] = [_mean(plain), _mean(changed)]
    result["about"] = _about(after)
    return result


def _mean(leaves: Leaves) -> float | None:
    count = sum(len(leaf) for leaf in leaves)
    return sum(float(leaf.sum()) for leaf in leaves) / count if count else None


def _about(clone: Any) -> str | None:
    """Return what else matters about a remedy: the memory that items take, the decoder that was found fastest."""
    dataset = clone.dataset
    if any(name == "faster-decoder" for name, _ in remedies.of(clone)):
        return remedy_decoding.chosen()
    if isinstance(dataset, Remembering):
        size = _size(len(dataset) * dataset.item_bytes())
        return f"all {len(dataset)} items take about {size} in each process that keeps them"
    return None


def _size(count: float) -> str:
    """Return a number of bytes to two digits: 47 MB, 5.2 GB."""
    unit = next((unit for unit, least in (("GB", 1e9), ("MB", 1e6)) if count >= least), "kB")
    value = count / {"GB": 1e9, "MB": 1e6, "kB": 1e3}[unit]
    return f"{value:.2g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def _indices(dataset: Any) -> list[int]:
    try:
        length = len(dataset) if hasattr(dataset, "__getitem__") else 0
    except Exception:
        return []
    return [i * length // min(length, _SAMPLES) for i in range(min(length, _SAMPLES))]


def _made(clone: Any, indices: list[int], first_seed: int) -> Leaves:
    """Return the numbers of the collated batch of the samples, each made under a seed of its own."""
    with remedies.acting(clone):
        return numbers(remedy_batches.opened(_batch(clone, indices, first_seed)))


def _batch(clone: Any, indices: list[int], first_seed: int) -> Any:
    dataset = clone.dataset
    if isinstance(dataset, Rows):
        return clone.collate_fn(dataset.__getitems__(indices))
    if isinstance(dataset, Remembering):
        dataset = dataset.dataset  # every item is its own when all are kept
    samples = []
    for index in indices:
        seed(first_seed + index)
        samples.append(dataset[index])
    return clone.collate_fn(samples)


def numbers(batch: Any) -> Leaves:
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


def difference(left: Leaves, right: Leaves) -> dict[str, Any]:
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


def seed(number: int) -> None:
    """Seed this process's generators: Python's, torch's, NumPy's."""
    random.seed(number)
    sys.modules["torch"].manual_seed(number)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(number)


def _state() -> tuple[Any, Any, Any]:
    numpy = sys.modules.get("numpy")
    return random.getstate(), sys.modules["torch"].get_rng_state(), numpy and numpy.random.get_state()


def _restore(state: tuple[Any, Any, Any]) -> None:
    random.setstate(state[0])
    sys.modules["torch"].set_rng_state(state[1])
    if state[2]:
        sys.modules["numpy"].random.set_state(state[2])
