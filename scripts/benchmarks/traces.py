"""Judge real traces with known answers, each in a process of its own; the same with HolisticTraceAnalysis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from scripts.benchmarks.machine import ROOT

LOST = ("communication", "copy", "input", "sync", "pageable_copy", "launch", "host_code", "allocator", "dependency")
# What is within rounding of the published tables.
POINT, GAIN_ERROR = 0.01, 0.1
HTA = "HolisticTraceAnalysis"
_INSTALL_S = 600

# The same as HTA's figure: a trace, read and divided. Its libraries are imported before the clock starts, as HTA's are.
_DIVIDED = """
import json, sys, time
from pathlib import Path
import numpy as np
from gpuwatch.analyze.gpu_time.calls import sort_calls
from gpuwatch.analyze.gpu_time.host import Host
from gpuwatch.analyze.gpu_time.intervals import union
from gpuwatch.analyze.gpu_time.partition import partition
from gpuwatch.traces.read import read_traces
path, windows, device = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
begun = time.perf_counter()
(trace,) = read_traces([path])
calls = sort_calls(trace)
cut = partition(trace, calls, Host(trace, calls), device).segments
seconds = time.perf_counter() - begun
idle, launched = [], []
launch = np.where(calls.launcher >= 0, trace.host.start[calls.launcher], np.nan) + trace.begin_us
for begin, end, first, last in windows:
    known = trace.device.take((trace.device.device == device) & (launch > first - 0.5) & (launch < last + 0.5))
    shares = cut.shares(begin - trace.begin_us, end - trace.begin_us)
    idle.append(float(shares[3:].sum() / shares.sum()) if shares.sum() else None)
    inside = np.clip((known.start, known.end), begin - trace.begin_us, end - trace.begin_us)
    launched.append(1.0 - union(*inside[:, inside[0] < inside[1]]).length / (end - begin))
print(json.dumps({"breakdown": seconds, "bytes": trace.bytes, "idle_in": idle, "launched": launched}))
"""

# HTA prints to stdout and logs; the last line is ours. It reads whole profiler steps of traces with a rank.
_THEIRS = """
import json, logging, sys, time
logging.disable(logging.CRITICAL)
from hta.trace_analysis import TraceAnalysis
path = sys.argv[1]
begun = time.perf_counter()
analysis = TraceAnalysis(trace_files={0: path}, trace_dir="/")
row = analysis.get_temporal_breakdown(visualize=False).iloc[0]
seconds = time.perf_counter() - begun
events = analysis.t.get_trace(0)
device = events[events["stream"] != -1]
host = events[(events["stream"] == -1) & events["correlation"].isin(device["correlation"])]
base = float(getattr(analysis.t, "min_ts", 0) or 0)
print()
print(json.dumps({"seconds": seconds, "idle": float(row["idle_time(us)"]) / float(row["kernel_time(us)"]),
    "window": [base + float(device["ts"].min()), base + float((device["ts"] + device["dur"]).max()),
        base + float(host["ts"].min()), base + float(host["ts"].max())]}))
"""


@dataclass(frozen=True)
class Row:
    """One trace: what gpuwatch says, what is expected, and what HTA says where it can read the file."""

    name: str
    expected: dict[str, Any]
    ours: dict[str, Any]
    theirs: dict[str, Any]

    @property
    def problems(self) -> list[str]:
        """What is not as expected."""
        want, time = self.expected, self.ours["time"]
        bounds = want["bound"] if isinstance(want["bound"], list) else [want["bound"]]
        idle, found = want.get("idle", want.get("idle_as_recorded")), [id for id, _ in self.ours["findings"]]
        wrong = [] if abs(time["idle_share"] - idle) <= POINT else [f"idle {time['idle_share']:.4f}, not {idle}"]
        wrong += [] if self.ours["bound"] in bounds else [f"bound {self.ours['bound']}, not {' or '.join(bounds)}"]
        wrong += [f"{id} must not be said" for id in found if id in want.get("never", ())]
        wrong += [f"{want['finding']} is not first"] if want.get("finding") not in (None, *found[:1]) else []
        if "gain_measured" in want and abs((self.gain or 1.0) / want["gain_measured"] - 1) > GAIN_ERROR:
            wrong.append(f"predicts {self.gain}×, measured {want['gain_measured']}×")
        return wrong

    @property
    def gain(self) -> float | None:
        """The predicted gain of the first finding."""
        return self.ours["findings"][0][1] if self.ours["findings"] else None

    @property
    def largest(self) -> str:
        """The classes of lost time that matter, with their shares."""
        shares = self.ours["time"]["shares"]
        parts = sorted(((shares[name], name) for name in (*LOST, "unknown")), reverse=True)
        return ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for share, name in parts if share >= 0.05)


def judge(folder: Path, hta: Path | None, only: list[str], rounds: int = 1) -> list[Row]:
    """Return a row for each trace of the folder that expected.json names; of some of them alone with `only`. Each tool takes
    turns with the other, in processes of its own; of so many rounds the least of each figure counts."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    expected = {name: want for name, want in expected.items() if not only or name in only}
    _compile(folder / f"{next(iter(expected))}.json.gz", hta)
    rows = []
    for name, want in expected.items():
        each = [_both(folder / f"{name}.json.gz", hta) for _ in range(rounds)]
        ours, theirs = (_least(runs) for runs in zip(*each, strict=True))
        if "error" in ours:
            sys.exit(f"{name}: {ours['error']}")
        rows.append(Row(name, want, ours, theirs))
    return rows


