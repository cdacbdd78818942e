"""Code objects of functions known by file or module, qualified name and perhaps a line: found where they are now.

Looked for in the modules that define them (the script also as spawn's `__mp_main__`; methods, properties, nested
functions, and what a decorator has wrapped, with or without functools.wraps), and among the frames that run.
"""

import dis
import functools
import os
import sys
import types

_DEEPEST = 12
_FUNCTIONS = (types.FunctionType, types.MethodType, staticmethod, classmethod, functools.partial)
_INLINE = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")


class Named:
    """One function as asked for. `file`: absolute; or `module`. `line`: one of its lines, where known."""

    __slots__ = ("given", "file", "module", "function", "line")

    def __init__(self, told):
        self.given = told.get("file")
        self.file = os.path.realpath(told["file"]) if told.get("file") else None
        self.module = told.get("module")
        self.function = _plain(told["function"])
        self.line = told.get("line")

    def find(self, stack):
        """Return the code objects that fit; `stack` is the innermost running frame, or None."""
        files = self._files()
        names = {os.path.basename(file) for file in (*files, self.given or "")}
        found = {}
        for module in list(sys.modules.values()):
            # By the name first: to resolve the links of thousands of modules takes a tenth of a second.
            if os.path.basename(str(_attributes(module).get("__file__"))) in names and _file_of(module) in files:
                _walk(_attributes(module), "", module.__name__, found, set(), 0)
        while stack is not None:
            _add(stack.f_code, _plain(getattr(stack.f_code, "co_qualname", stack.f_code.co_name)), found)
            stack = stack.f_back
        return self._choose([(name, code) for code, name in found.items() if _real(code.co_filename) in files])

    def _files(self):
        if self.file:
            return {self.file}
        main = _file_of(sys.modules.get("__main__")) or _file_of(sys.modules.get("__mp_main__"))
        stem = os.path.splitext(os.path.basename(main))[0] if main else None
        return {_file_of(sys.modules.get(self.module)), main if stem == self.module else None} - {None}

    def _choose(self, codes):
        called = [(name, code) for name, code in codes if ("." + name).endswith("." + self.function)]
        if self.line is None:
            return [code for _name, code in called]
        # The name goes first: the file may have changed since the line was seen.
        for those in (called, codes):
            holding = [code for _name, code in those if self.line in _lines(code) and code.co_name not in _INLINE]
            if holding:
                return [max(holding, key=lambda code: code.co_firstlineno)]
        return [code for _name, code in called]


def _plain(name):
    return name.replace(".<locals>", "")


def _lines(code):
    return {line for _offset, line in dis.findlinestarts(code)}


@functools.lru_cache(None)
def _real(filename):
    return os.path.realpath(filename)


def _file_of(module):
    file = _attributes(module).get("__file__")  # not by getattr: a lazy module would be loaded by it
    return _real(file) if isinstance(file, str) else None


def _add(code, name, found):
    """Note a code object and those nested in it, each with its qualified name."""
    if code in found:
        return
    found[code] = name
    inside = "" if name == "<module>" else name + "."
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            _add(constant, inside + constant.co_name, found)


def _walk(namespace, prefix, module, found, seen, depth):
    for name, value in namespace.items():
        _visit(value, prefix + name, module, found, seen, depth)


def _visit(value, name, module, found, seen, depth):
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


def _inside(value):
    """Return the functions that a wrapper of any kind stands for; nothing of the user's is called to find them."""
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, (staticmethod, classmethod, types.MethodType)):
        return [value.__func__]
    held = [value.func] if isinstance(value, functools.partial) else []
    if type(value) is types.FunctionType:
        held += [_content(cell) for cell in value.__closure__ or ()]
    # lru_cache's __wrapped__, cached_property's func, what a class used as a decorator keeps.
    held += [one for one in _attributes(value).values() if type(one) is types.FunctionType]
    return [one for one in held if isinstance(one, _FUNCTIONS)]


def _attributes(value):
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except (AttributeError, TypeError):
        return {}


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return None  # not assigned yet
