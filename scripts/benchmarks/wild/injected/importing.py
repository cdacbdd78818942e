"""Do something right after a module was executed: the stamps of torch's loader, and a project's own patch."""

import importlib.util
import os
import sys

LOADER = "torch.utils.data.dataloader"


class Finder:
    """Finds the wanted modules as everybody does, and calls what waits for each once it has been executed."""

    def __init__(self):
        self.waiting = {}
        self.asking = set()

    def after(self, name, then):
        """Call `then(module)` once the module has been executed, at once where it has been already."""
        if name in sys.modules:
            then(sys.modules[name])
        else:
            self.waiting.setdefault(name, []).append(then)

    def find_spec(self, name, path=None, target=None):
        if name not in self.waiting or name in self.asking:
            return None
        self.asking.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.asking.discard(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            # Not before: libraries look for torch without importing it.
            for then in self.waiting.pop(name, ()):
                then(module)

        spec.loader.exec_module = exec_module
        return spec


def _stamp(module):
    # Under the name of torch's file: its lines belong to torch's loader for whoever samples stacks.
    file = os.path.join(os.path.dirname(__file__), "stamping.py")
    with open(file, encoding="utf-8") as source:
        code = compile(source.read(), module.__file__, "exec")
    given = {"__name__": "wild_stamping", "after_import": _finder.after}
    exec(code, given)
    given["install"](module)


def _patch(module):
    file = os.environ["WILD_PATCH"]
    with open(file, encoding="utf-8") as source:
        code = compile(source.read(), file, "exec")
    exec(code, {"__name__": "wild_patch", "__file__": file, "after_import": _finder.after})


_finder = Finder()
sys.meta_path.insert(0, _finder)
_finder.after(LOADER, _stamp)
if os.environ.get("WILD_PATCH"):
    _finder.after("torch", _patch)
