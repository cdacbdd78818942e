"""Objects that are built for each item or in each step: samples below a constructor that the user's code calls there."""

from __future__ import annotations

import linecache
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from gpuwatch.analyze.lines.constructions import construction_at
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.measures import Place
from gpuwatch.model.setups import Setup
from gpuwatch.words.source_code import is_fetcher, is_library, is_loader, package_of

Per = Literal["item", "step"]
_PER: dict[str, Per] = {"fetch": "item", "collate": "item", "step": "step", "long step": "step"}
_CONSTRUCTORS = frozenset(("__init__", "__new__", "from_pretrained", "from_config", "connect", "compile"))
# What opens an archive or an image for each item has a finding of its own; and what these build is used up.
_OPENS = frozenset(("zipfile", "tarfile", "h5py", "PIL", "io", "gzip", "lzma", "bz2", "netCDF4", "lmdb"))
_LEAST = 0.02


class _Key(NamedTuple):
    per: Per
    file: str
    line: int
    name: str


def find_setups(lines: Sequence[HotLine]) -> tuple[Setup, ...]:
    """Return what is built again and again, the costliest first."""
    around = _around_loop(lines)
    shares: dict[_Key, list[tuple[float, int]]] = defaultdict(list)
    functions: dict[_Key, str] = {}
    for line in lines:
        per = _PER.get(line.activity)
        if per is None or (per == "step" and line.process_role != "trainer") or line.share < _LEAST:
            continue
        found = _below_constructor(line, per, around) or _compiled(line, per)
        if found is not None:
            key, function = found
            shares[key].append((line.share, line.samples))
            functions[key] = function
    setups = (_setup(key, functions[key], found) for key, found in shares.items())
    return tuple(sorted(setups, key=lambda setup: -setup.share))


def _setup(key: _Key, function: str, found: Sequence[tuple[float, int]]) -> Setup:
    source = linecache.getline(key.file, key.line).strip() or None
    share, samples = sum(share for share, _ in found), sum(samples for _, samples in found)
    return Setup(key.name, key.per, Place(key.file, key.line, function), source, share, samples)


def _around_loop(lines: Iterable[HotLine]) -> frozenset[tuple[str, int]]:
    """Return the places that all stacks of the step have in common: the calls that lead to the loop."""
    stacks = [line.stack for line in lines if _PER.get(line.activity) == "step" and line.stack]
    common = [{(place.file, place.line) for place in stack} for stack in stacks]
    return frozenset(set.intersection(*common)) if common else frozenset()


def _below_constructor(line: HotLine, per: Per, around: Container[tuple[str, int]]) -> tuple[_Key, str] | None:
    """Return the outermost call of a constructor by the user's code in a line's stack, if it builds the same each time."""
    stack = _work(line.stack) if per == "item" else [p for p in line.stack if (p.file, p.line) not in around]
    for caller, called in pairwise(stack):
        owner, _, name = (called.function or "").rpartition(".")
        if name not in _CONSTRUCTORS or is_library(caller.file) or _is_used_up(called.file):
            continue
        built = construction_at(caller.file, caller.line, owner.rpartition(".")[2] or None)
        built = built or construction_at(caller.file, caller.line)
        if (
            built is None
            or built.depends
            or (per == "step" and not built.repeats)
            or (caller.function or "").endswith("__init__")
        ):
            return None
        return _Key(per, caller.file, caller.line, built.name), caller.function or ""
    return None


def _compiled(line: HotLine, per: Per) -> tuple[_Key, str] | None:
    """Return a line that does nothing else than to call a constructor of compiled code, which has no frame."""
    innermost = line.stack[-1] if line.stack else None
    if innermost is not None and (innermost.file, innermost.line) != (line.file, line.line):
        return None
    if line.function.rpartition(".")[2] == "__init__" or is_library(line.file):
        return None
    built = construction_at(line.file, line.line)
    if built is None or built.depends or not built.alone or (per == "step" and not built.repeats):
        return None
    return _Key(per, line.file, line.line, built.name), line.function


def _is_used_up(file: str) -> bool:
    return is_loader(file) or package_of(file) in (*_OPENS, "multiprocessing", "threading", "subprocess")


def _work(stack: Sequence[Place]) -> Sequence[Place]:
    """Return the calls of a stack that belong to making an item."""
    at = max((i for i, place in enumerate(stack) if is_fetcher(place.file)), default=-1)
    return stack[at + 1 :]
