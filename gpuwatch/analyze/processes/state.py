"""The state of a training process from its `state` and `collected` events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.processes.sorting import Trainer
from gpuwatch.model.measures import Place
from gpuwatch.model.process_state import AskedCollections, Compilations, ProcessState, Switch, Updated
from gpuwatch.model.recording import ProcessLog

# The compiler's warm-up ends with the first reading after this share of the loop, and after so many of its steps.
_WARM_SHARE, _WARM_STEPS = 0.25, 8
# A frame of torch's own step hooks, and the like, make a handle now and then.
_HOOKS_PER_STEP = 0.5

Reading = tuple[float, str, Mapping[str, Any]]


def process_state(trainer: Trainer, workers: Iterable[ProcessLog], step_ends: Array) -> ProcessState | None:
    """Return the state of a trainer while its loop ran; None where it was never read. `step_ends`: of its loop (ns)."""
    readings = _readings(trainer)
    states = [facts for _, during, facts in readings if during == "step"]
    if not states:
        return None
    last = states[-1]
    threads = last.get("threads") or {}
    hooks, hooks_where = _hooks(readings, step_ends)
    return ProcessState(
        readings=len(states),
        switches=_switches(readings),
        collections=(*_collections([trainer.log], False), *_collections(workers, True)),
        compilations=_compilations(readings, step_ends),
        updated=_updated(readings),
        torch_threads=threads.get("torch"),
        threads_where=_place(last.get("threads_set")),
        omp_threads=threads.get("omp"),
        hooks_per_step=hooks,
        hooks_where=hooks_where,
        switch_interval_s=last.get("switch_interval_s"),
        flushes_denormals=last.get("flushes_denormals"),
        deterministic=last.get("deterministic"),
        cudnn_benchmark=last.get("cudnn_benchmark"),
        matmul_precision=last.get("matmul_precision"),
    )


def _readings(trainer: Trainer) -> list[Reading]:
    rows = trainer.log.table("state").dicts()
    return [
        (float(row["t"]) + trainer.shift_ns, str(row["during"]), row["facts"])
        for row in rows
        if isinstance(row.get("facts"), dict) and row.get("t")
    ]


def _place(given: Any) -> Place | None:
    """Return the place of [file, line]; None where there was none, or several."""
    known = isinstance(given, (list, tuple)) and len(given) >= 2 and given[0] and given[1]
    return Place(str(given[0]), int(given[1])) if known else None


def _switches(readings: list[Reading]) -> tuple[Switch, ...]:
    """Return what was on, between steps or in a backward pass: each reading is of both, the later shortly after the earlier."""
    found: dict[tuple[str, str | None], list[int]] = {}
    where: dict[tuple[str, str | None], Place | None] = {}
    number = -1
    for _, during, facts in readings:
        number += during == "step"
        for name, detail, *place in facts.get("switches") or ():
            found.setdefault((name, detail), []).append(max(number, 0))
            where[name, detail] = where.get((name, detail)) or _place(place)
    whole = number + 1
    return tuple(
        Switch(*key, where[key], len(set(at)), whole, max(at) >= whole / 2 and len(set(at)) > 1)
        for key, at in found.items()
    )


def _collections(logs: Iterable[ProcessLog], in_workers: bool) -> list[AskedCollections]:
    """Return the collections by line; each process counts its own, and writes the counts again as they grow."""
    total: dict[Place | None, list[float]] = {}
    for log in logs:
        newest: dict[Place | None, tuple[int, float]] = {}
        for row in log.table("collected").dicts():
            place = Place(row["file"], int(row["line"]), row.get("function")) if row.get("file") else None
            newest[place] = int(row.get("count") or 0), float(row.get("ns") or 0) / 1e9
        for place, (count, seconds) in newest.items():
            entry = total.setdefault(place, [0, 0.0])
            entry[0], entry[1] = entry[0] + count, entry[1] + seconds
    return [AskedCollections(place, int(count), seconds, in_workers) for place, (count, seconds) in total.items()]


def _compilations(readings: list[Reading], step_ends: Array) -> Compilations | None:
    known = [(at, facts["compiler"]) for at, _, facts in readings if isinstance(facts.get("compiler"), dict)]
    if not known or not len(step_ends):
        return None
    begin, end = float(step_ends[0]), float(step_ends[-1])
    warm = max(begin + _WARM_SHARE * (end - begin), float(step_ends[min(_WARM_STEPS, len(step_ends) - 1)]))
    (first_at, first), (last_at, last) = next((one for one in known if one[0] >= warm), known[-1]), known[-1]
    seconds = _difference(last.get("seconds"), first.get("seconds"))
    name, file, line, _times, reason, guarded = (*(last.get("worst") or ()), *(None,) * 6)[:6]
    return Compilations(
        before=int(first.get("compiled") or 0),
        later=int(last.get("compiled") or 0) - int(first.get("compiled") or 0),
        seconds=seconds,
        window_s=max(min(last_at, end) - first_at, 0.0) / 1e9,
        most=int(last.get("most") or 0),
        limit=last.get("limit"),
        frame=_place((file, line)),
        name=name,
        reason=reason,
        guarded=guarded,
        assigned=next((place for _, one in reversed(known) if (place := _place(one.get("assigned")))), None),
    )


def _difference(late: float | None, early: float | None) -> float | None:
    return None if late is None else late - (early or 0.0)


def _updated(readings: list[Reading]) -> Updated | None:
    """Return the optimizer with the most elements of those that were met."""
    met = [facts for _, during, facts in readings if during == "optimizer" and facts.get("tensors")]
    most = max(met, key=lambda facts: facts["elements"], default=None)
    return Updated(most["optimizer"], most["device"], most["tensors"], most["elements"]) if most else None


def _hooks(readings: list[Reading], step_ends: Array) -> tuple[float | None, Place | None]:
    """Return the handles of hooks made per step between the first reading and the last, and who makes them."""
    known = [
        (at, facts["hooks"], facts.get("hooks_set")) for at, _, facts in readings if facts.get("hooks") is not None
    ]
    if len(known) < 2:
        return None, None
    steps = int(np.count_nonzero((step_ends > known[0][0]) & (step_ends <= known[-1][0])))
    made = (known[-1][1] - known[0][1]) / steps if steps else 0.0
    where = next((place for _, _, given in reversed(known) if (place := _place(given))), None)
    return (made, where) if made >= _HOOKS_PER_STEP else (0.0, None)
