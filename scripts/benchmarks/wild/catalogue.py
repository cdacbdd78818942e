"""The declared projects, by name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from scripts.benchmarks.wild.project import FOLDER, Project, Variant

PATCHES = Path(__file__).parent / "patches"


def names() -> list[str]:
    """Return the names of all projects."""
    return sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__")


def load(name: str) -> Project:
    """Return a project as its module declares it."""
    spec = importlib.util.spec_from_file_location(f"wild_project_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    project: Project = module.PROJECT
    if project.name != name:
        raise ValueError(f"projects/{name}.py declares a project named {project.name}")
    return project


def files(project: Project) -> Path:
    """Return the folder of what the project needs beside its declaration."""
    return FOLDER / project.name


def patch_file(project: Project, variant: Variant) -> Path | None:
    """Return the file that a variant executes: the project's own, or one that several share; None without one."""
    own = files(project) / variant.patch
    return (own if own.exists() else PATCHES / variant.patch) if variant.patch else None
