"""What every test shares: its children start with default signals, whoever started the tests."""

from __future__ import annotations

import os
import signal
from types import FrameType

# Python ignores these two for itself and gives them back to what it starts.
_PYTHONS_OWN = {signal.SIGPIPE, signal.SIGXFSZ}


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: unlike SIG_IGN, a handler is not inherited through exec."""


def _start_children_with_default_signals() -> None:
    """Keep ignoring what the caller ignores (`nohup scripts/test &`), and let no child inherit that or a blocked signal."""
    ignored = [number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN]
    ignored = [number for number in ignored if number not in _PYTHONS_OWN]
    for number in ignored:
        signal.signal(number, _ignore)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.register_at_fork(after_in_child=lambda: _reset(ignored))


def _reset(numbers: list[int]) -> None:
    for number in numbers:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


_start_children_with_default_signals()
