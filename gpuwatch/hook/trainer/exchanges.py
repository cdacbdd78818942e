"""Calls in which a rank waits for the others: collectives that block, barriers, the meeting of the ranks.

A step's are summed in its `batch` event. One that takes long is an event of its own with the user's line: that is a rank that
has nothing to do while another works. An asynchronous call returns at once, and counts for that long.
"""

from __future__ import annotations

import functools

from ...words.exchanges import EXCHANGES
from ..event_log import spool
from ..source_code import callers
from ..step_mode import mode
from .activity import now_ns, threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_LONG_NS = 100_000_000


def on_import(name: str, module: ModuleType) -> None:
    """Time the module's calls that wait for other ranks."""
    for call in EXCHANGES[name]:
        original = getattr(module, call, None)
        if original is not None:
            setattr(module, call, _timed(original, call))


def _timed(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return a call with its time accounted for; one inside another is part of it."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        account = threads.activity
        if account.in_exchange:
            return original(*args, **kwargs)
        account.in_exchange = True
        start_ns = now_ns()
        try:
            return original(*args, **kwargs)
        finally:
            account.in_exchange = False
            took_ns = now_ns() - start_ns
            if not mode.timestamps_only:
                account.exchange_ns += took_ns
            if took_ns >= _LONG_NS:
                _write(name, start_ns, took_ns)

    return call


def _write(name: str, start_ns: int, took_ns: int) -> None:
    try:
        spool.event("exchange", name, start_ns, start_ns + took_ns, *callers.calling_place())
    except Exception:
        pass  # the exchange itself is over; only its event is lost
