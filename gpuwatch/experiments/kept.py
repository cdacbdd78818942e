"""Experiments that were made earlier: how they are kept, which belong to a command, how well predictions did."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gpuwatch.model.experiment import (
    Answer,
    Ceiling,
    Experiment,
    LeftOut,
    LoaderTrial,
    PatchFile,
    PredictionScore,
    Trial,
    Unpatched,
)
from gpuwatch.model.measures import Interval
from gpuwatch.store.regular import read_regular
from gpuwatch.words.masking import mask_arguments, same_command

RESULT = "experiment.json"
SCHEMA = "gpuwatch.experiment/1"
_LARGEST = 1 << 26


def write(path: Path, experiment: Experiment) -> None:
    """Keep the result in a run folder. Raises OSError."""
    (path / RESULT).write_text(json.dumps({"schema": SCHEMA, **dataclasses.asdict(experiment)}, indent=1) + "\n")


def read(path: Path) -> Experiment | None:
    """Return the result kept in a run folder; None when there is none, or none that this version can read."""
    try:
        raw = json.loads(read_regular(path / RESULT, _LARGEST))
        return _experiment(raw) if raw.get("schema") == SCHEMA else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def all_of(base: Path) -> list[Experiment]:
    """Return all results below `base`, oldest first."""
    found = (read(path.parent) for path in sorted(base.glob(f"*/{RESULT}")))
    return sorted((e for e in found if e is not None), key=lambda e: e.started_wall_ns)


def of_command(experiments: Iterable[Experiment], command: Sequence[str]) -> tuple[Experiment, ...]:
    """Return those made on this command, secrets in it masked or not."""
    return tuple(experiment for experiment in experiments if same_command(experiment.command, command))


def score(experiments: Iterable[Experiment]) -> PredictionScore | None:
    """Return the median of |measured / predicted - 1| over all trials of a remedy whose gain had been predicted."""
    errors = [
        abs(trial.ratio.median / trial.predicted - 1.0)
        for experiment in experiments
        for trial in experiment.trials
        if trial.predicted and trial.ratio and trial.verdict not in ("failed", "inconclusive")
    ]
    return PredictionScore(statistics.median(errors), len(errors)) if errors else None


def _experiment(raw: dict[str, Any]) -> Experiment:
    values = _known(Experiment, raw)
    values["command"] = mask_arguments(values["command"])  # earlier versions masked less
    values["notes"] = tuple(values.get("notes") or ())
    values["trials"] = tuple(_trial(row) for row in raw.get("trials") or ())
    values["ceilings"] = tuple(_ceiling(row) for row in raw.get("ceilings") or ())
    values["sweep"] = tuple(_setting(row) for row in raw.get("sweep") or ())
    values["answer"] = _answer(raw["answer"]) if raw.get("answer") else None
    values["patch"] = _patch(raw["patch"]) if raw.get("patch") else None
    return Experiment(**values)


def _known(kind: type, raw: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in raw.items() if name in names}


def _interval(raw: dict[str, Any]) -> Interval:
    return Interval(**_known(Interval, raw))


def _measured(raw: dict[str, Any] | None) -> Interval | None:
    """Return an interval; None for one of no windows, which earlier versions wrote as zeros."""
    return _interval(raw) if raw and raw.get("n") else None


def _trial(raw: dict[str, Any]) -> Trial:
    intervals = {name: _measured(raw[name]) for name in ("before", "after", "ratio")}
    return Trial(**{**_known(Trial, raw), **intervals})


def _ceiling(raw: dict[str, Any]) -> Ceiling:
    intervals = {name: _interval(raw[name]) for name in ("end_to_end", "device", "loader")}
    return Ceiling(**{**_known(Ceiling, raw), **intervals})


def _answer(raw: dict[str, Any]) -> Answer:
    measured = {name: _measured(raw[name]) for name in ("before", "after")}
    lists = {name: tuple(raw[name]) for name in ("remedies", "edits")}
    left_out = tuple(LeftOut(**_known(LeftOut, row)) for row in raw["left_out"])
    ratio = _interval(raw["ratio"])
    return Answer(**{**_known(Answer, raw), **measured, **lists, "ratio": ratio, "left_out": left_out})


def _patch(raw: dict[str, Any]) -> PatchFile:
    missing = tuple(Unpatched(**_known(Unpatched, row)) for row in raw["missing"])
    return PatchFile(**{**_known(PatchFile, raw), "remedies": tuple(raw["remedies"]), "missing": missing})


def _setting(raw: dict[str, Any]) -> LoaderTrial:
    rate = raw.get("loop_rate")
    return LoaderTrial(**{**_known(LoaderTrial, raw), "loop_rate": _interval(rate) if rate else None})
