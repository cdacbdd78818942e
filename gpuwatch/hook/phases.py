"""Backward and optimizer step, told by torch's own global optimizer hooks and `torch.autograd.backward`.

`Tensor.backward` calls the latter by attribute, so one place sees both. Modules are never hooked: that breaks
torch.compile and costs far more.
"""

import functools

from . import activity


def on_import(name, module):
    """Place the hooks in `torch.autograd` or `torch.optim.optimizer`."""
    if name == "torch.autograd":
        _watch_backward(module)
    else:
        module.register_optimizer_step_pre_hook(_step_begins)
        module.register_optimizer_step_post_hook(_step_ends)


def _watch_backward(module, threads=activity._THREADS):
    original = module.backward

    @functools.wraps(original)
    def backward(*args, **kwargs):
        account = threads.activity
        account.backward_begins()
        try:
            return original(*args, **kwargs)
        finally:
            account.backward_ends()

    module.backward = backward


def _step_begins(optimizer, args, kwargs, threads=activity._THREADS):
    threads.activity.optimizer_begins()


def _step_ends(optimizer, args, kwargs, threads=activity._THREADS):
    threads.activity.optimizer_ends()
