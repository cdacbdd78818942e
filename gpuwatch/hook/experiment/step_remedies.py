"""Changes of the training step that an experiment can switch on for a window and off after it, in the trainer's process.

Each takes its parameters and returns what undoes it. What cannot be applied raises Unsuitable with the reason. The loader's
remedies are in `remedies.py`; an order may name both.
"""

from __future__ import annotations

import gc
import sys

from ..process import TYPE_CHECKING
from .active import Unsuitable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .active import Parameters

    Undo = Callable[[], None]
    Switch = Callable[[Parameters], Undo]

_IMAGES = 4


class Switches:
    """The step's changes that act now; `use` goes from those of one window to those of the next."""

    def __init__(self) -> None:
        self.undo: list[Undo] = []

    def use(self, wanted: Any) -> None:
        """Undo what acts, and let those named in an order act. Raises Unsuitable."""
        self.rest()
        # What is frozen is not found any more, so that freezing comes last.
        for name, parameters in sorted(wanted or (), key=lambda each: each[0] == "gc-freeze"):
            if name in SWITCHES:
                self.undo.append(SWITCHES[name](parameters))

    def rest(self) -> None:
        """Undo what acts, the newest first."""
        while self.undo:
            self.undo.pop()()


def _trainer_threads(parameters: Parameters) -> Undo:
    torch = sys.modules["torch"]
    before, wanted = torch.get_num_threads(), int(parameters["threads"])
    if before == wanted:
        raise Unsuitable(f"the trainer computes with {wanted} threads already")
    torch.set_num_threads(wanted)
    return lambda: torch.set_num_threads(before)


def _gc_freeze(_parameters: Parameters) -> Undo:
    gc.collect()
    gc.freeze()
    return gc.unfreeze


def _foreach(_parameters: Parameters) -> Undo:
    return _with_option("foreach", "fused")


def _fused(_parameters: Parameters) -> Undo:
    return _with_option("fused", "foreach")


def _with_option(name: str, other: str) -> Undo:
    """Switch an implementation of the optimizers' step on, and the other one off."""
    groups = [group for optimizer in optimizers() for group in optimizer.param_groups if name in group]
    if not groups:
        raise Unsuitable(f"no optimizer of this training has a {name} step")
    if all(group[name] for group in groups):
        raise Unsuitable(f"its optimizers' step is {name} already")
    before = [(group, group[name], group.get(other)) for group in groups]
    if name == "fused":
        _steps_to_devices()
    for group in groups:
        group[name] = True
        if other in group:
            group[other] = False

    def undo() -> None:
        for group, value, others in before:
            group[name] = value
            if other in group:
                group[other] = others

    return undo


def _steps_to_devices() -> None:
    """Have the optimizers count their steps where the parameters are, as a fused step wants it; any other takes it too."""
    for optimizer in optimizers():
        for parameter, state in optimizer.state.items():
            step: Any = state.get("step") if isinstance(state, dict) else None
            if hasattr(step, "to"):
                state["step"] = step.to(parameter.device)


def _zero_to_none(_parameters: Parameters) -> Undo:
    """Have gradients dropped where the training fills them with zeros."""
    classes = [sys.modules["torch.optim.optimizer"].Optimizer, sys.modules["torch.nn"].Module]
    before = [(cls, cls.zero_grad) for cls in classes]
    for cls, original in before:
        cls.zero_grad = _dropping(original)

    def undo() -> None:
        for cls, original in before:
            cls.zero_grad = original

    return undo


def _dropping(original: Callable[..., None]) -> Callable[..., None]:
    def zero_grad(self: Any, set_to_none: bool = True) -> None:
        original(self, set_to_none=True)

    return zero_grad


def _channels_last(_parameters: Parameters) -> Undo:
    torch = sys.modules["torch"]
    weights = [p for p in _parameters_of_step() if p.dim() == _IMAGES and p.is_contiguous()]
    if not weights:
        raise Unsuitable("the model has no convolution over images whose weights are channels first")
    _lay_out(weights, torch.channels_last)
    return lambda: _lay_out(weights, torch.contiguous_format)


def _lay_out(weights: list[Any], form: Any) -> None:
    for weight in weights:
        weight.data = weight.data.contiguous(memory_format=form)
        if weight.grad is not None:
            weight.grad = weight.grad.contiguous(memory_format=form)


def _parameters_of_step() -> Iterator[Any]:
    return (p for optimizer in optimizers() for group in optimizer.param_groups for p in group["params"])


def _non_blocking(_parameters: Parameters) -> Undo:
    """Have copies to the device not wait for themselves; only of pinned memory, to which `pin_memory` belongs."""
    torch = sys.modules["torch"]
    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        raise Unsuitable("the training uses no GPU: there are no copies to wait for")
    before = {name: vars(torch.Tensor).get(name) for name in ("to", "cuda")}
    for name in before:
        setattr(torch.Tensor, name, _not_waiting(getattr(torch.Tensor, name)))

    def undo() -> None:
        for name, original in before.items():
            delattr(torch.Tensor, name)  # what it inherits
            if original is not None:
                setattr(torch.Tensor, name, original)

    return undo


def _not_waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    def copied(self: Any, *args: Any, **kwargs: Any) -> Any:
        says_itself = "non_blocking" in kwargs or any(argument is True or argument is False for argument in args)
        if not self.is_cuda and not says_itself and self.is_pinned():
            kwargs["non_blocking"] = True
        return original(self, *args, **kwargs)

    return copied


def optimizers() -> list[Any]:
    """Return the optimizers of this process."""
    module = sys.modules.get("torch.optim.optimizer")
    kind = getattr(module, "Optimizer", None)
    return [] if kind is None else of_kind(kind)


def of_kind(kind: type) -> list[Any]:
    """Return the objects of a class and of those derived from it; `__class__`, which may run code, is not asked."""
    return [thing for thing in gc.get_objects() if issubclass(type(thing), kind)]


SWITCHES: dict[str, Switch] = {
    "trainer-threads": _trainer_threads,
    "gc-freeze": _gc_freeze,
    "foreach-optimizer": _foreach,
    "fused-optimizer": _fused,
    "zero-grad-to-none": _zero_to_none,
    "channels-last": _channels_last,
    "non-blocking-copies": _non_blocking,
}
