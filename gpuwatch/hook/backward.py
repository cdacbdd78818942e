"""The backward pass: `torch.autograd.backward`, which `Tensor.backward` calls by attribute, so one place sees both."""

import functools

from . import activity
from .pace import pace


def on_import(name, module, threads=activity._THREADS):
    """Time every call of `torch.autograd.backward` in the calling thread's account."""
    original = module.backward

    @functools.wraps(original)
    def backward(*args, **kwargs):
        if pace.light:
            return original(*args, **kwargs)
        account = threads.activity
        account.backward_begins()
        try:
            return original(*args, **kwargs)
        finally:
            account.backward_ends()

    module.backward = backward
