"""The backward pass: `torch.autograd.backward`, which `Tensor.backward` calls by attribute, so one place sees both."""

from __future__ import annotations

import functools

from ..process_state import reading
from ..step_mode import mode
from .activity import threads
from .step_sampling import sampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def on_import(name: str, module: Any) -> None:
    """Time every call of `torch.autograd.backward` in the calling thread's account."""
    original = module.backward

    @functools.wraps(original)
    def backward(*args: Any, **kwargs: Any) -> Any:
        if mode.timestamps_only:
            return original(*args, **kwargs)
        account = threads.activity
        account.backward_begins()
        if reading.schedule.in_backward:
            reading.read_in_backward()
        try:
            return original(*args, **kwargs)
        finally:
            account.backward_ends()

    def suspend() -> None:
        """Have torch's own function in its place while steps leave timestamps only, and ours again after them.

        A function that somebody else put there stays.
        """
        timestamps_only = None
        while timestamps_only is not mode.timestamps_only:  # another thread may change it meanwhile
            timestamps_only = mode.timestamps_only
            wanted, replaced = (original, backward) if timestamps_only else (backward, original)
            if module.backward is replaced:
                module.backward = wanted

    module.backward = backward
    sampling.on_mode_change.append(suspend)
