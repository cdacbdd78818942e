"""Replacements of attributes and list entries that can be taken back exactly.

In a DataLoader worker they stay for the process's life. In the trainer (num_workers=0) they are in place only while
a fetch runs: outside of it every class, list and module is the user's own, so that torch.jit.script, torch.compile
and pickling see what they would see without gpuwatch.
"""

from __future__ import annotations

import threading

from ..attributes import CALLED_ON, original
from ..process import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Patch(Protocol):
        @property
        def value(self) -> Any: ...

        def install(self) -> None: ...

        def remove(self) -> None: ...


_ABSENT = object()


class Attribute:
    """One attribute of a class, module or object, replaced. `old`: what was replaced."""

    __slots__ = ("name", "old", "owner", "value")

    def __init__(self, owner: object, name: str, value: object) -> None:
        self.owner, self.name, self.value = owner, name, value
        self.old: object = vars(owner).get(name, _ABSENT)

    def install(self) -> None:
        """Put the replacement there; what somebody else has put there since, it would pass by."""
        there = vars(self.owner).get(self.name, _ABSENT)
        if there is self.old or there is original(self.old):
            self.old = there
            _assign(self.owner, self.name, self.value)

    def remove(self) -> None:
        """Restore what was there, unless somebody else has changed it since."""
        if vars(self.owner).get(self.name, _ABSENT) is not self.value:
            return
        if self.old is _ABSENT:
            delattr(self.owner, self.name)
        else:
            _assign(self.owner, self.name, self.old)


def _assign(owner: object, name: str, value: object) -> None:
    if isinstance(owner, type) or type(owner).__name__ == "module":
        setattr(owner, name, value)
    else:
        vars(owner)[name] = value  # past any __setattr__ of the user's or nn.Module's


class Entry:
    """One entry of a list or dict, replaced in place; found again by identity when it is taken back."""

    __slots__ = ("container", "key", "old", "value")

    def __init__(self, container: Any, key: Any, value: object) -> None:
        self.container, self.key, self.value = container, key, value
        self.old = container[key]

    def install(self) -> None:
        """Put the replacement in the original's place."""
        if self._has(self.key, self.old):
            self.container[self.key] = self.value

    def remove(self) -> None:
        """Put the original in the replacement's place."""
        keys = [self.key] if self._has(self.key, self.value) else self._search()
        for key in keys:
            self.container[key] = self.old

    def _has(self, key: Any, value: object) -> bool:
        try:
            return self.container[key] is value
        except (KeyError, IndexError):
            return False

    def _search(self) -> list[Any]:
        items = self.container.items() if isinstance(self.container, dict) else enumerate(self.container)
        return [key for key, value in items if value is self.value]


class Patches:
    """All replacements of this process, in place between the first `enter` and the last `leave`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._patches: list[Patch] = []
        self._depth = 0

    def add(self, patch: Patch) -> None:
        """Register a replacement; installed at once if the others are in place."""
        with self._lock:
            self._patches.append(patch)
            if self._depth:
                patch.install()

    def enter(self) -> None:
        """Put everything in place; nested and concurrent uses count."""
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._install()

    def leave(self) -> None:
        """Take everything back when the last user has left."""
        with self._lock:
            if self._depth:  # 0 in a process that was forked in between
                self._depth -= 1
                if self._depth == 0:
                    self._remove()

    def lifted(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call something that must see the originals, such as torch.jit.script."""
        with self._lock:
            placed = self._depth > 0
            if placed:
                self._remove()
            try:
                return call(*args, **kwargs)
            finally:
                if placed:
                    self._install()

    def abandon(self) -> None:
        """Take everything back in a forked process, where no user is left; the lock may be another thread's for ever."""
        self._lock = threading.RLock()
        depth, self._depth = self._depth, 0
        if depth:
            self._remove()

    def keep_only_used(self) -> None:
        """Forget the class methods that were never called while they were in place."""
        with self._lock:
            if not self._depth:
                self._patches = [patch for patch in self._patches if getattr(patch.value, CALLED_ON, True)]

    def owners(self) -> set[type]:
        """Return the classes of which something is replaced."""
        owners = [getattr(patch, "owner", None) for patch in self._patches]
        return {owner for owner in owners if isinstance(owner, type)}

    def _install(self) -> None:
        for patch in self._patches:
            patch.install()

    def _remove(self) -> None:
        for patch in reversed(self._patches):
            patch.remove()
