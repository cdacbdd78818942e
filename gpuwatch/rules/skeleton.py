"""The skeleton of a new rule: its folder, in gpuwatch itself or in a package of the user's own."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Collection
from pathlib import Path
from string import Template

from gpuwatch.diagnosis.examples.complete import ID
from gpuwatch.errors import GpuwatchError, UsageError

SCENARIO = """
# Why no training in tests/scenarios has this cause. Delete it when one has.
NO_SCENARIO = "none is written yet"
"""
TEMPLATES = Path(__file__).parent / "_skeleton"


def write(id: str, base: Path, known: Collection[str]) -> Path:
    """Write the skeleton of a rule below `base` and return its folder; `known`: the ids that are taken.

    Raises UsageError for an id or a folder that cannot be, GpuwatchError when it cannot be written.
    """
    slug = _slug(id, known)
    if not base.is_dir():
        raise UsageError(f"there is no folder {base}", "Make it first, or name another one with --into")
    folder = _home(base) / slug
    scenario = SCENARIO if is_own(folder) else ""
    if folder.exists():
        raise UsageError(f"{folder} exists", "Choose another id, or remove it")
    try:
        folder.mkdir()
        (folder / "__init__.py").write_text("", encoding="utf-8")
        for template in sorted(TEMPLATES.glob("*.txt")):
            text = Template(template.read_text(encoding="utf-8")).substitute(id=id, scenario=scenario)
            (folder / template.stem).write_text(text, encoding="utf-8")
    except OSError as error:
        raise GpuwatchError(f"{folder} cannot be written: {error.strerror or error}", "Use --into") from error
    return folder


def _slug(id: str, known: Collection[str]) -> str:
    """Return the name of a rule's folder. Raises UsageError for an id that cannot be."""
    if not ID.fullmatch(id):
        raise UsageError(f"{id!r} is no id of a rule", "Use lower-case words with dashes, such as slow-startup")
    if id in known:
        raise UsageError(f"there is a rule {id}", f"Read it with `gpuwatch explain {id}`, or choose another id")
    slug = id.replace("-", "_")
    if keyword.iskeyword(slug) or slug in sys.stdlib_module_names:
        raise UsageError(f"a folder {slug} would hide a name of Python's", "Use two words or more")
    return slug


def _home(base: Path) -> Path:
    """Return the folder that holds the rules: gpuwatch's own below a checkout of it, else `base` itself."""
    own = base / "gpuwatch" / "rules"
    return own if (own / "__init__.py").is_file() else base


def is_own(folder: Path) -> bool:
    """Say whether a rule's folder is one of gpuwatch's own rules."""
    return module_of(folder)[1].startswith("gpuwatch.rules.")


def module_of(folder: Path) -> tuple[Path, str]:
    """Return the folder that must be on sys.path to import a rule's folder, and its name as a package."""
    names, parent = [folder.resolve().name], folder.resolve().parent
    while (parent / "__init__.py").is_file():
        names.insert(0, parent.name)
        parent = parent.parent
    return parent, ".".join(names)
