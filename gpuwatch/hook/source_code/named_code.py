"""Code objects of functions known by file or module, qualified name and perhaps a line: found where they are now.

Looked for in the modules that define them (the script also as spawn's `__mp_main__`; methods, properties, nested
functions, and what a decorator has wrapped, with or without functools.wraps), and among the frames that run.
"""

from __future__ import annotations

import dis
import functools
import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import CodeType, FrameType
    from typing import Any

_DEEPEST = 12
_FUNCTIONS = (types.FunctionType, types.MethodType, staticmethod, classmethod, functools.partial)
_INLINE = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")


class Named:
    """One function as requested. `file`: absolute; or `module`. `line`: one of its lines, where known."""

    __slots__ = ("file", "function", "given", "line", "module")

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.given: str | None = request.get("file")
        self.file = os.path.realpath(self.given) if self.given else None
        self.module: str | None = request.get("module")
        self.function = _plain(request["function"])
        self.line: int | None = request.get("line")

    def find(self, stack: FrameType | None) -> list[CodeType]:
        """Return the code objects that fit; `stack` is the innermost running frame, or None."""
        files = self._files()
        names = {os.path.basename(file) for file in (*files, self.given or "")}
        found: dict[CodeType, str] = {}
        for module in list(sys.modules.values()):
            # By the name first: to resolve the links of thousands of modules takes a tenth of a second.
            if os.path.basename(str(_attributes(module).get("__file__"))) in names and _file_of(module) in files:
                _walk(_attributes(module), "", module.__name__, found, set(), 0)
        while stack is not None:
            _add(stack.f_code, _plain(getattr(stack.f_code, "co_qualname", stack.f_code.co_name)), found)
            stack = stack.f_back
        return self._choose([(name, code) for code, name in found.items() if _real(code.co_filename) in files])

    def _files(self) -> set[str]:
        if self.file:
            return {self.file}
        main = _file_of(sys.modules.get("__main__")) or _file_of(sys.modules.get("__mp_main__"))
        stem = os.path.splitext(os.path.basename(main))[0] if main else None
        files = {_file_of(sys.modules.get(self.module or "")), main if stem == self.module else None}
        return {file for file in files if file}

    def _choose(self, codes: list[tuple[str, CodeType]]) -> list[CodeType]:
        called = [(name, code) for name, code in codes if ("." + name).endswith("." + self.function)]
        if self.line is None:
            return [code for _name, code in called]
        # The name goes first: the file may have changed since the line was seen.
        for those in (called, codes):
            holding = [code for _name, code in those if self.line in _lines(code) and code.co_name not in _INLINE]
            if holding:
                return [max(holding, key=lambda code: code.co_firstlineno)]
        return [code for _name, code in called]


def _plain(name: str) -> str:
    return name.replace(".<locals>", "")


def _lines(code: CodeType) -> set[int | None]:
    return {line for _offset, line in dis.findlinestarts(code)}


@functools.lru_cache(None)
def _real(filename: str) -> str:
    return os.path.realpath(filename)


def _file_of(module: object) -> str | None:
    file = _attributes(module).get("__file__")  # not by getattr: a lazy module would be loaded by it
    return _real(file) if isinstance(file, str) else None


def _add(code: CodeType, name: str, found: dict[CodeType, str]) -> None:
    """Note a code object and those nested in it, each with its qualified name."""
    if code in found:
        return
    found[code] = name
    inside = "" if name == "<module>" else name + "."
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            _add(constant, inside + constant.co_name, found)


def _walk(
    namespace: Mapping[str, Any], prefix: str, module: str, found: dict[CodeType, str], seen: set[int], depth: int
) -> None:
    for name, value in namespace.items():
        _visit(value, prefix + name, module, found, seen, depth)


def _visit(value: Any, name: str, module: str, found: dict[CodeType, str], seen: set[int], depth: int) -> None:
    if depth > _DEEPEST or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, type):
        if value.__module__ == module:
            _walk(dict(vars(value)), _plain(value.__qualname__) + ".", module, found, seen, depth + 1)
        return
    if type(value) is types.FunctionType:
        code = value.__code__
        _add(code, _plain(getattr(code, "co_qualname", value.__qualname__)), found)
    for inner in _inside(value):
        _visit(inner, name, module, found, seen, depth + 1)


def _inside(value: Any) -> Iterable[Any]:
    """Return the functions that a wrapper of any kind wraps; nothing of the user's is called to find them."""
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, (staticmethod, classmethod, types.MethodType)):
        return [value.__func__]
    wrapped: list[Any] = [value.func] if isinstance(value, functools.partial) else []
    if type(value) is types.FunctionType:
        wrapped += [_content(cell) for cell in value.__closure__ or ()]
    # lru_cache's __wrapped__, cached_property's func, what a class used as a decorator keeps.
    wrapped += [one for one in _attributes(value).values() if type(one) is types.FunctionType]
    return [one for one in wrapped if isinstance(one, _FUNCTIONS)]


def _attributes(value: object) -> dict[str, Any]:
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except (AttributeError, TypeError):
        return {}


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None  # not assigned yet
