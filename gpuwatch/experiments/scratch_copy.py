"""A folder of the user's as it would be with some files changed: those are written, all else is linked.

Only the folders that lead to a changed file are made, so that data beside the code is not copied. What the training
writes by relative paths lands here, unless it goes into a folder that is linked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

# What is of no use to the copy, or would be written to by another run.
_LEFT_OUT = frozenset((".gpuwatch", "__pycache__"))


def make(root: Path, texts: Mapping[str, str], copy: Path) -> None:
    """Make `copy` look like `root`, with these files (named from `root` on) as given. Raises OSError."""
    folders = {parent for name in texts for parent in Path(name).parents}
    for folder in sorted(folders | {Path()}):
        (copy / folder).mkdir(parents=True, exist_ok=True)
        for entry in os.scandir(root / folder):
            place = folder / entry.name
            if place in folders or place.as_posix() in texts or entry.name in _LEFT_OUT:
                continue
            (copy / place).symlink_to(os.path.abspath(entry.path))
    for name, text in texts.items():
        (copy / name).write_text(text, encoding="utf-8")


def command_in(command: Sequence[str], root: Path, names: Iterable[str], copy: Path) -> tuple[str, ...]:
    """Return a command whose absolute paths to copied files point to the copies."""
    moved = {str(root / name): str(copy / name) for name in names}
    return tuple(moved.get(argument, argument) for argument in command)


def scripts_of(command: Sequence[str], root: Path, cwd: Path) -> list[str]:
    """Return the Python files below `root` that a command names: the interpreter looks for modules beside the real file."""
    files = [Path(os.path.abspath(cwd / argument)) for argument in command if argument.endswith(".py")]
    return [file.relative_to(root).as_posix() for file in files if file.is_file() and file.is_relative_to(root)]


def import_path(names: Iterable[str], root: Path, copy: Path, given: str) -> str:
    """Return a PYTHONPATH with which the copies are imported, also where an installation points to `root`: the folders
    above the packages of the changed files, then what was `given`, moved where it lies below `root`."""
    tops = [_above_package(root, Path(name)) for name in names]
    old = [_moved(Path(entry), root, copy) for entry in given.split(os.pathsep) if entry]
    return os.pathsep.join(dict.fromkeys([str(copy / top) for top in tops] + old))


def _above_package(root: Path, name: Path) -> Path:
    folder = name.parent
    while folder != Path() and (root / folder / "__init__.py").exists():
        folder = folder.parent
    return folder


def _moved(entry: Path, root: Path, copy: Path) -> str:
    whole = Path(os.path.abspath(entry))
    return str(copy / whole.relative_to(root)) if whole.is_relative_to(root) else str(entry)
