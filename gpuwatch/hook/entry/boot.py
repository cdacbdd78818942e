"""Arms the hook in a Python that may import torch: a finder for a few exact module names, nothing else.

The finder leaves the genuine spec and loader in place and wraps `exec_module` of that one loader for one
execution. Everything here fails open: a hook that cannot be placed leaves the module as torch made it.
"""

import os
import sys

# Modules of the frameworks, and the modules of this package whose `on_import(name, module)` is called, in this
# order, once the former has been executed.
SEAMS = (
    ("torch.serialization", ("trainer.spans",)),
    ("torch.autograd", ("trainer.backward",)),
    ("torch.optim.optimizer", ("trainer.phases",)),
    (
        "torch.utils.data.dataloader",
        (
            "source_code.construction_sites",
            "trainer.loader",
            "worker_process.worker",
            "worker_process.fetch",
            "lines.in_process_sampler",
            "experiment.experiment_mode",
            "entry.ptrace",
            "lines.exact",
        ),
    ),
    (
        "torchdata.stateful_dataloader.stateful_dataloader",
        ("source_code.construction_sites", "trainer.loader", "worker_process.worker"),
    ),
    ("torch._dynamo.trace_rules", ("entry.compiling",)),
    ("safetensors.torch", ("trainer.spans",)),
)
_HOOK = __package__.rpartition(".")[0]
_WAITING = dict(SEAMS)
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))


class Finder:
    """Find the watched modules through the other finders, and have the hook told when they were executed."""

    def find_spec(self, name, path=None, target=None):
        """Return the spec that the next finder has for a watched name; None for every other name."""
        if name not in _WAITING:
            return None
        spec = self._others_spec(name, path, target)
        if spec is not None:
            _watch_loader(name, spec.loader)
        return spec

    def _others_spec(self, name, path, target):
        for finder in list(sys.meta_path):
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec = find_spec(name, path, target) if find_spec is not None else None
            if spec is not None:
                return spec
        return None

    def invalidate_caches(self):
        """Do nothing: importlib calls this on every finder."""


_FINDER = Finder()


def arm():
    """Hook what is imported already, and watch for the rest."""
    for name in list(_WAITING):
        if name in sys.modules:
            _imported(name, sys.modules[name])
    if _WAITING:
        sys.meta_path.insert(0, _FINDER)


def _watch_loader(name, loader):
    execute = getattr(loader, "exec_module", None)
    if execute is None or isinstance(loader, type):
        return

    def exec_module(module):
        execute(module)
        if getattr(module, "__name__", None) == name:
            loader.__dict__.pop("exec_module", None)
            _imported(name, module)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass


def _imported(name, module):
    hooks = _WAITING.pop(name, ())
    if not _WAITING and _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
    for hook in hooks:
        place(hook, name, module)


def place(hook, name, module):
    """Let one hook module patch `module`; on trouble say so in the spool and go on."""
    try:
        import importlib  # not above: it would be half of what an ordinary Python pays for us

        importlib.import_module(_HOOK + "." + hook).on_import(name, module)
    except Exception as trouble:
        if _DEBUG:
            raise
        _report(hook, name, trouble)


def _report(hook, name, trouble):
    try:
        from ..event_log import spool

        spool.meta("hook_error", "%s on %s: %s: %s" % (hook, name, type(trouble).__name__, trouble))
    except Exception:
        pass  # even the report could not be written: the training goes on without it
