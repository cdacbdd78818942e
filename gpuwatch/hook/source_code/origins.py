"""Whose code it is: the user's own, a library's, or ours; and where a callable was written."""

from __future__ import annotations

import functools
import linecache
import os
import re
import sys
import sysconfig
import types

from ...words import source_code
from ..process import command_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

HOOK = source_code.OWN_FOLDER
_STDLIB = tuple(
    os.path.realpath(path) + os.sep
    for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)}
    if path
)

_MOST_WRAPPERS, _MOST_DECORATOR_LINES = 8, 60


@functools.lru_cache(maxsize=None)
def is_user_file(filename: str) -> bool:
    """Return whether a code object's file is the user's: not a library's, not the interpreter's, not this hook's."""
    if filename == "<string>":
        # The user's with python -c; elsewhere dataclasses and the like make it.
        return getattr(sys.modules.get("__main__"), "__file__", None) is None
    path = absolute(filename)
    return not (source_code.is_library(path) or path.startswith(HOOK) or is_standard(path))


@functools.lru_cache(maxsize=None)
def is_programs(filename: str) -> bool:
    """Return whether a code object's file is of the installed package that this process was started to run."""
    return source_code.is_of_program(absolute(filename), _program())


@functools.lru_cache(maxsize=1)
def _program() -> str | None:
    return source_code.program_of(command_line())


@functools.lru_cache(maxsize=None)
def is_standard(filename: str) -> bool:
    """Return whether a code object's file is of this interpreter's standard library."""
    return os.path.realpath(filename).startswith(_STDLIB)


def user_frame(frame: FrameType | None, library: str | None = None) -> tuple[str, int, str] | tuple[None, None, None]:
    """Return (file, line, function) of the nearest user frame from `frame` outwards.

    Without any, the nearest of the program that was started; else the nearest that is neither ours nor in the folder
    `library`; else three Nones.
    """
    program = other = None
    while frame is not None:
        filename = frame.f_code.co_filename
        if is_user_file(filename):
            return frame_place(frame)
        if program is None and is_programs(filename):
            program = frame
        if other is None and not _is_inside(filename, library):
            other = frame
        frame = frame.f_back
    chosen = program or other
    return frame_place(chosen) if chosen is not None else (None, None, None)


def _is_inside(filename: str, library: str | None) -> bool:
    return filename.startswith(HOOK) or (library is not None and filename.startswith(library))


def frame_place(frame: FrameType) -> tuple[str, int, str]:
    """Return (file, line, function) of a frame, the file absolute."""
    return absolute(frame.f_code.co_filename), frame.f_lineno, frame.f_code.co_name


def callable_place(fn: Any) -> tuple[str | None, int | None, str]:
    """Return (file, line, name) of the definition behind a function, method, partial, callable object or decorator."""
    for _ in range(_MOST_WRAPPERS):
        inner = _wrapped(fn)
        if inner is None:
            break
        fn = inner
    code = getattr(fn, "__code__", None)
    if code is None:
        return None, None, getattr(fn, "__qualname__", None) or type(fn).__name__
    return absolute(code.co_filename), definition_line(code), getattr(fn, "__qualname__", code.co_name)


def _wrapped(fn: Any) -> Any:
    """Return what a wrapper calls; of a library's decorator without functools.wraps, the user's function in it."""
    if isinstance(fn, functools.partial):
        return fn.func
    inner = getattr(fn, "__wrapped__", None) or getattr(fn, "__func__", None)
    if inner is not None or type(fn) is not types.FunctionType or is_user_file(fn.__code__.co_filename):
        return inner
    cells = [cell.cell_contents for cell in fn.__closure__ or () if _is_set(cell)]
    users = [one for one in cells if type(one) is types.FunctionType and is_user_file(one.__code__.co_filename)]
    return users[0] if len(users) == 1 else None


def _is_set(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False  # not assigned yet


def definition_line(code: types.CodeType) -> int:
    """Return the line of a function's `def`: a decorated one begins with its first decorator."""
    first: int = code.co_firstlineno
    if not linecache.getline(code.co_filename, first).lstrip().startswith("@"):
        return first
    defines = re.compile(rf"\s*(async\s+)?def\s+{re.escape(code.co_name)}\b")
    after = range(first + 1, first + _MOST_DECORATOR_LINES)
    return next((line for line in after if defines.match(linecache.getline(code.co_filename, line))), first)


def user_files(*callables: object) -> set[str]:
    """Return the user's files among those of the main module and of the given callables."""
    mains = (sys.modules.get("__main__"), sys.modules.get("__mp_main__"))
    paths = [getattr(main, "__file__", None) for main in mains] + [callable_place(one)[0] for one in callables]
    return {absolute(path) for path in paths if path and is_user_file(path) and not path.startswith("<")}


def absolute(filename: str) -> str:
    """Return the absolute path of a code object's file; a name that is none as it is."""
    return filename if filename.startswith("<") else os.path.abspath(filename)
