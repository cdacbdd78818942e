"""Which remedies act in this process: what every remedy needs to know, so that none has to import the list of them."""

from __future__ import annotations

from ..process import TYPE_CHECKING, process

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Parameters = dict[str, Any]


class Unsuitable(Exception):
    """The remedy does not fit this loader."""


class Active:
    """The remedies that act now, with their parameters; and the JPEG decoder that was found fastest, once one was."""

    __slots__ = ("decoder", "remedies")

    def __init__(self) -> None:
        self.remedies: dict[str, Parameters] = {}
        self.decoder: tuple[str, Callable[[bytes], Any]] | None = None

    def after_fork(self) -> None:
        """Keep all: a process that a worker forks works for the same batches."""


active = process.own(Active())
