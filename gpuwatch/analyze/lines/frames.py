"""Read a stack: what its process was doing, and which line of the user's own code it stood on.

A stack is a list of [function, file, line], the leaf last.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from gpuwatch.words.source_code import (
    is_fetcher,
    is_importing,
    is_installed,
    is_library,
    is_loader,
    is_of_program,
    is_own,
    package_of,
)

Activity = Literal["fetch", "collate", "serialise", "idle", "wait", "startup", "step", "shutdown"]

_NO_NAME = re.compile("[\x00-\x1f\x7f\ufffd]")
_QUEUE_FUNCTIONS = {"_try_get_data", "_get_data", "_next_data"}
# torch's own method that takes the next indices from a sampler.
ASKING = "_next_index"
_SAMPLING = {"__getitem__", "__getitems__", "__next__", "__iter__", "<listcomp>", "<genexpr>"}
_COLLATES = "collate_fn("
_LEAVING = {"_exitfunc", "_run_exitfuncs", "_shutdown", "_exit_function"}


class Frame(NamedTuple):
    """One frame of a stack."""

    function: str
    file: str
    line: int

    @property
    def name(self) -> str:
        """The function without its class."""
        return self.function.rpartition(".")[2]

    @property
    def is_torch_data(self) -> bool:
        """Whether it belongs to torch's (or torchdata's) loader."""
        return is_loader(self.file)


def read_frames(recorded: Any) -> tuple[Frame, ...]:
    """Return a stack's frames without our own; empty for a row that is not one.

    py-spy does not stop what it looks at: of a stack that changed meanwhile it may read what never was a name. The first
    instruction of a module has line 0, which is before the file's first."""
    if not isinstance(recorded, list):
        return ()
    frames = [
        Frame(str(f[0]), str(f[1]), max(int(f[2] or 1), 1)) for f in recorded if isinstance(f, list) and len(f) >= 3
    ]
    if any(_NO_NAME.search(frame.function + frame.file) for frame in frames):
        return ()
    return tuple(frame for frame in frames if not is_own(frame.file))


def activity_of(frames: tuple[Frame, ...]) -> Activity:
    """Return what a process was doing, from the loader's frames in its stack."""
    functions = {frame.name for frame in frames if frame.is_torch_data}
    feeder = _feeder(frames)
    if feeder is not None:
        # In the feeder's own frame a thread waits for a lock; what it does for a batch is in the frames it calls.
        return "serialise" if len(frames) > feeder + 1 and frames[feeder + 1].name != "wait" else "idle"
    if "fetch" in functions:
        return "collate" if _collating(frames) else "fetch"
    if "_worker_loop" in functions or "_pin_memory_loop" in functions:
        return "idle"
    if "__next__" in functions or functions & _QUEUE_FUNCTIONS:
        return "step" if _asks_sampler(frames) else "wait"
    if "_shutdown_workers" in functions or any(f.name in _LEAVING and is_library(f.file) for f in frames):
        return "shutdown"
    return "startup" if "__iter__" in functions or "_get_iterator" in functions else "step"


def _asks_sampler(frames: tuple[Frame, ...]) -> bool:
    """Say whether the trainer runs the user's own sampler: a loader asks it for the next indices in the trainer, between
    two steps, and no worker helps with that."""
    at = next((i for i, frame in enumerate(frames) if frame.name == ASKING and frame.is_torch_data), None)
    return at is not None and any(not is_library(frame.file) for frame in frames[at + 1 :])


def _feeder(frames: tuple[Frame, ...]) -> int | None:
    """Return where a queue's feeder thread has its loop; None in every other thread."""
    return next((i for i, frame in enumerate(frames[:6]) if frame.name == "_feed"), None)


def _collating(frames: tuple[Frame, ...]) -> bool:
    """Say whether a fetch had its samples already: it is at its call of the collate function, or what it called is named
    unlike any way to get a sample. A generator may have any name."""
    at = max(i for i, frame in enumerate(frames) if frame.is_torch_data and frame.name == "fetch")
    line = linecache.getline(frames[at].file, frames[at].line)
    if "dataset" in line or _COLLATES in line:
        return _COLLATES in line
    return at + 1 < len(frames) and frames[at + 1].name not in _SAMPLING


