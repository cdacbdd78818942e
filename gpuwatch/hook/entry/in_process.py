"""The hook in a Python that runs already (`gpuwatch.watch`): placed for a while, then taken out again.

What was replaced when a module was found imported is put back as it was, unless somebody else has replaced it since. What
cannot be taken back (a function that the user's code has imported by its name, the `__next__` of a class of the user's) stays
and does nothing: `process.idle`. A second visit begins with the hook's state as it is in a new process.
"""

from __future__ import annotations

import sys

from ..event_log import counters, identity, spool
from ..lines import in_process_sampler
from ..operations.patches import Attribute
from ..process import process
from ..process_state import explicit_collections
from ..step_mode import mode
from ..trainer import callbacks, process_facts, step_sampling
from . import ptrace
from .boot import Finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType
    from typing import Any

    Places = Mapping[str, tuple[str, ...]]


class Replaced:
    """What one module of the hook has put into a place, kept to be taken back."""

    __slots__ = ("attribute",)

    def __init__(self, owner: object, name: str) -> None:
        self.attribute = Attribute(owner, name, None)

    def is_replaced(self) -> bool:
        """Note what is in the place now, and say whether that is another thing than before."""
        self.attribute.value = vars(self.attribute.owner).get(self.attribute.name)
        return self.attribute.value is not self.attribute.old

    def take_back(self) -> None:
        """Put the place back as it was."""
        self.attribute.remove()


class Added:
    """What the hook has added to a mapping of torch's."""

    __slots__ = ("before", "mapping", "ours")

    def __init__(self, mapping: dict[Any, Any]) -> None:
        self.mapping, self.before = mapping, set(mapping)
        self.ours: dict[Any, Any] = {}

    def is_replaced(self) -> bool:
        """Note what is new in the mapping, and say whether anything is."""
        self.ours = {key: value for key, value in self.mapping.items() if key not in self.before}
        return bool(self.ours)

    def take_back(self) -> None:
        """Take it out of the mapping."""
        for key, value in self.ours.items():
            if self.mapping.get(key) is value:
                del self.mapping[key]


class Visitor(Finder):
    """A finder that keeps what each hook module found in the places that it replaces. `places`: by the module on which."""

    __slots__ = ("kept", "places")

    def __init__(self, placed: dict[str, tuple[str, ...]], places: Places) -> None:
        super().__init__(placed)
        self.places = places
        self.kept: list[Replaced | Added] = []

    def _imported(self, name: str, module: ModuleType) -> None:
        before = list(_found(self.places.get(name, ())))
        super()._imported(name, module)
        self.kept += [one for one in before if one.is_replaced()]

    def leave(self) -> None:
        """Watch for no more modules, and take back what is in place, the last one first."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for one in reversed(self.kept):
            try:
                one.take_back()
            except (AttributeError, TypeError):
                pass  # it stays and does nothing


def _found(places: tuple[str, ...]) -> Iterator[Replaced | Added]:
    """Yield the places, written `module:name`, of modules that are imported."""
    for place in places:
        module, _, path = place.partition(":")
        *owners, name = path.split(".")
        owner: Any = sys.modules.get(module)
        for one in owners:
            owner = getattr(owner, one, None)
        there = getattr(owner, name, None)
        if isinstance(there, dict):
            yield Added(there)
        elif there is not None:
            yield Replaced(owner, name)


class Visit:
    """The hook's stay in this process; `visitor` is None outside of one."""

    __slots__ = ("visitor",)

    def __init__(self) -> None:
        self.visitor: Visitor | None = None

    def after_fork(self) -> None:
        """Keep all: the child is measured as its parent is, and leaves when that says so."""


visit = process.own(Visit())


def enter(spool_folder: str, began_ns: int, placed: dict[str, tuple[str, ...]], places: Places) -> None:
    """Record this process into `spool_folder` as if it had begun at `began_ns`.

    `placed`: the hook modules to call, by the module on which (`words/patch_points`); `places`: what they replace there."""
    process.begin_anew()
    identity.beginning.at_ns = began_ns
    spool.use_folder(spool_folder)
    visit.visitor = Visitor(placed, places)
    visit.visitor.arm()


def leave() -> None:
    """Write how far the process came, and take the hook out of it."""
    visitor, visit.visitor = visit.visitor, None
    if visitor is None:
        return
    sampling = step_sampling.sampling
    try:
        process_facts.facts.write_end()
        in_process_sampler.stop()
        spool.flush()
        sampling.after_fork()  # no iterator takes timestamps any more, and what was suspended meanwhile is in its place
    finally:
        visitor.leave()
        ptrace.permission.take_back()
        counters.stop_watching_collector()
        explicit_collections.stop()
        for calls in (sampling.on_mode_change, callbacks.next_step.calls, callbacks.second_batch.calls):
            calls.clear()
        spool.use_folder(None)
        # What stays in place passes through where steps leave timestamps only.
        process.idle = mode.timestamps_only = sampling.loaders_only = True
