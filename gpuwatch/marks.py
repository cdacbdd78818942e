"""What a training's own code may call: `input` round an iterator that gpuwatch does not know, `step` at a step's end.

Both do nothing in a process that gpuwatch does not record.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, Generic, TypeVar

_Item = TypeVar("_Item")
# The hook as it is in a process of a run (see hook/entry/inject), and in one that records itself (hook/entry/in_process).
_HOOK, _OWN_VISIT = "_gpuwatch", "gpuwatch.hook.entry.in_process"
_MARKS = "hook.pipelines.marks"


class Input(Generic[_Item]):
    """An iterable whose batches are measured: what feeds the training loop, to `gpuwatch run`.

    It has the length and the attributes of the iterable that it was made of.
    """

    def __init__(self, iterable: Iterable[_Item]) -> None:
        self._iterable = iterable

    def __iter__(self) -> Iterator[_Item]:
        iterator = iter(self._iterable)
        marks = _marks()
        return iterator if marks is None else _Asked(marks.ask_for(self._iterable, iterator), iterator)

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterable, name)


class _Asked(Iterator[_Item]):
    """An iterator whose requests are measured."""

    def __init__(self, ask: Callable[[], _Item], iterator: Iterator[_Item]) -> None:
        self._ask = ask
        self._iterator = iterator

    def __next__(self) -> _Item:
        return self._ask()


def input(iterable: Iterable[_Item]) -> Input[_Item]:
    """Return an iterable over the same batches, whose input wait `gpuwatch run` measures as that of a DataLoader.

    for batch in gpuwatch.input(my_batches()):
        train(batch)
    """
    return Input(iterable)


def step() -> None:
    """Say that a training step has ended: for loops without a torch optimizer, such as JAX's or a server's requests."""
    marks = _marks()
    if marks is not None:
        marks.step()


def _marks() -> Any:
    if _HOOK in sys.modules:
        return import_module(f"{_HOOK}.{_MARKS}")
    visit = getattr(sys.modules.get(_OWN_VISIT), "visit", None)
    return None if visit is None or visit.visitor is None else import_module(f"gpuwatch.{_MARKS}")
