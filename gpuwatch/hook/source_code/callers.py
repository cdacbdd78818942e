"""The user's frame below which the hook was called, and where a class is defined."""

from __future__ import annotations

import os
import sys

from ...words import source_code
from . import origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

    # file, line, function
    Place = tuple[str | None, int | None, str | None]

_DEEPEST = 60
# Whose frames only carry out what their caller asked for.
_BELOW = ("torch", "torchdata", "multiprocessing", "weakref", "gc")
_USER, _PROGRAM, _LIBRARY, _MACHINE = "user", "program", "library", "machinery"


def calling_place() -> Place:
    """Return (file, line, function) of the user's frame below which we were called.

    The first frame outside installed packages and the standard library; else the first of the installed program that
    was started; else the first outside the training frameworks; (None, None, None) when there is none of these.
    """
    return _place_from(sys._getframe(1))


def calling_library() -> list[object] | None:
    """Return [module, file, line] of the first frame below which we were called that is neither torch's nor ours, where an
    installed package has it; None where that is the user's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file, module = frame.f_code.co_filename, str(frame.f_globals.get("__name__"))
        if not file.startswith((origins.HOOK, "<frozen")) and module.partition(".")[0] not in _BELOW:
            library = source_code.is_installed(file) or source_code.is_framework(module)
            return [module, _absolute(file), frame.f_lineno] if library else None
        frame = frame.f_back
    return None


def is_called_by_user() -> bool:
    """Say whether a frame of the user's, or of the program that was started, is among those below which we were called."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if _kind(frame) in (_USER, _PROGRAM):
            return True
        frame = frame.f_back
    return False


def is_called_by(module: str | None) -> bool:
    """Say whether the function that asks was called by code of the package that a module belongs to."""
    caller = sys._getframe(2)
    return str(caller.f_globals.get("__name__")).partition(".")[0] == str(module).partition(".")[0]


def is_called_by_constructor() -> bool:
    """Say whether the function that asks was called by an `__init__`."""
    return sys._getframe(2).f_code.co_name == "__init__"


def is_below(file: str, function: str, deepest: int) -> bool:
    """Say whether we were called below a function of a file that ends so."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(deepest):
        if frame is None:
            break
        code = frame.f_code
        if code.co_name == function and code.co_filename.replace(os.sep, "/").endswith(file):
            return True
        frame = frame.f_back
    return False


def constructing_place(made: object) -> tuple[Place, bool]:
    """Return (place, direct) of the call that constructed `made`: the user's frame, and whether no framework is between.

    A subclass's own call of `super().__init__` constructs nothing: the call of the class itself is meant.
    """
    frame = _constructing_frame(made)
    return _place_from(frame), frame is not None and _kind(frame) != _MACHINE


def constructing_library(made: object) -> tuple[str, str, int] | None:
    """Return (module, file, line) of an installed package's call that constructed `made`; None for a call of the user's."""
    frame = _constructing_frame(made)
    if frame is None:
        return None
    module, file = str(frame.f_globals.get("__name__")), frame.f_code.co_filename
    library = source_code.is_installed(file) or source_code.is_framework(module)
    return (module, _absolute(file), frame.f_lineno) if library else None


def _constructing_frame(made: object) -> FrameType | None:
    constructors = _constructors(type(made))
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (frame.f_code.co_filename.startswith(origins.HOOK) or frame.f_code in constructors):
        frame = frame.f_back
    return frame


def _constructors(cls: type) -> set[CodeType | None]:
    # By code object: to read a frame's locals would keep them alive.
    codes: set[CodeType | None] = set()
    for base in cls.__mro__:
        function = vars(base).get("__init__")
        while function is not None:
            codes.add(getattr(function, "__code__", None))
            function = getattr(function, "__wrapped__", None)
    return codes


def _place_from(frame: FrameType | None) -> Place:
    nearest: dict[str, Place] = {}
    for _ in range(_DEEPEST):
        if frame is None:
            break
        kind = _kind(frame)
        if kind == _USER:
            return _place(frame)
        if kind != _MACHINE and kind not in nearest:
            nearest[kind] = _place(frame)
        frame = frame.f_back
    return nearest.get(_PROGRAM) or nearest.get(_LIBRARY) or (None, None, None)


def _kind(frame: FrameType) -> str:
    file = frame.f_code.co_filename
    module = frame.f_globals.get("__name__")
    if source_code.is_framework(module) or module == source_code.MARKS or file.startswith((origins.HOOK, "<frozen")):
        return _MACHINE
    if origins.is_programs(file):
        return _PROGRAM
    if source_code.is_installed(file):
        return _LIBRARY
    return _USER if origins.is_user_file(file) else _MACHINE


def _place(frame: FrameType) -> Place:
    code = frame.f_code
    return _absolute(code.co_filename), frame.f_lineno, getattr(code, "co_qualname", code.co_name)


def _absolute(file: str) -> str:
    return file if file.startswith("<") else os.path.abspath(file)


def class_place(cls: type, method: str) -> tuple[str | None, int | None]:
    """Return (file, line) where `cls` defines `method`, or else of its module; (None, None) for built-in classes."""
    file, line, _name = origins.callable_place(getattr(cls, method, None))
    if line is not None:
        return file, line
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return (os.path.abspath(file), None) if file else (None, None)
