"""The run whose findings an experiment proves: the newest of the same command, or of one that trains the same thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gpuwatch.build_report import build
from gpuwatch.errors import GpuwatchError
from gpuwatch.experiments.kinship import differences
from gpuwatch.model.recording import RunInfo
from gpuwatch.model.report import Report
from gpuwatch.records import dataclass
from gpuwatch.store import folder
from gpuwatch.store.reader import read
from gpuwatch.words.masking import mask_arguments, same_command


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run, and in what its command differs from the one at hand."""

    report: Report
    differences: tuple[str, ...] = ()


def find(command: Sequence[str], base: Path) -> Report | None:
    """Return the report of the newest ordinary run of this command; None when there is none that can be read."""
    return next(
        (report for path, info in _ordinary(base) if same_command(info.command, command) and (report := _report(path))),
        None,
    )


def find_alike(command: Sequence[str], base: Path) -> Earlier | None:
    """Return the newest ordinary run of this command or, without one, of one that differs in seeds, names, lengths and
    folders of results only."""
    same = find(command, base)
    if same is not None:
        return Earlier(same)
    for path, info in _ordinary(base):
        other = differences(info.command, mask_arguments(command))
        report = _report(path) if other else None
        if report is not None:
            return Earlier(report, tuple(other or ()))
    return None


def _ordinary(base: Path) -> Iterator[tuple[Path, RunInfo]]:
    """Yield the runs that are no experiments and have ended, newest first."""
    for path in reversed(folder.list_runs(base)):
        try:
            info = folder.read_info(path)
        except GpuwatchError:
            continue
        if info.experiment is None and info.state != "running":
            yield path, info


def _report(path: Path) -> Report | None:
    try:
        report = build(read(path), with_timeline=False)
    except GpuwatchError:
        return None
    return report if report.verdict.bound != "unknown" else None
