"""The optimizer step: torch's own by its global hooks, other libraries' by their method. Modules are never hooked.

Only what torch.compile may trace is in this file: in a compiled step both hooks are nothing at all, so that the graph
stays what it was, and the optimizer's time is part of the step's other time.
"""

from __future__ import annotations

import functools
import sys

from ..process_state import reading
from ..step_mode import mode
from . import large_tables, loop_without_loader
from .activity import threads
from .callbacks import next_step
from .large_tables import looks as tables
from .step_sampling import sampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _ask_torch() -> bool:
    answer: bool = sys.modules["torch"].compiler.is_dynamo_compiling()
    return answer


# Torch's own function, which a trace takes for a constant, once torch is imported: `entry/compiling` puts it here.
is_compiling: Callable[[], bool] = _ask_torch


# The class of a library's own optimizers, and its method that updates the weights.
_METHODS = {
    "fastai.optimizer": ("Optimizer", "step"),
    "keras.src.backend.torch.optimizers.torch_optimizer": ("TorchOptimizer", "apply"),
}


def on_import(name: str, module: Any) -> None:
    """Place the hooks in `torch.optim.optimizer`, or wrap the method of a library's own optimizers."""
    if name in _METHODS:
        cls, method = _METHODS[name]
        owner = getattr(module, cls)
        setattr(owner, method, _accounted(getattr(owner, method)))
    else:
        module.register_optimizer_step_pre_hook(step_begins)
        module.register_optimizer_step_post_hook(step_ends)


def _accounted(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return an optimizer's method with its beginning and its end accounted for; traced, it is the method alone."""

    @functools.wraps(original)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        step_begins(self, args, kwargs)
        result = original(self, *args, **kwargs)
        step_ends(self, args, kwargs)
        return result

    return step


def step_begins(optimizer: Any, args: Any, kwargs: Any) -> None:
    """Account for the beginning of an optimizer step."""
    if not is_compiling() and not mode.timestamps_only:
        if tables.pending:
            large_tables.count(optimizer)
        if next_step.calls:
            next_step.make()
        threads.activity.optimizer_begins()


def step_ends(optimizer: Any, args: Any, kwargs: Any) -> None:
    """Account for the end of an optimizer step."""
    if not is_compiling() and not (mode.timestamps_only and sampling.loaders_only):
        account = threads.activity
        if not mode.timestamps_only:
            account.optimizer_ends()
            if reading.schedule.in_optimizer:
                reading.read_in_optimizer(optimizer)
        account.steps_without_loader += 1
        if account.steps_without_loader > 0:
            loop_without_loader.step_ended(account)
