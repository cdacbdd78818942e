"""The answer as a patch: a unified diff against the user's files for the remedies that can be made by a program."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpuwatch.experiments import unified_diff
from gpuwatch.experiments.changes import Change, applied, why_not
from gpuwatch.experiments.edits import source_of
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.model.experiment import Answer, PatchFile, Unpatched
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import is_library
from gpuwatch.words.units import factor

_AT_THE_LOADER = ("loader", "one thread", "at the top")


@dataclass(frozen=True, slots=True)
class Patch:
    """A diff of the files below `root`, the remedies that it makes, and those that it does not, with why."""

    text: str
    root: Path
    remedies: tuple[str, ...]
    missing: tuple[Unpatched, ...]


def make(remedies: Iterable[Remedy], loop: Mapping[str, Any], code: Sequence[str], root: Path) -> Patch:
    """Return the patch that makes remedies permanent. `loop`: the facts of the loop; `code`: the user's files."""
    before: dict[str, str] = {}
    texts: dict[str, str] = {}
    done: list[str] = []
    missing: list[Unpatched] = []
    for remedy in sorted(remedies, key=lambda each: _from_below(each.change)):
        change = _placed(remedy.change, loop)
        changed = _changed(change, code, texts, before)
        if changed is None:
            missing.append(Unpatched(remedy.name, why_not(change)))
            continue
        texts[changed[0]] = changed[1]
        done.append(remedy.name)
    root = _root(root, texts)
    names = {file: Path(os.path.relpath(file, root)).as_posix() for file in texts}
    diffs = [unified_diff.written(names[file], before[file], texts[file]) for file in sorted(texts)]
    return Patch("".join(diffs), root, tuple(done), tuple(missing))


def _from_below(change: Change) -> tuple[bool, int]:
    """Return the order in which a change does not move the lines of those after it: what adds a function comes last."""
    return change.kind in ("one thread", "at the top"), -change.line


def _placed(change: Change, loop: Mapping[str, Any]) -> Change:
    """Return a change of the loader's call at the place that the experiment saw, where no profile has it."""
    optimizers: Sequence[str] = loop.get("optimizers") or ()
    made: Sequence[Any] = loop.get("made") or (None, None)
    if change.kind == "optimizer" and len(optimizers) == 1:
        return replace(change, name=optimizers[0])
    file, line = made[0], made[1]
    if change.kind not in _AT_THE_LOADER or change.file is not None or not file or not line:
        return change
    return replace(change, file=file, line=line)


def _changed(
    change: Change, code: Sequence[str], texts: Mapping[str, str], before: dict[str, str]
) -> tuple[str, str] | None:
    """Return the file and its new text, if there is exactly one that the change fits."""
    found = []
    for file in [change.file] if change.file else code if change.kind in ("call", "derived class", "optimizer") else []:
        source = texts.get(file) or (None if is_library(file) else source_of(file))
        new = applied(change, source) if source is not None else None
        if source is not None and new is not None:
            before.setdefault(file, source)
            found.append((file, new))
    return found[0] if len(found) == 1 else None


def _root(root: Path, files: Iterable[str]) -> Path:
    """Return the folder that a patch is relative to: `root`, or the nearest one above that has all its files."""
    parents = [os.path.dirname(file) for file in files]
    return Path(os.path.commonpath([str(root), *parents]))


def write(file: Path, patch: Patch, answer: Answer) -> PatchFile:
    """Write a patch with a heading that tools skip. Raises OSError."""
    if patch.text:
        what = " + ".join(patch.remedies)
        gain = f"{factor(answer.ratio.median)} ({answer.ratio.low:.2f}-{answer.ratio.high:.2f})"
        of = (
            "" if not patch.missing else f", measured with {', '.join(each.remedy for each in patch.missing)} beside it"
        )
        head = f"gpuwatch try: {what}: {gain}{of}\nApply it in {patch.root}: git apply {file.absolute()}\n\n"
        file.write_text(head + patch.text, encoding="utf-8")
    return PatchFile(str(file) if patch.text else None, str(patch.root), patch.remedies, patch.missing)
