"""The frames of ours between a loop and what feeds it; for the name of this file see `trainer/importlib_bootstrap`.

Each replacement is what its original was: a method, or a generator function whose generator hands through what is sent to
it, thrown into it and returned by it. Iterators keep their type.
"""

from __future__ import annotations

import functools
import types

from ...words import pipelines
from ..attributes import measures
from ..process import process
from ..source_code import callers
from ..step_mode import mode
from ..trainer.activity import now_ns, threads
from . import feed as feeds
from .sources import sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from .feed import Feed


def ask(feed: Feed | None, call: Callable[[], Any]) -> Any:
    """Call for a batch, and have the feed take when that was; inside another feed's request just call."""
    account = threads.activity
    if feed is None or feed.dead or account.in_feed or feed.pid != process.pid:
        return call()
    account.in_feed = True
    try:
        if feed.around:
            return _ask_around(feed, call)
        if feed.timestamps is not None:
            return _ask_timed(feed, call)
        batches = account.batches
        request = feed.requested()
        try:
            batch = call()
        except BaseException as ending:
            feed.returned(request, batches, ending)
            raise
        feed.returned(request, batches, None)
        return batch
    finally:
        account.in_feed = False


def _ask_around(feed: Feed, call: Callable[[], Any]) -> Any:
    account = threads.activity
    requested_ns = now_ns()
    if not mode.timestamps_only:
        account.leave_body(requested_ns)
    batch = call()
    feed.passed(account, requested_ns, now_ns())
    return batch


def _ask_timed(feed: Feed, call: Callable[[], Any]) -> Any:
    requested_ns = now_ns()
    try:
        batch = call()
    except BaseException as ending:
        feed.timed(requested_ns, now_ns(), ending)
        raise
    feed.timed(requested_ns, now_ns(), None)
    return batch


def wrap_next(original: Callable[[Any], Any], library: str) -> Callable[[Any], Any]:
    """Wrap a class's `__next__`: each of its iterators is a feed."""

    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        if not sources.knows(self) and callers.is_called_by_constructor():
            return original(self)  # the library fills its first batch in
        return ask(sources.feed_of(self, library, original), lambda: original(self))

    return measures(original, __next__)


def wrap_registered(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap the `__next__` of a class of which only some iterators are feeds."""

    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        feed = sources.known(self)
        return original(self) if feed is None else ask(feed, lambda: original(self))

    return measures(original, __next__)


def wrap_call(original: Callable[..., Any], library: str) -> Callable[..., Any]:
    """Wrap a function of which each call is one batch: the object that it belongs to, or it itself, is the feed."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        source = args[0] if args else original
        return ask(sources.feed_of(source, library, original), lambda: original(*args, **kwargs))

    return measures(original, call)


def wrap_generator(original: Callable[..., Any], library: str) -> Callable[..., Any]:
    """Wrap a generator function: each of its generators is a feed."""

    @functools.wraps(original)
    def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        feed = feeds.begin(args[0] if args else None, library, sources.code_of(original))
        return (yield from _through(feed, original(*args, **kwargs)))

    return measures(original, generate)


def wrap_iter(original: Callable[..., Any], library: str) -> Callable[..., Any]:
    """Wrap a function that returns an iterator: a generator goes on inside one of ours, and the class of any other iterator
    is wrapped, if it can be."""

    @functools.wraps(original)
    def __iter__(*args: Any, **kwargs: Any) -> Any:
        iterator = original(*args, **kwargs)
        if library in pipelines.LIBRARIES and callers.is_called_by(original.__module__):
            return iterator
        if type(iterator) is types.GeneratorType:
            return _generate(args[0] if args else None, library, iterator)
        sources.register(iterator, args[0] if args else None, library, wrap_registered)
        return iterator

    return measures(original, __iter__)


def _generate(source: Any, library: str, generator: Any) -> Generator[Any, Any, Any]:
    feed = feeds.begin(source, library, sources.place_of_code(generator.gi_code))
    return (yield from _through(feed, generator))


def _through(feed: Feed | None, generator: Any) -> Generator[Any, Any, Any]:
    """Go through a generator as `yield from` does, each batch asked for as the feed's."""
    if feed is None:
        return (yield from generator)
    following = step = functools.partial(next, generator)
    box: list[Any] = []  # no name of ours may keep a batch while the loop has it
    try:
        while True:
            try:
                box.append(ask(feed, step))
            except StopIteration as end:
                return end.value
            step = following
            try:
                sent = yield box.pop()
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as thrown:
                step = functools.partial(generator.throw, thrown)
            else:
                if sent is not None:
                    step = functools.partial(generator.send, sent)
    finally:
        feed.close()
