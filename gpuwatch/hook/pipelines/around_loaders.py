"""Iterators of other classes round a loader of torch's: found where they ask for its second batch.

The outermost `__next__` on the stack is what the loop asks, unless the training itself runs below it: what an optimizer
step is below as well is a loop, no wrapper. Generators round a loader cannot be taken hold of where they run: those of
the libraries in `words/pipelines` are.
"""

from __future__ import annotations

import sys

from ..attributes import original as original_of
from ..process import process
from ..source_code import origins
from ..trainer.callbacks import next_step, second_batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

_DEEPEST = 60
# Whose `__next__` is that of the loader itself, or of what a script marks itself.
_NO_WRAPPERS = ("torch.utils.data", "torchdata.stateful_dataloader", "gpuwatch.marks")
_MOST = 16
_NEXT = "__next__"


class Candidates:
    """Classes that may be wrappers, by the code of their `__next__`: `pending` until the next optimizer step."""

    __slots__ = ("pending", "seen")

    def __init__(self) -> None:
        self.seen: set[CodeType] = set()
        self.pending: dict[CodeType, type] = {}

    def after_fork(self) -> None:
        """Keep what was found: classes that are wrapped stay so."""

    def look(self) -> None:
        """Look for the class that asks, below whose `__next__` a loader of torch's has given a batch."""
        code, owner = _outermost(sys._getframe(1))
        if code is None or code in self.seen or len(self.seen) >= _MOST:
            return
        self.seen.add(code)
        cls = next((base for base in type(owner).__mro__ if _is_next(base, code)), None)
        if cls is not None:
            self.pending[code] = cls
            next_step.calls.append(self.decide)

    def decide(self) -> None:
        """Wrap what is pending and no loop: called inside an optimizer step."""
        from . import (
            importlib_bootstrap as wrappers,  # not above: most trainings have no wrapper, and all load this module
        )

        pending, self.pending = self.pending, {}
        on_stack = _codes(sys._getframe(1))
        for code, cls in pending.items():
            if code not in on_stack:
                setattr(cls, _NEXT, wrappers.wrap_next(vars(cls)[_NEXT], cls.__module__.partition(".")[0]))


candidates = process.own(Candidates())


def on_import(_name: str, _module: Any) -> None:
    """Look below each loader's second batch from now on."""
    second_batch.calls.append(candidates.look)


def _outermost(frame: FrameType | None) -> tuple[CodeType | None, Any]:
    found: FrameType | None = None
    for _ in range(_DEEPEST):
        if frame is None:
            break
        code, module = frame.f_code, str(frame.f_globals.get("__name__"))
        ours = code.co_filename.startswith(origins.HOOK) or module.startswith(_NO_WRAPPERS)
        if code.co_name == _NEXT and code.co_argcount == 1 and not ours:
            found = frame
        frame = frame.f_back
    if found is None:
        return None, None
    return found.f_code, found.f_locals.get(found.f_code.co_varnames[0])


def _is_next(cls: type, code: CodeType) -> bool:
    method = vars(cls).get(_NEXT)
    return method is not None and original_of(method) is method and getattr(method, "__code__", None) is code


def _codes(frame: FrameType | None) -> set[CodeType]:
    codes = set()
    while frame is not None:
        codes.add(frame.f_code)
        frame = frame.f_back
    return codes
