"""The backward pass: `torch.autograd.backward`, which `Tensor.backward` calls by attribute, so one place sees both."""

import functools

from . import activity, step_sampling

_PACE = step_sampling.pace


def on_import(name, module, threads=activity._THREADS):
    """Time every call of `torch.autograd.backward` in the calling thread's account."""
    original = module.backward

    @functools.wraps(original)
    def backward(*args, **kwargs):
        if _PACE.light:
            return original(*args, **kwargs)
        account = threads.activity
        account.backward_begins()
        try:
            return original(*args, **kwargs)
        finally:
            account.backward_ends()

    def stand_aside():
        """Leave torch's own function in its place while steps are only timed; what somebody else put there stays."""
        light = None
        while light is not _PACE.light:  # another thread may change it meanwhile
            light = _PACE.light
            here, gone = (original, backward) if light else (backward, original)
            if module.backward is gone:
                module.backward = here

    module.backward = backward
    step_sampling.followers.append(stand_aside)
