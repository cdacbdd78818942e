"""What a script calls itself: `gpuwatch.input` round an iterator, `gpuwatch.step` where a step has ended."""

from __future__ import annotations

from ..event_log import spool
from ..step_mode import mode
from ..trainer import loop_without_loader
from ..trainer.activity import threads
from . import feed as feeds
from . import importlib_bootstrap as wrappers
from .sources import sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

LIBRARY = "marked"


def ask_for(iterable: Iterable[Any], iterator: Any) -> Callable[[], Any]:
    """Return what asks `iterator` for its next batch, each request measured as one of a feed."""
    feed = feeds.begin(iterable, LIBRARY, sources.code_of_iterator(iterator))
    return lambda: wrappers.ask(feed, iterator.__next__)


def step() -> None:
    """Count a step as an optimizer's: in this thread, where nothing else tells."""
    try:
        account = threads.activity
        if not mode.timestamps_only:
            account.optimizer_begins()
            account.optimizer_ends()
        account.steps_without_loader += 1
        if account.steps_without_loader > 0:
            loop_without_loader.step_ended(account)
    except Exception as error:
        spool.error("step", error)