def imports(below: tuple[Frame, ...]) -> bool:
    """Say whether what a line called is an import at work, the line's own or a library's."""
    return any(is_importing(frame.file, frame.name) for frame in below)


def own_line(frames: tuple[Frame, ...], program: str | None = None) -> tuple[Frame, tuple[Frame, ...]] | None:
    """Return the line that a person can act on at the bottom of a stack, and the frames of what it called there.

    Code of installed packages folds to the user's line that called it; without one, to the line of the installed
    `program` that was started. A stack with neither in its loader work (a ready-made dataset) folds to the deepest line
    of the package that the loader called first."""
    feeder = _feeder(frames)
    if feeder is not None:
        return frames[feeder], frames[feeder + 1 :]
    begin = _work_begins(frames)
    work = frames[begin:]
    at = next((i for i in reversed(range(len(work))) if not is_library(work[i].file)), None)
    if at is None:
        at = _deepest_of_program(work, program, loading=begin > 0)
    if at is None:
        at = deepest_of_first_package(work)
    return None if at is None else (work[at], work[at + 1 :])


def _deepest_of_program(work: tuple[Frame, ...], program: str | None, loading: bool) -> int | None:
    """Return the deepest frame of the program; in making a sample, of the folder that has its dataset: what that calls
    of other parts of the program is below the line."""
    mine = [i for i, frame in enumerate(work) if is_of_program(frame.file, program)]
    if not mine:
        return None
    folder = _folder(work[mine[0]].file)
    return max(i for i in mine if not loading or _folder(work[i].file) == folder)


def _folder(file: str) -> str:
    return file.replace("\\", "/").rpartition("/")[0]


def transform_frame(
    frames: tuple[Frame, ...], made: Mapping[str, Frame], program: str | None = None
) -> tuple[Frame, tuple[Frame, ...]] | None:
    """Return the user's line that made the library's transform a stack is in, and the frames from the transform on.

    `made`: by class name, where the user's code makes one. A line of the user's own inside it, or of the program that
    was started, speaks for itself."""
    for i in range(len(frames) - 1, -1, -1):
        if not is_library(frames[i].file) or is_of_program(frames[i].file, program):
            return None
        owner = frames[i].function.rpartition(".")[0].rpartition(".")[2]
        if owner in made and not frames[i].is_torch_data:
            return made[owner], frames[i:]
    return None


def work_of(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """Return the frames of making a sample, without those of the loader round it."""
    work = frames[_work_begins(frames) :]
    at = next((i for i, frame in enumerate(work) if not is_fetcher(frame.file)), 0)
    return work[at:]


def _work_begins(frames: tuple[Frame, ...]) -> int:
    """Return where the loader's own frames end: below them a worker's stack is a sample's."""
    inside = [i for i, frame in enumerate(frames) if frame.is_torch_data and frame.name in ("fetch", "_worker_loop")]
    return inside[-1] + 1 if inside else 0


def deepest_of_first_package(work: tuple[Frame, ...]) -> int | None:
    """Return the deepest frame in the folder of the first package called, torch's loader and its wrappers of datasets
    aside; of those only where there is nothing else."""
    called = [frame for frame in work if not frame.is_torch_data and not frame.file.startswith("<")]
    if not called:
        return max((i for i, frame in enumerate(work) if frame.is_torch_data), default=len(work) - 1 if work else None)
    first = next((frame for frame in called if is_installed(frame.file)), called[0])
    if package_of(first.file) == "torch":
        # torch's own machinery round a module of another library: that library is what was meant.
        first = next(frame for frame in called if package_of(frame.file) == package_of(called[-1].file))
    package, folder = package_of(first.file), _folder(first.file)
    return max(i for i, frame in enumerate(work) if package_of(frame.file) == package and _folder(frame.file) == folder)


def split_below(below: tuple[Frame, ...]) -> tuple[Frame | None, tuple[Frame, ...]]:
    """Return where, in what a line has called, the time goes, and the frames below that."""
    at = deepest_of_first_package(below)
    return (below[at], below[at + 1 :]) if at is not None else (None, ())
