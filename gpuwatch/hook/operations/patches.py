"""Replacements of attributes and list entries that can be taken back exactly.

In a DataLoader worker they stay for the process's life. In the trainer (num_workers=0) they are in place only while
a fetch runs: outside of it every class, list and module is the user's own, so that torch.jit.script, torch.compile
and pickling see what they would see without gpuwatch.
"""

import threading

_ABSENT = object()


class Attribute:
    """One attribute of a class, module or object, replaced."""

    __slots__ = ("owner", "name", "value", "old")

    def __init__(self, owner, name, value):
        self.owner, self.name, self.value = owner, name, value
        self.old = _ABSENT

    def install(self):
        """Put the replacement there, remembering what was."""
        self.old = vars(self.owner).get(self.name, _ABSENT)
        _assign(self.owner, self.name, self.value)

    def remove(self):
        """Restore what was there, unless somebody else has changed it since."""
        if vars(self.owner).get(self.name, _ABSENT) is not self.value:
            return
        if self.old is _ABSENT:
            delattr(self.owner, self.name)
        else:
            _assign(self.owner, self.name, self.old)


def _assign(owner, name, value):
    if isinstance(owner, type) or type(owner).__name__ == "module":
        setattr(owner, name, value)
    else:
        vars(owner)[name] = value  # past any __setattr__ of the user's or nn.Module's


class Entry:
    """One entry of a list or dict, replaced in place; found again by identity when it is taken back."""

    __slots__ = ("container", "key", "value", "old")

    def __init__(self, container, key, value):
        self.container, self.key, self.value = container, key, value
        self.old = container[key]

    def install(self):
        """Put the replacement where the original stands."""
        if self._holds(self.key, self.old):
            self.container[self.key] = self.value

    def remove(self):
        """Put the original where the replacement stands."""
        keys = [self.key] if self._holds(self.key, self.value) else self._search()
        for key in keys:
            self.container[key] = self.old

    def _holds(self, key, value):
        try:
            return self.container[key] is value
        except (KeyError, IndexError):
            return False

    def _search(self):
        items = self.container.items() if isinstance(self.container, dict) else enumerate(self.container)
        return [key for key, value in items if value is self.value]


class Patches:
    """All replacements of this process: in place for good (`keep`) or between `enter` and `leave`."""

    def __init__(self):
        self._lock = threading.RLock()
        self._patches = []
        self._depth = 0

    def add(self, patch):
        """Register a replacement; installed at once if the others are in place."""
        with self._lock:
            self._patches.append(patch)
            if self._depth:
                patch.install()

    def enter(self):
        """Put everything in place; nested and concurrent uses count."""
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                for patch in self._patches:
                    patch.install()

    def leave(self):
        """Take everything back when the last user has left."""
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                for patch in reversed(self._patches):
                    patch.remove()

    def lifted(self, call, *args, **kwargs):
        """Call something that must see the originals, such as torch.jit.script."""
        with self._lock:
            placed = self._depth > 0
            if placed:
                for patch in reversed(self._patches):
                    patch.remove()
            try:
                return call(*args, **kwargs)
            finally:
                if placed:
                    for patch in self._patches:
                        patch.install()

    def keep_only_used(self):
        """Forget the class methods that nobody has called while they were in place."""
        with self._lock:
            if not self._depth:
                self._patches = [patch for patch in self._patches if getattr(patch.value, "_gpuwatch_seen", True)]

    def owners(self):
        """Return the classes of which something is replaced."""
        return {patch.owner for patch in self._patches if isinstance(getattr(patch, "owner", None), type)}
