"""The user's line that chooses a thing, found in the source of the files that the samples were in: only where it is sure."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from gpuwatch.analyze.syntax import parsed
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.measures import Place
from gpuwatch.model.threads import Line
from gpuwatch.words.source_code import is_library

# What makes a batch of rows of one length, from the surest to the least.
_PADDING_OPTION = "padding"
_PADS = ({"pad_sequence", "pad"}, {"zeros", "full", "new_zeros", "new_full", "ones"})
# With these a model computes on values alone, however its input is padded.
_PACKS = frozenset(
    [
        "pack_padded_sequence",
        "pack_sequence",
        "nested_tensor",
        "as_nested_tensor",
        "flash_attn_varlen_func",
        "unpad_input",
        "_upad_input",
    ]
)
_TABLES = frozenset(("Embedding", "EmbeddingBag"))


class Call(NamedTuple):
    """A call in a source file. `arguments`: the texts of its keyword arguments, by name."""

    name: str
    line: int
    function: str
    arguments: dict[str, str]


def user_files(lines: Iterable[HotLine]) -> tuple[str, ...]:
    """Return the user's files that the samples of a run were in."""
    named = {place.file for line in lines for place in line.stack} | {line.file for line in lines}
    return tuple(sorted(file for file in named if not is_library(file)))


def pool_line(files: Iterable[str], pools: Collection[str]) -> Line | None:
    """Return the only line that makes a pool of threads."""
    return _only(_named(files, pools))


def table_line(files: Sequence[str], optimizer: str) -> Line | None:
    """Return the only line that makes a table of embeddings, else the only one that makes the optimizer."""
    return _only(_named(files, _TABLES)) or _only(_named(files, {optimizer}))


def padding_line(files: Sequence[str], collate: str | None) -> Line | None:
    """Return the line that fills rows up to one length: by an option of that name, else in the collate function."""
    optional = [(file, call) for file in files for call in _calls(file) if _pads(call)]
    if optional:
        return _only(optional)
    for names in _PADS:
        found = [(file, call) for file, call in _named(files, names) if collate is None or call.function == collate]
        if found:
            return _line(*found[0])
    return None


def packs(files: Iterable[str], lines: Iterable[HotLine]) -> bool:
    """Say whether the user's code packs sequences before it computes on them, or samples met a function that does."""
    met = any((place.function or "").rpartition(".")[2] in _PACKS for line in lines for place in line.stack)
    return met or bool(_named(files, _PACKS))


def _pads(call: Call) -> bool:
    text = call.arguments.get(_PADDING_OPTION, "")
    return text.strip("'\"") in ("max_length", "longest", "True")


def _named(files: Iterable[str], names: Collection[str]) -> list[tuple[str, Call]]:
    return [(file, call) for file in files for call in _calls(file) if call.name in names]


def _only(found: Sequence[tuple[str, Call]]) -> Line | None:
    return _line(*found[0]) if len(found) == 1 else None


def _line(file: str, call: Call) -> Line:
    return Line(Place(file, call.line, call.function), linecache.getline(file, call.line).strip() or None)


@lru_cache(maxsize=256)
def _calls(file: str) -> tuple[Call, ...]:
    tree = parsed(file)
    if tree is None:
        return ()
    found: list[Call] = []
    _collect(tree, "<module>", found)
    return tuple(found)


def _collect(node: ast.AST, function: str, found: list[Call]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            name = child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
            arguments = {one.arg: ast.unparse(one.value) for one in child.keywords if one.arg}
            found.append(Call(name, child.func.end_lineno or child.lineno, function, arguments))
        inner = child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
        _collect(child, inner, found)
