"""Which code of a step is the host's own, wherever it is: in a module's forward, in the loss, in a hook.

By the frames below the user's line where there are any, else by what the source of the line and of its function calls:
compiled code (numpy, builtins) has no frame. What cannot be distinguished from operations on tensors is not called host code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from gpuwatch.analyze.lines.element_loops import element_lines
from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.syntax import parsed
from gpuwatch.words.source_code import is_library, package_of

# Packages whose functions compute on the host, never on a tensor.
_HOST = frozenset(
    [
        "numpy",
        "scipy",
        "pandas",
        "PIL",
        "cv2",
        "sklearn",
        "skimage",
        "matplotlib",
        "seaborn",
        "librosa",
        "soundfile",
        "nltk",
        "networkx",
        "shapely",
        "pycocotools",
        "rouge_score",
        "sacrebleu",
        "jiwer",
        "editdistance",
        "Levenshtein",
        "json",
        "csv",
        "re",
        "random",
        "statistics",
        "bisect",
        "heapq",
        "pickle",
        "string",
        "difflib",
        "textwrap",
        "hashlib",
        "base64",
        "struct",
        "sqlite3",
        "logging",
    ]
)
_TENSORS = frozenset(
    ["torch", "torchvision", "torchaudio", "einops", "kornia", "timm", "transformers", "jax", "keras", "tensorflow"]
)
# Methods that arrays, random generators and Python's own containers have, and tensors do not.
_HOST_METHODS = frozenset(
    [
        "standard_normal",
        "permutation",
        "integers",
        "choice",
        "shuffle",
        "default_rng",
        "astype",
        "argwhere",
        "tolist",
        "append",
        "extend",
        "items",
        "keys",
        "values",
        "split",
        "join",
        "strip",
        "lower",
        "upper",
        "replace",
        "startswith",
        "endswith",
        "format",
        "encode",
        "decode",
        "setdefault",
        "popleft",
    ]
)
# What of any package or object is done at once, whatever it is called on.
_CHEAP = frozenset(
    [
        "sqrt",
        "log",
        "log2",
        "exp",
        "ceil",
        "floor",
        "prod",
        "pi",
        "numel",
        "size",
        "dim",
        "ndimension",
        "item",
        "get_rng_state",
    ]
)
_BUILTINS = frozenset(
    [
        "len",
        "range",
        "enumerate",
        "zip",
        "sorted",
        "min",
        "max",
        "sum",
        "abs",
        "int",
        "float",
        "str",
        "list",
        "dict",
        "set",
        "tuple",
        "map",
        "filter",
        "any",
        "all",
        "round",
        "ord",
        "chr",
        "isinstance",
        "print",
        "reversed",
        "divmod",
    ]
)
Kind = Literal["tensors", "host", "plain", "unknown", "clock"]
_OTHERS: frozenset[Kind] = frozenset(("tensors", "unknown"))


class _Function(NamedTuple):
    """A function in a source file: its lines, and whether all of it is the host's."""

    first: int
    last: int
    on_host: bool


class _Source(NamedTuple):
    """`lines`: those whose statement is a call of the host's, or works on one element after the other."""

    lines: frozenset[int]
    functions: tuple[_Function, ...]


def is_host_code(frames: Sequence[Frame]) -> bool:
    """Say whether a stack, the leaf last, ends in code of the host: not in torch, nor in what is built on it."""
    leaf = next((frame for frame in reversed(frames) if not frame.file.startswith("<")), None)
    if leaf is None:
        return False
    if is_library(leaf.file):
        return package_of(leaf.file) in _HOST
    return is_host_line(leaf.file, leaf.line)


def is_host_line(file: str, line: int) -> bool:
    """Say whether a line of the user's, with nothing below it, computes on the host, as far as its source tells."""
    source = _read(file)
    if source is None:
        return False
    around = [one for one in source.functions if one.first <= line <= one.last]
    innermost = max(around, key=lambda one: one.first, default=None)
    return line in source.lines or (innermost is not None and innermost.on_host)


@lru_cache(maxsize=256)
def _read(file: str) -> _Source | None:
    tree = parsed(file)
    if tree is None:
        return None
    modules = imported_packages(tree)
    found: set[int] = set()
    functions = []
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return))
            and node.value is not None
        ):
            if _is_of_host(node.value, modules):
                found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions.append(_Function(node.lineno, node.end_lineno or node.lineno, _is_all_of_host(node, modules)))
    return _Source(frozenset(found | element_lines(tree)), tuple(functions))


def _is_of_host(value: ast.expr, modules: Mapping[str, str]) -> bool:
    """Say whether a statement's value is what a function of the host's returns, given nothing that has to be computed."""
    if isinstance(value, (ast.Subscript, ast.Starred, ast.Await)):
        return _is_of_host(value.value, modules)
    if isinstance(value, ast.Tuple):
        return bool(value.elts) and all(_is_of_host(one, modules) for one in value.elts)
    if not isinstance(value, ast.Call):
        return False
    inner = call_kinds([*value.args, *value.keywords], modules)
    kind = _kind(value, modules)
    if kind == "plain":
        return any(_is_of_host(one, modules) for one in value.args) and not inner & _OTHERS
    return kind == "host" and not inner & _OTHERS


def _is_all_of_host(function: ast.AST, modules: Mapping[str, str]) -> bool:
    """Say whether a function calls nothing but what the host computes, or loops over loops with Python's own functions."""
    kinds = call_kinds([function], modules)
    if kinds & _OTHERS:
        return False
    if "clock" in kinds and _loops_by_the_clock(function):
        return True
    return "host" in kinds or ("plain" in kinds and _loops_in_loops(function))


def _loops_by_the_clock(function: ast.AST) -> bool:
    """Say whether a function goes on until a time, as a simulation does, without a product of tensors."""
    nodes = list(ast.walk(function))
    return any(isinstance(node, ast.While) for node in nodes) and not any(isinstance(n, ast.MatMult) for n in nodes)


def _loops_in_loops(function: ast.AST) -> bool:
    loops = [node for node in ast.walk(function) if isinstance(node, (ast.For, ast.While))]
    return any(
        isinstance(inner, (ast.For, ast.While)) for loop in loops for one in loop.body for inner in ast.walk(one)
    )


def call_kinds(nodes: Iterable[ast.AST], modules: Mapping[str, str]) -> frozenset[Kind]:
    """Return of what kinds the calls in some code are."""
    return frozenset(_kind(one, modules) for node in nodes for one in ast.walk(node) if isinstance(one, ast.Call))


def imported_packages(tree: ast.Module) -> dict[str, str]:
    """Return the package that each imported name is of."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                alias.asname or alias.name.partition(".")[0]: alias.name.partition(".")[0] for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: node.module.partition(".")[0] for alias in node.names}
    return found


def _kind(call: ast.Call, modules: Mapping[str, str]) -> Kind:
    root: ast.AST = call.func
    while isinstance(root, (ast.Attribute, ast.Call, ast.Subscript)):
        root = root.func if isinstance(root, ast.Call) else root.value
    package = modules.get(root.id, "") if isinstance(root, ast.Name) else ""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if package in _TENSORS:
        return "tensors"
    if name in _CHEAP or package in ("math", "itertools"):
        return "plain"
    if package in _HOST:
        return "host"
    if package == "time":
        return "clock"
    if isinstance(call.func, ast.Attribute):
        return "host" if name in _HOST_METHODS else "unknown"
    return "plain" if name in _BUILTINS else "unknown"
