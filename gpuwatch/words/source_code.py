"""Whose code a file holds, by its path: the user's, an installed package's, the standard library's or gpuwatch's own.

One set of tables for the hook, which carries a copy (Python 3.8, standard library only) and adds what only a running
process knows, for the sampler and for the analysis. Paths are of the machine that recorded: `/` or `\\` in them.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# A statement is quoted in a sentence up to so many characters: what it is, not all that it passes.
_QUOTED = 72
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
# Where frameworks keep the Python that they write or fetch: compiled graphs and kernels, the Hub's code of models.
_GENERATED = re.compile(
    r"[/\\](?:torchinductor_[^/\\]+|\.triton|torch_extensions|(?:transformers|datasets)_modules)[/\\]"
)
# A console script is a few lines that an installer writes into an environment's folder of programs: they import a
# function of the installed package, and exit with what it returns.
_PROGRAMS = re.compile(r"[/\\](?:bin|Scripts)[/\\][^/\\]+$")
_ENTRY = re.compile(
    r"^\s*from\s+(?!importlib\b|pkg_resources\b|re\b|sys\b)(?P<package>\w+)[\w.]*\s+import\b", re.MULTILINE
)
_LOADED_ENTRY = re.compile(r"load_entry_point\(\s*['\"](?P<package>[\w.-]+)")
_SCRIPT_LIMIT_BYTES = 4096
# Options of Python with a value of their own; and those after which comes the program, in the same word or the next.
_VALUED = ("-W", "-X", "--check-hash-based-pycs")
_PROGRAM_OPTION = re.compile(r"-[bBdEhiIOPqRsSuvVx]*(?P<kind>[mc])(?P<value>.*)", re.DOTALL)
# What IPython and ipykernel call the text of a cell: no file of that name exists.
# `cell [3]` is what the reader of a recording calls one whose number was recorded.
_CELL = re.compile(
    r"^cell \[(?P<cell>\d+)\]$|^<ipython-input-(?P<number>\d+)-|[/\\]ipykernel_\d+[/\\]\d+\.py$|[/\\]ipython-input-[\d-]+\.py$"
)
# Programs that run what the user gives them: a notebook, a script.
_RUNNERS = frozenset(
    "ipykernel ipykernel_launcher jupyter_core nbconvert papermill deepspeed horovod coverage pytest debugpy kernprof"
    " viztracer gpuwatch".split()
)
# torch's DataLoader, and torchdata's.
_LOADER = re.compile(r"torch[/\\]utils[/\\]data[/\\]|torchdata[/\\]stateful_dataloader[/\\]")
_FETCHER = re.compile(r"torch[/\\]utils[/\\]data[/\\]_utils[/\\]")
_ITERATORS = ("torch/utils/data/dataloader.py", "torchdata/stateful_dataloader/stateful_dataloader.py")
_IMPORTING = frozenset(("_find_and_load", "_find_and_load_unlocked", "_load_unlocked", "exec_module"))

# Where Python waits for another thread or process, by the end of the file's path; and in which functions of it a thread
# has nothing to do meanwhile.
_PROCESS_QUEUES = "multiprocessing/queues.py"
_WAITS = {
    "threading.py": ("wait", "_wait_for_tstate_lock"),
    "queue.py": ("get",),
    "selectors.py": ("select",),
    "multiprocessing/connection.py": ("_poll", "wait", "_recv"),
    _PROCESS_QUEUES: ("get",),
    "multiprocessing/synchronize.py": (),
    "concurrent/futures/_base.py": (),
    "concurrent/futures/thread.py": (),
    "asyncio/base_events.py": (),
}
_IDLE = {**_WAITS, "multiprocessing/popen_fork.py": ("poll",), "socket.py": ("accept",)}
_RUNS = ("run", "call", "check_call", "check_output", "getoutput", "getstatusoutput", "communicate")
# Where installed packages lie.
PACKAGES_FOLDER = "site-packages"
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


def cell_name(file: str) -> str | None:
    """Return what a person calls a notebook's cell, with its number where that is known; None for every other file."""
    found = _CELL.search(file)
    number = found and (found["cell"] or found["number"])
    return None if found is None else f"cell [{number}]" if number else "notebook cell"


