"""Iterators that the user names by GPUWATCH_INPUT: `module:Class.__next__`, `module:function`, several with commas."""

from __future__ import annotations

import os
import sys

from ..event_log import spool
from ..process import process
from ..trainer.callbacks import next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

LIBRARY = "named"
_MAIN, _OPTIMIZERS = "__main__", "torch.optim.optimizer"


class Named:
    """Places by their module; those of the script itself, which is no import, are wrapped at its first step."""

    __slots__ = ("places",)

    def __init__(self, value: str) -> None:
        self.places: dict[str, list[str]] = {}
        for one in value.split(","):
            module, _, place = one.strip().partition(":")
            if module and place:
                self.places.setdefault(module, []).append(place)

    def after_fork(self) -> None:
        """Keep all: what is wrapped stays so."""

    def place(self, module: ModuleType, name: str) -> None:
        """Wrap the places of one module; what is not there is written, for the report to say so."""
        if name not in self.places:
            return
        from . import libraries  # not above: most trainings name nothing, and all load this module

        for place in self.places[name]:
            try:
                owner, attribute = libraries.owner_of(module, place)
                libraries.wrap(owner, attribute, LIBRARY)
            except (AttributeError, TypeError):
                spool.meta("missing_input", f"{name}:{place}")

    def place_in_script(self) -> None:
        """Wrap the places of the script itself, whose classes are there by its first step."""
        main = sys.modules.get(_MAIN)
        if main is not None:
            self.place(main, _MAIN)


named = process.own(Named(os.environ.get("GPUWATCH_INPUT", "")))


def on_import(name: str, module: ModuleType) -> None:
    """Wrap what was named of a module; once torch's optimizers are there, wait for the script's first step."""
    if name == _OPTIMIZERS and _MAIN in named.places:
        next_step.calls.append(named.place_in_script)
    named.place(module, name)
