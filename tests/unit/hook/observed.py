"""Runs a training program under the hook and reads back what the hook wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuwatch.hook.entry import inject
from gpuwatch.words import event_log

PROGRAMS = Path(__file__).parent / "programs"
Event = dict[str, Any]


@dataclass(frozen=True)
class Log:
    """One process's events by kind."""

    pid: int
    events: dict[str, list[Event]]

    def all(self, kind: str) -> list[Event]:
        return self.events.get(kind, [])

    def meta(self, key: str) -> list[Any]:
        return [event["value"] for event in self.all("meta") if event["key"] == key]

    def operations(self) -> dict[str, Event]:
        """Operations by name, as last announced."""
        return {event["name"]: event for event in self.all("op")}

    def totals(self, column: str) -> dict[str, float]:
        """One column of `fetch.operations` summed by operation name."""
        at = ("op", "calls", "own_ns", "pixels_in", "pixels_out", "bytes_in").index(column)
        names = {event["op"]: event["name"] for event in self.all("op")}
        sums: dict[str, float] = {}
        for fetch in self.all("fetch"):
            for row in fetch["operations"] or ():
                sums[names[row[0]]] = sums.get(names[row[0]], 0) + (row[at] or 0)
        return sums


@dataclass(frozen=True)
class Observed:
    """What a program printed, how it ended, and the logs of its processes."""

    logs: list[Log]
    output: str
    errors: str
    status: int

    @property
    def told(self) -> Any:
        """The last line that the program printed, as JSON."""
        return json.loads(self.output.splitlines()[-1])

    def workers(self, dataset: str | None = None) -> list[Log]:
        """Logs of loader workers; of those that worked for a dataset class."""
        found = [log for log in self.logs if log.all("worker")]
        return [log for log in found if dataset is None or _serves(log, dataset)]

    @property
    def trainer(self) -> Log:
        (log,) = [log for log in self.logs if log.all("iterator")]
        return log

    def troubles(self) -> list[Any]:
        return [value for log in self.logs for key in ("hook_error", "missing_seam") for value in log.meta(key)]


def _serves(log: Log, dataset: str) -> bool:
    return any(event["kind"] == "dataset" and event["name"].startswith(dataset + ".") for event in log.all("op"))


def run(
    program: str, *arguments: str, folder: Path, hook: bool = True, strict: bool = True, **environment: str
) -> Observed:
    """Run a program of `programs/` in its own Python, under the hook or bare."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GPUWATCH")}
    if hook:
        inject.install_boot(str(folder))
        env = inject.child_environment(env, str(folder))
    if strict:
        env["GPUWATCH_DEBUG"] = "1"
    command = [sys.executable, str(PROGRAMS / program), *arguments]
    done = subprocess.run(command, env={**env, **environment}, capture_output=True, text=True, timeout=300, check=False)
    logs = [_read(path) for path in sorted((folder / "spool").glob("*.jsonl"))] if hook else []
    return Observed(logs, done.stdout, done.stderr, done.returncode)


def _read(path: Path) -> Log:
    header, found = event_log.read(path.read_text())
    events: dict[str, list[Event]] = {}
    for kind, values in found:
        events.setdefault(kind, []).append(values)
    return Log(header["pid"], events)
