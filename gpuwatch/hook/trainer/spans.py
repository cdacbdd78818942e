"""Named spans of the trainer: checkpoints, written by torch.save or safetensors, with the user's line."""

from __future__ import annotations

import functools
import sys

from ..event_log import spool
from ..source_code import callers
from . import activity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

# What a module's checkpoint function is called, and where else it may have been imported to already.
_SAVERS: dict[str, tuple[str, str | None]] = {
    "torch.serialization": ("save", "torch"),
    "safetensors.torch": ("save_file", None),
}


def on_import(name: str, module: ModuleType) -> None:
    """Have every call of the module's saver written as a `checkpoint` span."""
    saver, re_exported = _SAVERS[name]
    original = getattr(module, saver)
    wrapped = timed(original, "checkpoint")
    for holder in (module, sys.modules.get(re_exported or name)):
        if getattr(holder, saver, None) is original:
            setattr(holder, saver, wrapped)


def timed(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return `original` with every call written as a span called `name`."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        start_ns = activity.now_ns()
        try:
            return original(*args, **kwargs)
        finally:
            _write(name, start_ns)

    return call


def _write(name: str, start_ns: int) -> None:
    try:
        end_ns = activity.now_ns()
        spool.event("span", name, start_ns, end_ns, *callers.calling_place())
    except Exception:
        pass  # the checkpoint itself is written; only its span is lost
