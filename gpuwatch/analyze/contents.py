"""What the hook found in a few batches and steps: padding, and tables of which a step uses few rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from gpuwatch.analyze.lines.choices import packs, padding_line, table_line, user_files
from gpuwatch.analyze.loops import Loop
from gpuwatch.analyze.processes.sorting import Processes
from gpuwatch.model.contents import LargeTable, Padding
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.recording import ProcessLog


def padding_of(processes: Processes, loop: Loop | None, lines: Sequence[HotLine]) -> Padding | None:
    """Return what of the sampled batches of a loader is padding; None where none had sequences."""
    if loop is None:
        return None
    files = user_files(lines)
    made_by = set(loop.profile.worker_pids) or {loop.loader.trainer.log.pid}
    logs = [worker.log for worker in processes.workers] + [trainer.log for trainer in processes.trainers]
    rows = [row for log in logs if log.pid in made_by for row in log.table("padding").dicts() if row.get("rows")]
    whole = sum(row["rows"] * row["positions"] for row in rows)
    if not whole:
        return None
    return Padding(
        batches=len(rows),
        positions=sum(row["positions"] for row in rows) / len(rows),
        longest=sum(row["rows"] * row["longest"] for row in rows) / whole,
        filled=sum(row["filled"] for row in rows) / whole,
        line=padding_line(files, _collate(loop.profile)),
        packed=packs(files, lines),
    )


def looks_inside(log: ProcessLog) -> bool:
    """Say whether the hook that wrote a log looked into batches and gradients."""
    return "padding" in log.header.get("columns", {})


def _collate(loader: LoaderProfile) -> str | None:
    """Return the user's collate function; None where torch's own does not pad."""
    name = str(loader.attributes.get("collate") or "").rpartition(".")[2]
    return None if not name or name.startswith("default_") else name


def large_tables(log: ProcessLog, files: Sequence[str]) -> tuple[LargeTable, ...]:
    """Return the large parameters that a trainer's optimizers update, the largest first."""
    seen: dict[tuple[str, int, int], list[Mapping[str, Any]]] = defaultdict(list)
    for row in log.table("table").dicts():
        if row.get("rows") and row.get("elements"):
            seen[str(row["optimizer"]), int(row["rows"]), int(row["width"])].append(row)
    found = (_table(*key, rows, files) for key, rows in seen.items())
    return tuple(sorted(found, key=lambda table: -table.rows * table.width))


def _table(
    optimizer: str, rows: int, width: int, looks: Sequence[Mapping[str, Any]], files: Sequence[str]
) -> LargeTable:
    touched = [float(row["touched"]) for row in looks if row.get("touched") is not None]
    part = rows * width / float(looks[-1]["elements"])
    mean = sum(touched) / len(touched) if touched else None
    return LargeTable(optimizer, rows, width, min(part, 1.0), mean, table_line(files, optimizer))
