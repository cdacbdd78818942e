"""Fold a speedscope file of py-spy into one row per distinct stack of each thread."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gpuwatch.sources.base import Row
from gpuwatch.words import source_code

_THREAD = re.compile(r'^Process (\d+) Thread (\S+) "(.*)"$', re.DOTALL)
# Of a deeper stack the middle is left out: its outer end tells of the script, its inner one of what it called.
_MOST_OUTER, _MOST_INNER = 24, 56
# A read that failed costs a thread one sample. So few leave the index right to within that many ticks; with more
# (a process that began or ended meanwhile) it means nothing.
_MAX_MISSING = 2

MAIN = "MainThread"

# In these the training's main thread waits for its loader; with no worker processes its loading is inside them too.
_WAITING = {"__next__", "_next_data"}

Frame = list[Any]


def fold(profile: dict[str, Any], t0: int, t1: int, trainer: int) -> list[Row]:
    """Return `stack` rows. Sample i of each thread is the same tick, so waiting of the trainer joins by index; a
    thread with another number of samples has None there. Helper threads that only wait (queue feeders) are left out.
    The trainer's own main thread has the indexes of its samples too."""
    frames = [_frame(frame) for frame in profile["shared"]["frames"]]
    threads = [(*_thread(one["name"], trainer), one["samples"]) for one in profile["profiles"]]
    waits = [frame is not None and _waits(frame) for frame in frames]
    in_wait = _main_in_wait(threads, waits, trainer)
    rows: list[Row] = []
    for pid, thread, samples in threads:
        joined = _fit(in_wait, len(samples))
        places = _places(samples) if (pid, thread) == (trainer, MAIN) else {}
        for stack, weight, waited in _distinct(samples, joined):
            reported = [frame for frame in (frames[at] for at in stack) if frame is not None]
            if reported and not (thread != MAIN and is_idle(reported)):
                reported = _shortened(_from_worker_loop(reported))
                rows.append(
                    ["stack", t0, t1, pid, thread, reported, weight, waited, is_idle(reported), places.get(stack)]
                )
    return rows


def processes(profile: dict[str, Any], trainer: int) -> int:
    """Return how many processes were seen."""
    return len({_thread(one["name"], trainer)[0] for one in profile["profiles"]})


def thread_labels(profile: Mapping[str, Any], trainer: int) -> list[tuple[int, str]]:
    """Return of each profile the kernel's number of its thread and the name that its stacks go by; 0 and an empty name
    for a thread of another process."""
    found = []
    for one in profile["profiles"]:
        reported = _THREAD.match(one["name"])
        mine = reported is not None and int(reported[1]) == trainer and reported[2].isdigit()
        found.append((int(reported[2]), reported[3] or reported[2]) if mine and reported else (0, ""))
    return found


def is_idle(frames: Sequence[Frame]) -> bool:
    """Tell whether a thread with this stack waits to be given work, rather than doing some."""
    function, file, _ = frames[-1]
    return source_code.is_idle(str(file), _name(function))


def _frame(frame: dict[str, Any]) -> Frame | None:
    # With -s each stack begins with one frame per process above, without a file.
    if not frame.get("file") and str(frame["name"]).startswith("process "):
        return None
    return [frame["name"], frame.get("file") or "", frame.get("line") or 0]


def _waits(frame: Frame) -> bool:
    return source_code.is_iterator(str(frame[1])) and _name(frame[0]) in _WAITING


def _name(function: object) -> str:
    """Return a function's name without its class."""
    return str(function).rpartition(".")[2]


def _thread(name: str, trainer: int) -> tuple[int, str]:
    """Return pid and thread name (its number where it has no name)."""
    reported = _THREAD.match(name)
    return (int(reported[1]), reported[3] or reported[2]) if reported else (trainer, name)


def _main_in_wait(threads: Sequence[tuple[int, str, Any]], waits: Sequence[bool], trainer: int) -> list[bool] | None:
    main = next((samples for pid, thread, samples in threads if pid == trainer and thread == MAIN), None)
    return None if main is None else [any(waits[at] for at in stack) for stack in main]


def _fit(in_wait: list[bool] | None, count: int) -> list[bool] | None:
    """Return the trainer's waiting for a thread with `count` samples, None when the two do not go together."""
    if in_wait is None or abs(len(in_wait) - count) > _MAX_MISSING:
        return None
    last = len(in_wait) - 1
    return [in_wait[min(at, last)] for at in range(count)] if in_wait else None


def _distinct(
    samples: Sequence[list[int]], in_wait: Sequence[bool] | None
) -> Iterator[tuple[tuple[int, ...], int, int | None]]:
    stacks = [tuple(stack) for stack in samples]
    waited = (
        Counter(stack for stack, waiting in zip(stacks, in_wait, strict=True) if waiting)
        if in_wait is not None
        else None
    )
    for stack, weight in Counter(stacks).items():
        yield stack, weight, None if waited is None else waited[stack]


def _places(samples: Sequence[list[int]]) -> dict[tuple[int, ...], list[list[int]]]:
    """Return of each distinct stack where it was met: [first index, how many in a row] each time."""
    found: dict[tuple[int, ...], list[list[int]]] = {}
    for at, stack in enumerate(samples):
        runs = found.setdefault(tuple(stack), [])
        if runs and sum(runs[-1]) == at:
            runs[-1][1] += 1
        else:
            runs.append([at, 1])
    return found


def _shortened(frames: list[Frame]) -> list[Frame]:
    deepest = _MOST_OUTER + _MOST_INNER
    return frames if len(frames) <= deepest else frames[:_MOST_OUTER] + frames[-_MOST_INNER:]


def _from_worker_loop(frames: list[Frame]) -> list[Frame]:
    """Cut what a worker's stack holds above its loop: a forked one carries the whole of its parent's."""
    at = next((i for i, frame in enumerate(frames) if str(frame[0]).endswith("_worker_loop")), None)
    return frames if at is None else frames[at:]
