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
    worker none below the loader, it is the nearest line of the program that was started, else the outermost library line.
    """
    inner = outermost = _below_hook(innermost)
    program: FrameType | None = None
    frame: FrameType | None = inner
    importing = False
    while frame is not None:
        filename = frame.f_code.co_filename
        if origins.is_user_file(filename):
            return _line(inner, frame), importing
        if in_worker and source_code.is_loader(filename):
            break
        importing = importing or source_code.is_importing(filename, frame.f_code.co_name)
        if program is None and origins.is_programs(filename):
            program = frame
        if not filename.startswith((origins.HOOK, "<")) and not source_code.is_console_script(filename):
            outermost = frame
        frame = frame.f_back
    return _line(inner, program or outermost), importing


def _line(inner: FrameType, chosen: FrameType) -> tuple[str, int, str, str | None]:
    file, line, name = origins.frame_place(chosen)
    function = getattr(chosen.f_code, "co_qualname", name)
    return file, line, function, None if chosen is inner else _callee(inner, chosen)


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
