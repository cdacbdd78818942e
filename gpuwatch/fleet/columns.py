"""The tables of the dataset: one row for each training of a run, rank, loader, finding, hot line, and thing that time was lost to.

A column is declared here once. New ones are added at the end of a table: files that lack one give null."""

from __future__ import annotations

from typing import Any

from gpuwatch.model.measures import PHASES

FORMAT = "gpuwatch.fleet-rows/1"


def phase_column(phase: str) -> str:
    """Return the column of `ranks` that holds a phase's seconds."""
    return f"{phase.replace(' ', '_').replace('-', '_')}_s"


# `run`: the folder or its URL; `training`: its number in the run, from 1. Both, and `part`, are in each table.
_KEY = {"run": "string", "training": "int", "part": "string"}
TABLES: dict[str, dict[str, str]] = {
    "runs": _KEY
    | {
        "run_id": "string", "name": "string", "fingerprint": "string", "read_at": "time", "recorder": "string",
        "host": "string", "user": "string", "project": "string", "script": "string", "command": "string", "cwd": "string",
        "commit": "string", "changed": "string", "job": "string", "partition": "string", "namespace": "string",
        "pod": "string", "image": "string", "state": "string", "exit_code": "int", "signal": "int", "attached": "bool",
        "experiment": "bool", "started": "time", "seconds": "float", "trainings": "int", "shown": "bool", "ranks": "int",
        "world_size": "int", "gpus": "int", "gpu": "string", "batch_size": "int", "bound": "string", "confidence": "string",
        "headline": "string", "input_wait_share": "float", "wait_clock": "string", "cause": "string", "steps": "int",
        "step_ms": "float", "step_low_ms": "float", "step_high_ms": "float", "samples_per_s": "float", "rank_s": "float",
        "gpu_s": "float", "lost_rank_s": "float", "lost_gpu_s": "float", "spool_bytes": "int", "problems": "int",
        "report": "string", "job_key": "string",
    },
    "ranks": _KEY
    | {
        "rank": "int", "host": "string", "device": "string", "gpus": "int", "seconds": "float", "steps": "int",
        "step_ms": "float", "wait_share": "float", "lost_s": "float",
    }
    | {phase_column(phase): "float" for phase in PHASES},
    "loaders": _KEY
    | {
        "loader": "string", "rank": "int", "role": "string", "dataset": "string", "pipeline": "string", "workers": "int",
        "batch_size": "int", "prefetch": "int", "persistent": "bool", "pin_memory": "bool", "batches": "int", "steps": "int",
        "seconds": "float", "wait_s": "float", "wait_share": "float", "step_ms": "float", "samples_per_s": "float",
    },
    "findings": _KEY
    | {
        "position": "int", "finding": "string", "severity": "string", "confidence": "string", "summary": "string",
        "advice": "string", "file": "string", "line": "int", "function": "string", "predicted": "float", "low": "float",
        "high": "float", "won_rank_s": "float", "won_gpu_s": "float", "rank": "int", "host": "string",
    },
    "lines": _KEY
    | {
        "file": "string", "path": "string", "line": "int", "function": "string", "source": "string", "process_role": "string",
        "activity": "string", "callee": "string", "share": "float", "seconds": "float", "cost_s": "float",
        "lost_rank_s": "float", "lost_gpu_s": "float",
    },
    "losses": _KEY
    | {"lost_to": "string", "finding": "string", "predicted": "bool", "rank_s": "float", "gpu_s": "float"},
}  # fmt: skip
Rows = dict[str, list[dict[str, Any]]]


def no_rows() -> Rows:
    """Return every table, empty."""
    return {table: [] for table in TABLES}


def storable(text: str) -> str:
    """Return text as the dataset holds it: a path may have bytes that are no text."""
    return text.encode("utf-8", "replace").decode()
