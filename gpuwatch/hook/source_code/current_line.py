"""At which line a stack is, seen from inside the process: the user's own, and the library function called from it."""

from __future__ import annotations

from ...words import source_code
from . import origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def line_of(innermost: FrameType, in_worker: bool) -> tuple[tuple[str, int, str, str | None], bool]:
    """Return (file, line, function, callee), and whether an import is under way below the line.

    That is the nearest user line, and the library function called from it. Where no user code is on the stack, or in a
    worker none below the loader, it is the outermost library line.
    """
    inner = last = _below_hook(innermost)
    frame: FrameType | None = inner
    importing = False
    while frame is not None:
        filename = frame.f_code.co_filename
        if origins.is_user_file(filename):
            last = frame
            break
        if in_worker and source_code.is_loader(filename):
            break
        importing = importing or source_code.is_importing(filename, frame.f_code.co_name)
        if not filename.startswith((origins.HOOK, "<")):
            last = frame
        frame = frame.f_back
    file, line, name = origins.frame_place(last)
    function = getattr(last.f_code, "co_qualname", name)
    return (file, line, function, None if last is inner else _callee(inner, last)), importing


def _below_hook(frame: FrameType) -> FrameType:
    """Skip our own frames: a tick during a collection or a measured call arrives in them."""
    while frame.f_code.co_filename.startswith(origins.HOOK) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _callee(inner: FrameType, until: FrameType) -> str | None:
    """Name the innermost library function; those of the standard library and ours only if there is no other."""
    frame: FrameType | None = inner
    chosen: FrameType | None = None
    while frame is not None and frame is not until:
        filename = frame.f_code.co_filename
        if not filename.startswith(origins.HOOK):
            chosen = chosen or frame
            if source_code.is_installed(filename):
                chosen = frame
                break
        frame = frame.f_back
    if chosen is None:
        return None
    name = getattr(chosen.f_code, "co_qualname", chosen.f_code.co_name)
    return "{}.{}".format(chosen.f_globals.get("__name__", "?"), name)
