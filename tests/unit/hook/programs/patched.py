"""Prints what of the modules that are imported is the hook's: in a fresh process, in a trainer, in its worker.

{"start": {place: [hook modules, outermost first]}, "trainer": {...}, "worker": {...},
"imported": [places that have the function of another such place, as `from ... import` leaves it]}
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path

import _gpuwatch

BOOT = str(Path(_gpuwatch.__file__).parent / "hook")
# What Python itself notes of every module.
CACHES = ("inspect", "linecache", "sys.path_importer_cache")
OURS = "_gpuwatch.hook."


def hook_modules(value):
    """Return the hook modules that a replacement goes through, from outside in; none for what is not ours."""
    chain = []
    while type(value) is types.FunctionType:
        if value.__code__.co_filename.startswith(BOOT):
            chain.append(".".join(Path(value.__code__.co_filename).relative_to(BOOT).with_suffix("").parts))
        value = value.__dict__.get("__wrapped__")
    kind = type(value).__module__
    if kind == "_gpuwatch":  # the copy of entry/boot.py
        return [*chain, "entry.boot"]
    return [*chain, kind[len(OURS) :]] if str(kind).startswith(OURS) else chain


def entries(value):
    """Return what a list or mapping of a module holds."""
    if isinstance(value, dict):
        return list(dict.values(value))  # not those that a lazy mapping would make now
    return list(value) if isinstance(value, list) else []


def named(entry):
    return ["by its path"] if isinstance(entry, str) and entry.startswith(BOOT) else []


def found():
    places = {}
    for name, module in list(sys.modules.items()):
        if name.startswith(("_gpuwatch", "sitecustomize", "__m")) or module is None:
            continue
        for attribute, value in list(vars(module).items()):
            if isinstance(value, type) and value.__module__ == name:
                for method, function in list(vars(value).items()):
                    places[f"{name}:{attribute}.{method}"] = hook_modules(function)
            elif not isinstance(value, type):
                places[f"{name}:{attribute}"] = hook_modules(value)
            added = [module for one in entries(value) for module in hook_modules(one) or named(one)]
            if added and name not in CACHES:
                places[f"{name}:{attribute}"] = added
    return {place: chain for place, chain in places.items() if chain}


class InWorker:
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return json.dumps(found())


def imported(places):
    """Return the places whose function is defined at another one."""
    at = {place: getattr(sys.modules[place.partition(":")[0]], place.partition(":")[2], None) for place in places}
    homes = {
        place: f"{value.__module__}:{value.__qualname__}"
        for place, value in at.items()
        if type(value) is types.FunctionType
    }
    return [place for place, home in homes.items() if home != place and home in places]


if __name__ == "__main__":
    load = "--no-loader" not in sys.argv
    start = found()
    for name in sys.argv[1:]:
        if not name.startswith("-"):
            importlib.import_module(name)
    if load:
        from torch.utils.data import DataLoader

        loader = iter(DataLoader(InWorker(), batch_size=None, num_workers=1, multiprocessing_context="fork"))
    trainer = found()
    worker = json.loads(next(loader)) if load else None
    print(json.dumps({"start": start, "trainer": trainer, "worker": worker, "imported": imported(trainer)}))
