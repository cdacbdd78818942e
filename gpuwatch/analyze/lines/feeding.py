"""Which samples of a loop without a DataLoader get its next batch, and which share of its steps that takes.

The frames that the model is called through lead to the loop. A sample leaves them at some frame: where that is at a line at
which the source gets the next batch, the sample is of the input, whatever is called from there. A loop that is driven by
another `for`, as a generator of losses, has the model below that one's header, which gets no batch then.
"""

from __future__ import annotations

import linecache
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.loop_source import BatchLines, batch_lines, is_generator, loops_around, scope_line
from gpuwatch.analyze.lines.model_calls import model_begins, part_of
from gpuwatch.analyze.lines.samples import Sample
from gpuwatch.analyze.lines.waiting import waits_for_others
from gpuwatch.analyze.numbers.statistics import share_of_blocks
from gpuwatch.model.hot_lines import INPUT
from gpuwatch.model.loader_profile import Feed
from gpuwatch.model.measures import Interval
from gpuwatch.words.source_code import hands_over, is_library, package_of

_TRAINS = ("backward", "optimizer")
# So few samples of the model do not say through which lines it is called; of a function's, a line with less of them was
# read while it changed.
_FEWEST, _LEAST = 5, 0.02
# Nor do so few where some are of its backward pass or its optimizer, which only a training calls.
_FEWEST_TRAINING = 3
# Where the source of more samples than this is not known, the share is not.
_UNREAD = 0.05
# Neighbouring samples are not independent: an interval is made of blocks, in tenths of a second.
_BLOCKS, _SHORTEST, _LONGEST = 12, 2, 10
EVENT_LOOPS = ("asyncio", "uvloop", "trio", "anyio")
_COPIES = re.compile(r"\.(to|cuda|item|cpu|tolist|numpy|synchronize)\(")
Stack = Sequence[Frame]
Function = tuple[str, str, int | None]


class _Called(NamedTuple):
    """A function that the model is called through: at which lines, and where it gets the next batch, if its source is known."""

    lines: frozenset[int]
    source: BatchLines | None


class OwnLoop(NamedTuple):
    """What is known of a trainer whose loops are not over a DataLoader. `on_gpu`: it uses one, so that lines that copy to it
    or from it may wait for its work, and are none of the input's. `ran`: the share of its steps in which its thread ran, or
    could have with a core, by the kernel's clock."""

    on_gpu: bool = False
    ran: float | None = None


def find_feed(samples: Sequence[Sample], about: OwnLoop) -> tuple[list[str], Feed]:
    """Return the activity of each sample of one trainer's main thread in its steps, and the share of those that are input."""
    loops = _Loops(samples)
    if not loops:
        return [sample.activity for sample in samples], Feed(None, "no model")
    found = {stack: loops.gets_batch(stack) for stack in {sample.stack for sample in samples}}
    if about.on_gpu:
        found = {stack: gets and not _copies(stack) for stack, gets in found.items()}
    unread = sum(s.weight for s in samples if found[s.stack] is None)
    if not loops.is_known or unread > _UNREAD * sum(s.weight for s in samples):
        return [sample.activity for sample in samples], Feed(None, "no source")
    gets = [bool(found[sample.stack]) and not waits_for_others(sample.stack) for sample in samples]
    activities = [INPUT if mine else sample.activity for sample, mine in zip(samples, gets, strict=True)]
    return activities, Feed(_share(samples, gets, about.ran))


