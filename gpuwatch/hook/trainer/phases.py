"""The optimizer step, told by torch's own global hooks for it. Modules are never hooked.

Only what torch.compile may trace lives here: in a compiled step both hooks are nothing at all, so that the graph
stays what it was, and the optimizer's time is part of the step's other time.
"""

import sys

from . import activity, loop_without_loader
from .step_sampling import pace

_THREADS = activity._THREADS
torch = None


def _is_compiling():
    return torch.compiler.is_dynamo_compiling()


def on_import(name, module):
    """Place the hooks in `torch.optim.optimizer`."""
    global torch
    torch = sys.modules["torch"]
    module.register_optimizer_step_pre_hook(step_begins)
    module.register_optimizer_step_post_hook(step_ends)


def torch_is_there():
    """Ask torch itself from here on whether a step is being compiled: while it is imported it cannot tell."""
    global _is_compiling
    _is_compiling = torch.compiler.is_dynamo_compiling


def step_begins(optimizer, args, kwargs):
    """Tell the thread's account that an optimizer step begins."""
    if not _is_compiling() and not pace.light:
        _THREADS.activity.optimizer_begins()


def step_ends(optimizer, args, kwargs):
    """Tell the thread's account that an optimizer step has ended."""
    if not _is_compiling() and not (pace.light and pace.loaded):
        account = _THREADS.activity
        if not pace.light:
            account.optimizer_ends()
        account.loose += 1
        if account.loose > 0:
            loop_without_loader.step_ended(account)
