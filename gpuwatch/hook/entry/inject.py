"""Getting the hook into a command: the boot folder in the run folder, and the environment that points at it."""

from __future__ import annotations

import os
import py_compile
import shutil

from ...words import WITH_HOOK
from ...words.patch_points import placed_on_import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Union

    StrPath = Union[str, os.PathLike[str]]

PACKAGE = "_gpuwatch"
_ENTRY = os.path.dirname(os.path.abspath(__file__))
_HOOK = os.path.dirname(_ENTRY)
_WORDS = os.path.join(os.path.dirname(_HOOK), "words")
_FIRST, _BOOT = "sitecustomize.py", "boot.py"
# What the command's Pythons do not need inside the package.
_OUTSIDE = (_FIRST, _BOOT, "inject.py", "in_process.py")


def install_boot(run_dir: StrPath) -> str:
    """Copy the hook to `run_dir`/boot and return that folder; a copy, so that upgrading gpuwatch mid-run is harmless."""
    boot = boot_folder(run_dir)
    package = os.path.join(boot, PACKAGE)
    os.makedirs(package, mode=0o700, exist_ok=True)
    os.makedirs(os.path.join(os.path.abspath(run_dir), "spool"), mode=0o700, exist_ok=True)
    shutil.copyfile(os.path.join(_ENTRY, _FIRST), os.path.join(boot, _FIRST))
    _write_package(os.path.join(package, "__init__.py"))
    _compile(os.path.join(boot, _FIRST), os.path.join(package, "__init__.py"))
    _copy_modules(_HOOK, os.path.join(package, "hook"))
    _copy_words(os.path.join(package, "words"))
    return boot


def _write_package(target: str) -> None:
    """Write what every Python of the run loads: `boot` and the modules that it waits for, in one file."""
    with open(os.path.join(_ENTRY, _BOOT), encoding="utf-8") as source, open(target, "w", encoding="utf-8") as file:
        file.write(source.read())
        file.write(f"\n\nPLACED = {placed_on_import()!r}\n")


def _compile(*files: str) -> None:
    """Compile what every Python loads, for Pythons of this version that may not write bytecode themselves."""
    for file in files:
        try:
            py_compile.compile(file, doraise=True)
        except (OSError, py_compile.PyCompileError):
            return  # they compile it themselves


def _copy_words(target: str) -> None:
    os.makedirs(target, mode=0o700, exist_ok=True)
    for name in WITH_HOOK:
        shutil.copyfile(os.path.join(_WORDS, name + ".py"), os.path.join(target, name + ".py"))


def _copy_modules(source: str, target: str) -> None:
    """Copy a package with the packages inside it: its modules, nothing else."""
    os.makedirs(target, mode=0o700, exist_ok=True)
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != "__pycache__":
            _copy_modules(entry.path, os.path.join(target, entry.name))
        elif entry.name.endswith(".py") and entry.name not in _OUTSIDE:
            shutil.copyfile(entry.path, os.path.join(target, entry.name))


def boot_folder(run_dir: StrPath) -> str:
    """Return where the boot folder of a run is."""
    return os.path.join(os.path.abspath(run_dir), "boot")


def child_environment(env: Mapping[str, str], run_dir: StrPath) -> dict[str, str]:
    """Return a copy of `env` in which every Python started below loads the hook and writes to `run_dir`."""
    child = dict(env)
    outer = boot_folder(env["GPUWATCH_RUN"]) if env.get("GPUWATCH_RUN") else None
    boot = boot_folder(run_dir)
    entries = env["PYTHONPATH"].split(os.pathsep) if env.get("PYTHONPATH") else []
    kept = [entry for entry in entries if entry not in (outer, boot)]
    child["PYTHONPATH"] = os.pathsep.join([boot, *kept])
    child["GPUWATCH_RUN"] = os.path.abspath(run_dir)
    return child