def _share(samples: Sequence[Sample], gets: Sequence[bool], ran: float | None) -> Interval | None:
    """Return the share of the samples that get a batch, with its interval: of blocks of up to a second, shorter where there
    would be few of them."""
    part: dict[int, float] = defaultdict(float)
    whole: dict[int, float] = defaultdict(float)
    weights = _weights(samples, ran)
    for sample, mine, weight in zip(samples, gets, weights, strict=True):
        for tenth, count in sample.tenths:
            whole[tenth] += weight * count
            part[tenth] += weight * count if mine else 0.0
    order = sorted(whole)
    size = min(max(len(order) // _BLOCKS, _SHORTEST), _LONGEST)
    blocks = [order[at : at + size] for at in range(0, len(order), size)]
    counted = round(sum(count for sample in samples for _, count in sample.tenths))
    return share_of_blocks(
        [sum(part[tenth] for tenth in block) for block in blocks],
        [sum(whole[tenth] for tenth in block) for block in blocks],
        counted,
    )


def _weights(samples: Sequence[Sample], ran: float | None) -> list[float]:
    """Return what each stack's samples count for. A thread that runs is met by fewer samples than one that sleeps: where those
    that cannot have run are more than its CPU time leaves room for, they count for that."""
    asleep = [_is_asleep(sample.stack) for sample in samples]
    whole = sum(sample.weight for sample in samples)
    sleeps = sum(sample.weight for sample, slept in zip(samples, asleep, strict=True) if slept)
    if ran is None or not 0.0 < sleeps < whole or 1.0 - sleeps / whole >= ran:
        return [1.0] * len(samples)
    running, sleeping = ran * whole / (whole - sleeps), (1.0 - ran) * whole / sleeps
    return [sleeping if slept else running for slept in asleep]


def _is_asleep(stack: Stack) -> bool:
    """Say whether a thread with this stack cannot be running: its line sleeps, or it waits for others."""
    leaf = stack[-1]
    return hands_over(leaf.file) or "sleep(" in linecache.getline(leaf.file, leaf.line)


def _copies(stack: Stack) -> bool:
    leaf = stack[-1]
    return not is_library(leaf.file) and bool(_COPIES.search(linecache.getline(leaf.file, leaf.line)))


class _Loops:
    """The functions that one trainer's model is called through. `is_known`: whether the source of any shows a loop."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        weights: dict[tuple[Frame, ...], float] = defaultdict(float)
        for sample in samples:
            weights[sample.stack] += sample.weight
        parts = {stack: part_of(stack) for stack in weights}
        trains = {stack: n for stack, n in weights.items() if parts[stack] in _TRAINS}
        calls = {stack: n for stack, n in weights.items() if parts[stack] == "forward"}
        self._functions: Mapping[Function, _Called] = {}
        training, forward = sum(trains.values()), sum(calls.values())
        few = bool(trains) and training + forward >= _FEWEST_TRAINING
        if training >= _FEWEST or (few and forward < _FEWEST):
            self._functions = _through(trains, {})
            # A model that is called for the next batch is no part of the step.
            calls = {stack: n for stack, n in calls.items() if not self.gets_batch(stack)}
            self._functions = _through(trains, calls)
        elif forward >= _FEWEST:
            self._functions = _through(calls, calls)
        self.is_known = any(called.source is not None for called in self._functions.values())
        self._awaits = any(called.source is not None and called.source.awaits for called in self._functions.values())

    def __bool__(self) -> bool:
        return bool(self._functions)

    def gets_batch(self, stack: Stack) -> bool | None:
        """Say whether a sample gets the next batch; None where the source of the line that says so is not known."""
        above: _Called | None = None
        for at, frame in enumerate(stack):
            called = self._functions.get(_function(frame))
            if called is None:
                return above is not None and self._is_beside(stack, at, above)
            if frame.line not in called.lines:
                return self._is_at(frame, called)
            above = called
        return False

    def _is_at(self, frame: Frame, called: _Called) -> bool | None:
        if called.source is None:
            return None if scope_line(frame.file, frame.line) is None and not is_library(frame.file) else False
        return frame.line in called.source.lines

    def _is_beside(self, stack: Stack, at: int, above: _Called) -> bool:
        """Say whether what leaves the way to the model at a line that calls the model is called there for the batch: an
        argument of the call, or, in an event loop, another task."""
        caller, frame = stack[at - 1], stack[at]
        if package_of(caller.file) in EVENT_LOOPS:
            return self._awaits and any(not is_library(one.file) for one in stack[at:])
        calls = above.source.calls if above.source is not None else frozenset()
        iterates = frame.name == "__next__" or is_generator(frame.file, frame.line)
        return frame.name in calls or (iterates and "next" in calls)


def _function(frame: Frame) -> Function:
    return frame.file, frame.function, scope_line(frame.file, frame.line)


def _through(
    trains: Mapping[tuple[Frame, ...], float], calls: Mapping[tuple[Frame, ...], float]
) -> Mapping[Function, _Called]:
    """Return the functions that the model is called through: in its `trains` stacks, and in those that call modules from
    there on."""
    lines: dict[Function, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    modules: dict[Function, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    callers: dict[Function, set[tuple[Function, int]]] = defaultdict(set)
    for stacks, into in ((trains, lines), (calls, modules)):
        for stack, weight in stacks.items():
            above: tuple[Function, int] | None = None
            for frame in stack[: model_begins(stack)]:
                function = _function(frame)
                into[function][frame.line] += weight
                if above is not None:
                    callers[function].add(above)
                above = (function, frame.line)
    return _with_source(lines, modules, callers)


def _with_source(
    lines: Mapping[Function, Mapping[int, float]],
    modules: Mapping[Function, Mapping[int, float]],
    callers: Mapping[Function, Iterable[tuple[Function, int]]],
) -> Mapping[Function, _Called]:
    functions = {**lines, **modules}
    at = {one: _met(lines.get(one, {})) | _met(modules.get(one, {})) for one in functions}
    looped = _looped(functions, callers)
    return {
        one: _Called(met, batch_lines(one[0], met, one in modules, one in looped) if met else None)
        for one, met in at.items()
    }


def _looped(functions: Iterable[Function], callers: Mapping[Function, Iterable[tuple[Function, int]]]) -> set[Function]:
    """Return the functions that are called in a loop, by whichever of their callers."""
    found: set[Function] = set()
    grown = True
    while grown:
        more = {
            one
            for one in functions
            if one not in found and any(by in found or loops_around(by[0], line) for by, line in callers.get(one, ()))
        }
        found, grown = found | more, bool(more)
    return found


def _met(lines: Mapping[int, float]) -> frozenset[int]:
    least = _LEAST * sum(lines.values())
    return frozenset(line for line, weight in lines.items() if weight >= least)
