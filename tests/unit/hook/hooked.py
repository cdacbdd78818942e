"""Run a script under the hook, without a supervisor, and read the spool files that its processes left."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuwatch.hook.entry import inject
from gpuwatch.words import event_log

Row = dict[str, Any]


@dataclass(frozen=True)
class Log:
    """One process's spool file: its header and its events as dictionaries, in order, each with its `kind`.

    Steps that were only timed are batches, too (`timed`)."""

    header: dict[str, Any]
    events: list[Row]

    def of(self, kind: str) -> list[Row]:
        return [event for event in self.events if event["kind"] == kind]

    def facts(self) -> dict[str, Any]:
        return {event["key"]: event["value"] for event in self.of("meta")}


@dataclass(frozen=True)
class Run:
    """A finished process and what the hook wrote of it and its children."""

    done: subprocess.CompletedProcess[str]
    logs: list[Log]

    @property
    def trainer(self) -> Log:
        """The log of the one process that asked for batches."""
        (log,) = [log for log in self.logs if log.of("batch")]
        return log


def read_log(path: Path) -> Log:
    """Read one spool file; every line of it must be whole."""
    header, found = event_log.read(path.read_text())
    events = [{"kind": kind, "timed": False, **values} for kind, values in found]
    return Log(header, [one for event in events for one in _batches_of(event, header["columns"]["batch"])])


def _batches_of(event: Row, columns: list[str]) -> list[Row]:
    """Return steps that were only timed as the batches that they are short for; any other event as it is."""
    if event["kind"] != "steps":
        return [event]
    told = {"kind": "batch", "timed": True, **dict.fromkeys(columns), "iterator": event["iterator"], "end": 0}
    pairs = zip(event["times"][0::2], event["times"][1::2])
    return [dict(told, index=event["index"] + n, t0=t0, t1=t1) for n, (t0, t1) in enumerate(pairs)]


def read_logs(run_dir: Path) -> list[Log]:
    """Read all spool files of a run."""
    return [read_log(path) for path in sorted((run_dir / "spool").glob("*.jsonl"))]


def bare_environment() -> dict[str, str]:
    """Return this test's environment without anything of ours in it."""
    return {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("GPUWATCH_")
    }


def environment(run_dir: Path, **more: str) -> dict[str, str]:
    """Return an environment with the hook in it, trouble in the hook raised instead of swallowed."""
    inject.install_boot(str(run_dir))
    return {**inject.child_environment({**bare_environment(), **more}, str(run_dir)), "GPUWATCH_DEBUG": "1"}


def run(script: Path | str, run_dir: Path, *arguments: str, python: str = sys.executable, **more: str) -> Run:
    """Run a script (a file, or source that is written beside the run folder) and fail with its output if it fails."""
    if isinstance(script, str):
        path = run_dir.parent / (run_dir.name + "_script.py")
        path.write_text(script)
        script = path
    done = subprocess.run(
        [python, str(script), *arguments],
        env=environment(run_dir, **more),
        cwd=run_dir.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return Run(done, read_logs(run_dir))
