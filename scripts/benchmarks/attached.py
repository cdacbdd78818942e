"""One scenario that runs bare, with gpuwatch attached to it after its warm-up: what the report says, and the true wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpuwatch.sources.running import uses_torch
from tests.scenarios.catalogue import Scenario
from tests.scenarios.judge import judge

# Imports, the making of the first workers, the first batches.
WARM_UP_S, PATIENCE_S = 6.0, 60.0


def attached(
    scenario: Scenario, command: list[str], folder: Path, seconds: float, environment: dict[str, str]
) -> dict[str, Any]:
    """Return the judgement of an attached look at a scenario, its input wait and the scenario's own. `command`: the
    interpreter, its flags, the script and its arguments."""
    waits, report = folder / "waits.json", folder / "report.json"
    folder.mkdir(parents=True, exist_ok=True)
    at = command.index(str(scenario.path))
    bare = [*command[:at], str(Path(__file__).parent / "repeated.py"), str(waits), *command[at:]]
    with subprocess.Popen(bare, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as training:
        try:
            _await(training.pid)
            look = [sys.executable, "-m", "gpuwatch", "attach", str(training.pid), "--seconds", f"{seconds:g}"]
            look += ["--dir", str(folder / "runs"), "--json", str(report)]
            done = subprocess.run(look, cwd=folder, env=environment, capture_output=True, text=True)
        finally:
            os.kill(training.pid, signal.SIGTERM)
    if not report.exists():
        return {"failed": f"exit {done.returncode}: {' '.join(done.stderr.split()[-40:])}"}
    said = json.loads(report.read_text(encoding="utf-8"))
    begun, ended = _looked(folder / "runs" / said["run"]["id"], seconds)
    inside = [(max(a, begun), min(b, ended)) for a, b in json.loads(waits.read_text()) if b > begun and a < ended]
    wait = next((phase["share"] for phase in said["phases"] if phase["name"] == "input wait"), 0.0)
    true = sum(b - a for a, b in inside) / (ended - begun)
    return {"judgement": asdict(judge(scenario, said)), "wait": wait, "true_wait": true}


def _await(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not uses_torch(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(WARM_UP_S)


def _looked(run: Path, seconds: float) -> tuple[int, int]:
    """Return when the first sample of a look was due, and the last: py-spy writes its file after that."""
    lines = (run / "spool" / "stacks.jsonl").read_text().splitlines()
    columns = json.loads(lines[0])["columns"]["burst"]
    bursts = [dict(zip(columns, row[1:], strict=False)) for row in map(json.loads, lines[1:]) if row[0] == "burst"]
    begun = bursts[0]["began"] or bursts[0]["t0"]
    return begun, min(begun + int(seconds * 1e9), bursts[-1]["t1"])
