"""Stack samples by the timer inside the processes, which has folded them to lines already."""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gpuwatch.analyze.lines.callees import timed_callee
from gpuwatch.analyze.lines.frames import (
    Frame,
)
from gpuwatch.analyze.lines.moments import Moments
from gpuwatch.analyze.lines.origins import Origins
from gpuwatch.analyze.lines.samples import LOADER_WORK, Sample
from gpuwatch.analyze.processes.sites import is_foreign
from gpuwatch.analyze.processes.sorting import Processes
from gpuwatch.model.recording import ProcessLog

# The timer counts for so long before it writes; one of its ticks.
_COUNTED_NS, _TICK_S = 2e9, 0.01


def _timed(processes: Processes) -> Iterable[ProcessLog]:
    """Return the logs of processes in which the timer counted lines."""
    logs = (*(worker.log for worker in processes.workers), *(trainer.log for trainer in processes.trainers))
    return (log for log in logs if len(log.table("line")))


def timer_samples(processes: Processes, moments: Mapping[int, Moments]) -> Iterator[Sample]:
    """Yield what the timer inside the processes saw, which is folded to lines already."""
    origins = Origins(processes)
    shifts = {trainer.log.pid: trainer.shift_ns for trainer in processes.trainers}
    for log in _timed(processes):
        in_worker = "worker" in log.tables
        when = moments.get(log.pid) if not in_worker else None
        for row in log.table("line").dicts():
            if not row.get("file") or not row.get("ticks"):
                continue
            ticks = float(row["ticks"])
            activity = _timed_activity(row, when, shifts.get(log.pid, 0.0))
            place = Frame(str(row.get("function") or ""), str(row["file"]), int(row.get("line") or 0))
            foreign = activity in LOADER_WORK and is_foreign(place.file, origins.program)
            made = origins.site(log.pid, activity) if foreign else None
            inside, place = place, made or place
            yield Sample(
                pid=log.pid,
                role="worker" if in_worker else "trainer",
                activity=activity,
                file=place.file,
                line=place.line,
                function=place.function,
                callee=timed_callee(row.get("callee")),
                makes=made.function if made and activity == "fetch" else None,
                stack=(),
                weight=ticks,
                seconds=ticks * _TICK_S,
                awaited=min(float(row.get("awaited") or 0), ticks),
                blocked=min(float(row.get("blocked") or 0), ticks),
                below=inside if made else None,
            )


def _timed_activity(row: Mapping[str, Any], moments: Moments | None, shift_ns: float) -> str:
    """Return what the hook recorded; for a step, by the middle of the time counted for, whether it was in an evaluation."""
    activity = str(row.get("activity") or "step")
    if activity == "step" and moments is not None and row.get("t"):
        moment = moments.at(float(row["t"]) + shift_ns - _COUNTED_NS / 2)
        return moment if moment in ("evaluation", "between loops") else "step"
    source = linecache.getline(str(row["file"]), int(row.get("line") or 0)).lstrip()
    return "importing" if activity == "startup" and source.startswith(("import ", "from ")) else activity
