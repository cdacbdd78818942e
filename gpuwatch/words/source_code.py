"""Whose code a file holds, by its path: the user's, an installed package's, the standard library's or gpuwatch's own.

One set of tables for the hook, which carries a copy (Python 3.8, standard library only) and adds what only a running
process knows, for the sampler and for the analysis. Paths are of the machine that recorded: `/` or `\\` in them.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

# The package in whose copy or installation this file is.
OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_OWN = re.compile(r"[/\\](?:_gpuwatch|gpuwatch[/\\]hook)[/\\]")
_INSTALLED = re.compile(r"[/\\](?:site-packages|dist-packages)[/\\](?P<package>[^/\\]+)")
_STANDARD = re.compile(r"[/\\]lib(?:64)?[/\\]python\d[^/\\]*[/\\](?P<package>[^/\\]+)")
# Frameworks that run the training loop and make loaders, by the name of their modules: one that was built from a
# checkout may be anywhere.
_FRAMEWORKS = frozenset(
    "torch torchdata lightning pytorch_lightning lightning_fabric accelerate transformers ignite fastai".split()
)
# What IPython and ipykernel call the text of a cell: no file of that name exists.
_CELL = re.compile(r"^<ipython-input-(?P<number>\d+)-|[/\\]ipykernel_\d+[/\\]\d+\.py$|[/\\]ipython-input-[\d-]+\.py$")
# torch's DataLoader, and torchdata's.
_LOADER = re.compile(r"torch[/\\]utils[/\\]data[/\\]|torchdata[/\\]stateful_dataloader[/\\]")
_FETCHER = re.compile(r"torch[/\\]utils[/\\]data[/\\]_utils[/\\]")
_ITERATORS = ("torch/utils/data/dataloader.py", "torchdata/stateful_dataloader/stateful_dataloader.py")
_IMPORTING = frozenset(("_find_and_load", "_find_and_load_unlocked", "_load_unlocked", "exec_module"))

# Where Python waits for another thread or process, by the end of the file's path; and in which functions of it a thread
# has nothing to do meanwhile.
_WAITS = {
    "threading.py": ("wait", "_wait_for_tstate_lock"),
    "queue.py": ("get",),
    "selectors.py": ("select",),
    "multiprocessing/connection.py": ("_poll", "wait", "_recv"),
    "multiprocessing/queues.py": ("get",),
    "multiprocessing/synchronize.py": (),
    "concurrent/futures/_base.py": (),
    "concurrent/futures/thread.py": (),
    "asyncio/base_events.py": (),
}
_IDLE = {**_WAITS, "multiprocessing/popen_fork.py": ("poll",), "socket.py": ("accept",)}
_SHARED_LOCKS = ("multiprocessing/synchronize.py", "filelock/_unix.py", "filelock/_api.py")


def is_own(file: str) -> bool:
    """Say whether a file is the hook's, in a run folder or where gpuwatch is installed."""
    return bool(_OWN.search(file))


def is_installed(file: str) -> bool:
    """Say whether a file belongs to an installed package, other than the standard library."""
    return bool(_INSTALLED.search(file))


def is_cell(file: str) -> bool:
    """Say whether a code object's file is a notebook's cell."""
    return bool(_CELL.search(file))


@lru_cache(maxsize=65536)
def is_library(file: str) -> bool:
    """Say whether a file is an installed package's, the standard library's, ours, or no file at all (<frozen …>)."""
    return file.startswith("<") or is_installed(file) or bool(_STANDARD.search(file)) or is_own(file)


def is_framework(module: object) -> bool:
    """Say whether a module, by its name, belongs to a framework that runs trainings."""
    return str(module).partition(".")[0] in _FRAMEWORKS


def is_loader(file: str) -> bool:
    """Say whether a file belongs to torch's loader, or torchdata's."""
    return bool(_LOADER.search(file))


def is_fetcher(file: str) -> bool:
    """Say whether a file belongs to what the loader runs in its workers."""
    return bool(_FETCHER.search(file))


def is_iterator(file: str) -> bool:
    """Say whether a file defines the iterators that a training loop asks for its batches."""
    return file.endswith(_ITERATORS)


def is_importing(file: str, function: str) -> bool:
    """Say whether a frame belongs to an import under way."""
    return function in _IMPORTING and file.startswith("<frozen importlib")


def hands_over(file: str) -> bool:
    """Say whether innermost code in this file waits for a lock, a queue or a pipe."""
    return _slashed(file).endswith(tuple(_WAITS))


def locks_processes(file: str) -> bool:
    """Say whether innermost code in this file waits for a lock that processes share."""
    return _slashed(file).endswith(_SHARED_LOCKS)


def is_idle(file: str, function: str) -> bool:
    """Say whether a thread that is in this function waits to be given work."""
    return any(function in functions and file.endswith(end) for end, functions in _IDLE.items())


def package_of(file: str) -> str:
    """Return the package that a library's file belongs to: `PIL` for …/site-packages/PIL/Image.py."""
    found = _INSTALLED.search(file) or _STANDARD.search(file)
    name = found["package"] if found else _slashed(file).rpartition("/")[2]
    return name[:-3] if name.endswith(".py") else name


def _slashed(file: str) -> str:
    return file.replace("\\", "/")