def _compile(path: Path, hta: Path | None) -> None:
    """Run each tool once, so that no run that counts compiles modules."""
    _both(path, hta)


def _both(path: Path, hta: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    theirs = _told_by(_run([str(hta), "-c", _THEIRS, str(path)])) if hta else {}
    ours = _ours(path)
    if "error" in ours:
        return ours, theirs
    windows = json.dumps([theirs["window"]] if "window" in theirs else [])
    divided = _told_by(_run([sys.executable, "-c", _DIVIDED, str(path), windows, str(ours["time"]["device"])]))
    return {**divided, "whole_breakdown": divided.get("whole"), **ours}, theirs


def _ours(path: Path) -> dict[str, Any]:
    """Return what `gpuwatch report` says of a trace, and what it took."""
    ran = _run([sys.executable, "-m", "gpuwatch", "report", str(path), "--json"])
    said = _told_by(ran, ran.out)
    if "error" in said:
        return said
    findings = [(each["id"], each["speedup"] and each["speedup"]["predicted"]) for each in said["findings"]]
    bound, time = said["verdict"]["bound"], said["gpu_time"][0]
    return {"time": time, "bound": bound, "findings": findings, "whole": said["whole"], "peak": said["peak"]}


class _Ran(NamedTuple):
    """A command's end. `seconds` and `peak` bytes are of the whole process, its start and its imports with them."""

    status: int
    out: str
    err: str
    seconds: float
    peak: int


def _run(command: list[str]) -> _Ran:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HTA_DISABLE_NS_ROUNDING": "1"}
    # Both tools as installed ones: with their byte code at hand.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            begun = time.perf_counter()
            child = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment, cwd=folder)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = (each.read_text(encoding="utf-8", errors="replace") for each in (out, err))
        return _Ran(child.returncode, *texts, seconds, usage.ru_maxrss * 1024)


def _told_by(ran: _Ran, text: str | None = None) -> dict[str, Any]:
    """Return what a child printed (on its last line) with what it took, or its last words as `error`."""
    lines = (ran.err if ran.status else ran.out).strip().splitlines()
    if ran.status:
        return {"error": lines[-1] if lines else f"status {ran.status}"}
    found: dict[str, Any] = json.loads(text or lines[-1])
    return {**found, "whole": ran.seconds, "peak": ran.peak}


def _least(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a run with the least seconds and memory of several."""
    measured = ("seconds", "breakdown", "whole", "whole_breakdown", "peak")
    return {**runs[0], **{key: min(run[key] for run in runs) for key in measured if key in runs[0]}}


def hta_python(folder: Path) -> Path | None:
    """Return the Python of an environment with HTA, made by uv on the first call; None where that fails."""
    python = folder / "bin" / "python"
    if not python.exists():
        for command in (
            ["uv", "venv", "--quiet", str(folder)],
            ["uv", "pip", "install", "--quiet", "--python", str(python), HTA],
        ):
            try:
                subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_S)
            except (OSError, subprocess.SubprocessError):
                return None
    return python if _imports(python) else None


def _imports(python: Path) -> bool:
    return subprocess.run([str(python), "-c", "import hta"], capture_output=True).returncode == 0
