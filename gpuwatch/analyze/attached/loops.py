"""Which loop a sampled stack is in, and whether that loop trains, where no event says who iterates over what.

A loop is the line of the function that asks a loader for batches. Code of that function belongs to the loop that begins
last before it; a loop in which a backward pass or an optimizer is met trains, another one evaluates.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.model_calls import part_of
from gpuwatch.words.source_code import is_iterator, is_library

Stack = tuple[Frame, ...]
Function = tuple[str, str]
Role = Literal["training", "evaluation", "inference"]
_NEXT = ("__next__", "_next_data")
_TRAINS = ("backward", "optimizer")
_FEWEST, _CALLED = 2, 20
# A stack that is read while it changes may show the line of a moment later: lines with fewer of a function's asks are that.
_SHARE = 0.05


class LoopAt(NamedTuple):
    """A loop by the line at which it asks for its batches."""

    file: str
    function: str
    line: int


class SampledLoops:
    """The loops of one trainer's main thread. `stacks`: each with the number of its samples."""

    def __init__(self, stacks: Iterable[tuple[Stack, int]]) -> None:
        known = list(stacks)
        self._trains = _training_functions(known)
        self._lines: Mapping[Function, list[int]] = self._asking_lines(known)
        weights: dict[LoopAt, float] = defaultdict(float)
        trained: dict[LoopAt, float] = defaultdict(float)
        for stack, weight in known:
            loop = self.loop_of(stack)
            if loop is not None:
                weights[loop] += weight
                trained[loop] += weight if part_of(stack) in _TRAINS else 0
        self.weights = weights
        forward = sum(weight for stack, weight in known if part_of(stack) == "forward")
        # Of a model that was hardly met, its backward pass may not have been met at all.
        otherwise: Role = "evaluation" if self._trains else "inference" if forward >= _CALLED else "training"
        self._roles: dict[LoopAt, Role] = {
            loop: "training" if trained[loop] >= _FEWEST else otherwise for loop in weights
        }

    def _asking_lines(self, stacks: Iterable[tuple[Stack, int]]) -> Mapping[Function, list[int]]:
        found: dict[Function, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for stack, weight in stacks:
            asks = self._asking(stack)
            if asks is not None:
                found[asks.file, asks.function][asks.line] += weight
        return {function: _met_often(lines) for function, lines in found.items()}

    def _asking(self, stack: Stack) -> Frame | None:
        """Return the frame that requests a batch: the innermost of a function that trains, else the innermost of the user's."""
        at = asked_at(stack)
        if not at:
            return None
        above = stack[:at][::-1]
        training = (frame for frame in above if (frame.file, frame.function) in self._trains)
        own = (frame for frame in above if not is_library(frame.file))
        return next(own, above[0]) if not self._trains else next(training, None) or next(own, above[0])

    def loop_of(self, stack: Stack) -> LoopAt | None:
        """Return the innermost loop around a stack; None where it is in none."""
        asks = self._asking(stack)
        for frame in [asks] if asks else reversed(stack):
            lines = self._lines.get((frame.file, frame.function))
            if lines:
                begun = lines[max(bisect_right(lines, frame.line) - 1, 0)]
                return LoopAt(frame.file, frame.function, begun)
        return None

    def role_of(self, stack: Stack) -> Role | None:
        """Return what the loop around a stack does; None outside of every loop."""
        loop = self.loop_of(stack)
        return None if loop is None else self._roles.get(loop)

    def is_evaluation(self, frames: Sequence[Frame]) -> bool | None:
        """Say whether the innermost loop around a stack evaluates; None where it is in none."""
        role = self.role_of(tuple(frames))
        return None if role is None else role == "evaluation"

    @property
    def main(self) -> LoopAt | None:
        """The loop that most samples are in, of those that train if any does."""
        training = [loop for loop, role in self._roles.items() if role != "evaluation"]
        return max(training, key=lambda loop: self.weights[loop], default=None)

    @property
    def main_role(self) -> Role:
        """What the main loop does; a trainer that was never met asking for a batch trains."""
        return self._roles[self.main] if self.main else "training"

    def __bool__(self) -> bool:
        return bool(self._roles)


def _met_often(asks: Mapping[int, int]) -> list[int]:
    """Return the lines at which a function asks for batches, by how many samples do; in order."""
    least = max(_FEWEST, _SHARE * sum(asks.values()))
    often = sorted(line for line, weight in asks.items() if weight >= least)
    return often or [max(asks, key=lambda line: asks[line])]


def _training_functions(stacks: Iterable[tuple[Stack, int]]) -> set[Function]:
    """Return the functions that lead to a backward pass or an optimizer; one sample alone may have been read while it
    changed."""
    counted: dict[Function, int] = defaultdict(int)
    for stack, weight in stacks:
        if part_of(stack) in _TRAINS:
            for function in {(frame.file, frame.function) for frame in stack}:
                counted[function] += weight
    return {function for function, weight in counted.items() if weight >= _FEWEST}


def asked_at(stack: Stack) -> int:
    """Return where in a stack a loader's iterator is asked for a batch, the outermost; 0 in every other stack."""
    return next((i for i, frame in enumerate(stack) if frame.name in _NEXT and is_iterator(frame.file)), 0)
