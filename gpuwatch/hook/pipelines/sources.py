"""Which objects are feeds: iterators by their identity, for as long as they live."""

from __future__ import annotations

import weakref

from ..attributes import original as original_of
from ..event_log import spool
from ..process import process
from ..source_code import origins
from . import feed as feeds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

    from ..source_code.callers import Place
    from .feed import Feed

    Wrap = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]

_NEXT = "__next__"
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: its attributes may be set


class Sources:
    """The feed of each object that was asked for a batch; None of one that is none."""

    __slots__ = ("feeds", "live")

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Know none: the parent goes on with them."""
        self.feeds: dict[int, Feed | None] = {}
        self.live: dict[int, Any] = {}

    def known(self, source: Any) -> Feed | None:
        """Return the feed of a registered object; None of any other."""
        return self.feeds.get(id(source))

    def knows(self, source: Any) -> bool:
        """Say whether an object was asked for a batch before."""
        return id(source) in self.feeds

    def feed_of(self, source: Any, library: str, function: Callable[..., Any]) -> Feed | None:
        """Return the feed that an object is, which begins with its first batch."""
        key = id(source)
        if key in self.feeds:
            return self.feeds[key]
        feed = feeds.begin(source, library, self.code_of(function))
        self._keep(source, feed)
        return feed

    def register(self, iterator: Any, source: Any, library: str, wrap: Wrap) -> None:
        """Make an iterator of a class in Python a feed of its own; `source`: what was iterated."""
        cls = type(iterator)
        method = getattr(cls, _NEXT, None)
        if not cls.__flags__ & _HEAP_TYPE or getattr(original_of(method), "__code__", None) is None:
            return
        try:
            feed = feeds.begin(source, library, self.code_of(method))
            if feed is None:
                return
            owner = next(base for base in cls.__mro__ if _NEXT in vars(base))
            if original_of(method) is method:
                setattr(owner, _NEXT, wrap(method))
            self._keep(iterator, feed)
        except Exception as error:
            spool.error("feed", error)

    def code_of(self, function: Any) -> Place | None:
        """Return (file, line, name) of a function that hands over batches."""
        return self.place_of_code(getattr(original_of(function), "__code__", None))

    def code_of_iterator(self, iterator: Any) -> Place | None:
        """Return (file, line, name) of what hands over an iterator's next thing."""
        code = getattr(iterator, "gi_code", None)
        return self.code_of(type(iterator).__next__) if code is None else self.place_of_code(code)

    def place_of_code(self, code: CodeType | None) -> Place | None:
        """Return (file, line, name) of a code object."""
        return None if code is None else (origins.absolute(code.co_filename), code.co_firstlineno, code.co_name)

    def _keep(self, source: Any, feed: Feed | None) -> None:
        key = id(source)
        try:
            self.live[key] = weakref.ref(source, lambda _gone: self._drop(key))
        except TypeError:
            self.live[key] = None  # another object may take its place one day: its batches count as this one's
        self.feeds[key] = feed

    def _drop(self, key: int) -> None:
        self.live.pop(key, None)
        feed = self.feeds.pop(key, None)
        if feed is not None:
            feed.close()


sources = process.own(Sources())
