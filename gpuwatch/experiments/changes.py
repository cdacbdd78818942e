"""The change of a remedy as data: which of the user's files, where in it, and what; or why no program can make it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal

from gpuwatch.experiments import rewriting
from gpuwatch.records import dataclass

Kind = Literal[
    "by hand", "loader", "call", "derived class", "optimizer", "order", "draft", "reduced", "one thread", "at the top"
]
ONE_THREAD = "one_thread"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of source. `file` and `line`: where it is made; a call or a derived class is looked for in all files of
    the user's by its `name`. `words`: keywords to pass, as code. `early`: entries before which `name` is moved. `why`: what
    keeps a program from making it."""

    kind: Kind
    file: str | None = None
    line: int = 0
    name: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    early: tuple[str, ...] = ()
    scale: int = 1
    why: str = ""

    @property
    def place(self) -> str:
        """Return where it is made."""
        return f"{self.file}:{self.line}" if self.file else "your files"


def applied(change: Change, source: str) -> str | None:
    """Return a file's source with the change; None where its code is not of a form that can be changed for certain."""
    try:
        changed = _CHANGES[change.kind](change, source) if change.kind in _CHANGES else None
        if changed is not None:
            ast.parse(changed)
    except (SyntaxError, ValueError):
        return None
    return changed if changed != source else None


def why_not(change: Change) -> str:
    """Return why a change could not be made."""
    if change.why:
        return change.why
    if change.kind == "optimizer":
        return f"your files have no single call that makes the optimizer: pass {_written(change.words)} to it"
    if change.kind in ("call", "derived class"):
        wanted = f"class derived from {change.name}" if change.kind == "derived class" else f"call of {change.name}"
        return (
            f"your files have no {wanted}, or several: pass {_written(change.words)} where the loader's options are set"
        )
    if change.file is None:
        return "the line to change was not recorded"
    return _FORMS[change.kind].format(change.place)


def _written(words: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in words.items())


def _order(change: Change, source: str) -> str | None:
    return rewriting.reordered(source, change.line, change.name, change.early)


def _one_thread(change: Change, source: str) -> str | None:
    """Have the loader at a line start its workers with a function that leaves each library one thread."""
    if "worker_init_fn" in source:
        return None
    named = rewriting.with_keywords(source, change.line, {"worker_init_fn": ONE_THREAD})
    lines = [f"def {ONE_THREAD}(worker):", "    torch.set_num_threads(1)"]
    if "import torch\n" not in source:
        lines.insert(1, "    import torch\n")
    if "cv2" in source:
        lines += (
            ["    cv2.setNumThreads(0)"]
            if "import cv2\n" in source
            else ["    import cv2\n", "    cv2.setNumThreads(0)"]
        )
    return rewriting.with_function(named, "\n".join(lines) + "\n") if named else None


def _imported(change: Change, source: str) -> str:
    ((module, line),) = change.words.items()
    return line if f"import {module}\n" in source else f"import {module}\n\n{line}"


_CHANGES: dict[Kind, Callable[[Change, str], str | None]] = {
    "loader": lambda change, source: rewriting.with_keywords(source, change.line, change.words),
    "call": lambda change, source: rewriting.with_keywords_of(source, change.name, change.words),
    "optimizer": lambda change, source: rewriting.with_keywords_of(source, change.name, change.words),
    "at the top": lambda change, source: rewriting.with_function(source, _imported(change, source)),
    "derived class": lambda change, source: rewriting.with_base_keywords(source, change.name, change.words),
    "order": _order,
    "draft": lambda change, source: rewriting.drafted(source, change.line, change.scale),
    "reduced": lambda change, source: rewriting.reduced(source, change.line, change.scale),
    "one thread": _one_thread,
}
_FORMS: dict[Kind, str] = {
    "loader": "{} is not one plain call of a DataLoader",
    "order": "{} is not in one list that holds both transforms",
    "draft": "{} is not a statement with one Image.open(...)",
    "reduced": "{} is not one plain call of OpenCV's reader",
    "at the top": "{} has no imports to put it after",
    "one thread": "{} is not one plain call of a DataLoader without a worker_init_fn of its own",
}