@lru_cache(maxsize=65536)
def is_library(file: str) -> bool:
    """Say whether a file is no code of the user's: an installed package's or its console script, the standard library's,
    generated, ours, or no file at all (<frozen …>)."""
    if file.startswith("<"):
        return not is_cell(file) and file != "<stdin>"
    written = _STANDARD.search(file) or _GENERATED.search(file)
    return is_installed(file) or bool(written) or is_own(file) or is_console_script(file)


@lru_cache(maxsize=4096)
def is_console_script(file: str) -> bool:
    """Say whether a file is what an installer has written to start a package's program."""
    if not _PROGRAMS.search(file):
        return False
    text, (folder, _, name) = _script_text(file), _slashed(file).rpartition("/")
    if text is None:
        return not name.endswith(".py")
    # Installers also copy whole scripts there, and have them begin with the interpreter beside them.
    return bool(_entry(text)) or text.startswith(f"#!{folder}/python")


def _script_text(file: str) -> str | None:
    try:
        with open(file, encoding="utf-8", errors="replace") as script:
            return script.read(_SCRIPT_LIMIT_BYTES + 1)
    except OSError:
        return None  # it was another machine's


def _entry(text: str) -> str | None:
    """Return the package whose function a console script calls; None for any other text."""
    if len(text) > _SCRIPT_LIMIT_BYTES:
        return None
    loaded = _LOADED_ENTRY.search(text)
    if loaded:
        return loaded["package"].replace("-", "_").partition(".")[0]
    found = _ENTRY.search(text)
    return found["package"] if found and "sys.exit(" in text else None


def program_of(command: Sequence[str]) -> str | None:
    """Return the package that a Python, by its arguments, was started to run: that of a console script, or of `-m`.

    None for a script of the user's, and for what only starts one: a framework, a notebook's kernel."""
    words = list(command[1:])
    while words and words[0].startswith("-"):
        option = words.pop(0)
        started = _PROGRAM_OPTION.fullmatch(option)
        if started and not option.startswith(_VALUED):
            module = started["value"] or (words[0] if words else "")
            return _started(module.partition(".")[0]) if started["kind"] == "m" else None
        if option in _VALUED and words:
            words.pop(0)
    script = os.path.abspath(words[0]) if words else ""
    text = _script_text(script) if _PROGRAMS.search(script) else None
    return _started(_entry(text)) if text is not None else None


def _started(package: str | None) -> str | None:
    return None if not package or is_framework(package) or package in _RUNNERS else package


def is_of_program(file: str, program: str | None) -> bool:
    """Say whether a file belongs to the installed package that was started."""
    return program is not None and is_installed(file) and package_of(file) == program


# What a script calls of gpuwatch itself, and what calls it back: frames that are nobody's.
MARKS = "gpuwatch.marks"


def is_framework(module: object) -> bool:
    """Say whether a module, by its name, belongs to a framework that runs trainings."""
    return str(module).partition(".")[0] in _FRAMEWORKS


@lru_cache(maxsize=65536)
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


def runs_program(file: str, function: str) -> bool:
    """Say whether a function starts another program and waits until it ends: what it does is its caller's work."""
    return _slashed(file).endswith("/subprocess.py") and function.rpartition(".")[2] in _RUNS


def is_process_queue(file: str) -> bool:
    """Say whether this is the file of the queues between processes."""
    return _slashed(file).endswith(_PROCESS_QUEUES)


def locks_processes(file: str) -> bool:
    """Say whether innermost code in this file waits for a lock that processes share."""
    return _slashed(file).endswith(_SHARED_LOCKS)


def is_idle(file: str, function: str) -> bool:
    """Say whether a thread that is in this function waits to be given work."""
    return any(function in functions and file.endswith(end) for end, functions in _IDLE.items())


@lru_cache(maxsize=65536)
def package_of(file: str) -> str:
    """Return the package that a library's file belongs to: `PIL` for …/site-packages/PIL/Image.py."""
    found = _INSTALLED.search(file) or _STANDARD.search(file)
    name = found["package"] if found else _slashed(file).rpartition("/")[2]
    return name[:-3] if name.endswith(".py") else name


def excerpt(source: str) -> str:
    """Return a statement as a sentence quotes it: its beginning, where it is long."""
    one_line = " ".join(source.split())
    return one_line if len(one_line) <= _QUOTED else one_line[: _QUOTED - 1].rstrip() + "…"


def _slashed(file: str) -> str:
    return file.replace("\\", "/")
