"""Does a change of the step change the training? The same batches from the same state, with and without it: their losses.

The losses are those that the loop calls `backward` of. Weights, buffers, optimizers and generators are put back after each
pass, so that both begin alike and the windows that follow go on from there.
"""

from __future__ import annotations

import sys

from ..process import TYPE_CHECKING
from . import batches, step_remedies
from .outputs import seed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .orders import Order

_BATCHES = 4
_PASSES, _CHANGED = 3, 1
_OTHER_SEED = 1000


class Losses:
    """Feeds some batches three times from the same state: as it is, with the change, and as it is with other random draws."""

    def __init__(self, order: Order, cache: list[Any], switches: step_remedies.Switches) -> None:
        self.order = order
        self.variant: str = order["arm"]
        self.kind: str = order["kind"]
        self.batches = cache[:_BATCHES]
        self.switches = switches
        self.given = 0
        self.losses: list[float] = []
        self.state = State()
        self.unhook = _hear(self.losses)

    def is_over(self) -> bool:
        """Say, when the next batch is requested, whether all were given."""
        return self.given == _PASSES * len(self.batches)

    def batch(self) -> Any:
        """Return the next batch."""
        passed, at = divmod(self.given, len(self.batches))
        if not at:
            self._begin(passed)
        self.given += 1
        return batches.fresh(self.batches[at])

    def _begin(self, passed: int) -> None:
        self.switches.rest()
        if passed:
            self.state.restore()
        if passed == _CHANGED:
            self.switches.use(self.order["remedies"])
        seed(_OTHER_SEED if passed > _CHANGED else 0)

    def end(self) -> dict[str, Any]:
        """Put everything back, and return what the losses differ by."""
        self.unhook()
        self.switches.rest()
        self.state.restore()
        return difference(self.losses)


def difference(losses: list[float]) -> dict[str, Any]:
    """Return what the losses of the changed pass differ by from those of the first: {"max", "mean", "scale", "losses"};
    `draws`: the largest difference of the pass with other draws, zero where the step draws nothing."""
    count = len(losses) // _PASSES
    if not count or len(losses) % _PASSES:
        return {"note": "losses not compared: the loop calls backward of none, or not alike for each batch"}
    plain, changed, other = losses[:count], losses[count : 2 * count], losses[2 * count :]
    gaps = [abs(one - two) for one, two in zip(plain, changed)]
    draws = [abs(one - two) for one, two in zip(plain, other)]
    scale = max(abs(one) for one in plain)
    return {"max": max(gaps), "mean": sum(gaps) / count, "scale": scale, "losses": count, "draws": max(draws)}


def _hear(losses: list[float]) -> Callable[[], None]:
    """Note every loss that is derived; return what ends that."""
    tensor = sys.modules["torch"].Tensor
    original = tensor.backward

    def backward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.numel() == 1:
            losses.append(float(self.detach()))
        return original(self, *args, **kwargs)

    tensor.backward = backward

    def unhook() -> None:
        tensor.backward = original

    return unhook


class State:
    """What a step changes: weights, buffers, what optimizers and torch's generators hold."""

    def __init__(self) -> None:
        torch = sys.modules["torch"]
        self.optimizers = step_remedies.optimizers()
        kept = [p for optimizer in self.optimizers for group in optimizer.param_groups for p in group["params"]]
        kept += _tensors_of_modules()
        self.tensors = [(each, each.detach().clone()) for each in {id(each): each for each in kept}.values()]
        self.states = [(o, {key: _copied(value) for key, value in o.state.items()}) for o in self.optimizers]
        self.groups = [(group, dict(group)) for optimizer in self.optimizers for group in optimizer.param_groups]
        self.random = torch.get_rng_state()

    def restore(self) -> None:
        """Put everything back."""
        torch = sys.modules["torch"]
        with torch.no_grad():
            for tensor, value in self.tensors:
                tensor.data.copy_(value)
        for optimizer, state in self.states:
            optimizer.state.clear()
            optimizer.state.update({key: _copied(value) for key, value in state.items()})
        for group, values in self.groups:
            group.update(values)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        torch.set_rng_state(self.random)


def _tensors_of_modules() -> list[Any]:
    modules = step_remedies.of_kind(sys.modules["torch.nn"].Module)
    held = [vars(module).get(name) or {} for module in modules for name in ("_parameters", "_buffers")]
    return [each for tensors in held for each in tensors.values() if each is not None]


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return value.clone() if hasattr(value, "clone") else value
