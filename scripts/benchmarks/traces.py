"""Judge real traces with known answers, each in a process of its own; the same with HolisticTraceAnalysis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarks.machine import ROOT

LOST = ("communication", "copy", "input", "sync", "pageable_copy", "launch", "host_code", "allocator", "dependency")
# What is within rounding of the published tables.
POINT, GAIN_ERROR = 0.01, 0.1
HTA = "HolisticTraceAnalysis"
_LIMIT_S = 600

_OURS = """
import json, resource, sys, time
from pathlib import Path
import numpy as np, numpy.random, orjson, email.parser
from gpuwatch.analyze.gpu_time.calls import sort_calls
from gpuwatch.analyze.gpu_time.intervals import union
from gpuwatch.analyze.gpu_time.host import Host
from gpuwatch.analyze.gpu_time.partition import partition
from gpuwatch.build_report import build_traced
from gpuwatch.traces.read import read_traces
from gpuwatch.views.json import to_dict
path, windows = Path(sys.argv[1]), json.loads(sys.argv[2])
begun = time.perf_counter()
traces = read_traces([path])
read = time.perf_counter() - begun
report = build_traced(traces, with_timeline=False)
seconds = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
found = to_dict(report)
trace, judged = traces[0], report.judged_gpu
idle, launched = [], []
begun = time.perf_counter()
calls = sort_calls(trace)
cut = partition(trace, calls, Host(trace, calls), judged.device).segments
breakdown = read + time.perf_counter() - begun
known = trace.device.take(calls.launcher >= 0)
known = known.take(known.device == judged.device)
for begin, end in windows:
    shares = cut.shares(begin - trace.begin_us, end - trace.begin_us)
    idle.append(float(shares[3:].sum() / shares.sum()) if shares.sum() else None)
    inside = np.clip((known.start, known.end), begin - trace.begin_us, end - trace.begin_us)
    launched.append(1.0 - union(*inside[:, inside[0] < inside[1]]).length / (end - begin))
time_of = next(t for t in found["gpu_time"] if (t["rank"], t["device"]) == (judged.rank, judged.device))
print(json.dumps({"seconds": seconds, "breakdown": breakdown, "peak": peak, "bytes": trace.bytes, "time": time_of, "idle_in": idle, "launched": launched,
    "bound": report.verdict.bound, "findings": [(f.id, f.speedup and f.speedup.predicted) for f in report.findings]}))
"""

# HTA prints to stdout and logs; the last line is ours. It reads whole profiler steps of traces with a rank.
_THEIRS = """
import json, logging, resource, sys, time
logging.disable(logging.CRITICAL)
from hta.trace_analysis import TraceAnalysis
path = sys.argv[1]
begun = time.perf_counter()
analysis = TraceAnalysis(trace_files={0: path}, trace_dir="/")
row = analysis.get_temporal_breakdown(visualize=False).iloc[0]
seconds = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
events = analysis.t.get_trace(0)
device = events[events["stream"] != -1]
base = float(getattr(analysis.t, "min_ts", 0) or 0)
print()
print(json.dumps({"seconds": seconds, "peak": peak, "idle": float(row["idle_time(us)"]) / float(row["kernel_time(us)"]),
    "window": [base + float(device["ts"].min()), base + float((device["ts"] + device["dur"]).max())]}))
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
    turns with the other, in a process of its own, and its fastest of so many rounds counts."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    expected = {name: want for name, want in expected.items() if not only or name in only}
    rows = []
    for name, want in expected.items():
        path = folder / f"{name}.json.gz"
        each = [_both(path, hta) for _ in range(rounds)]
        ours, theirs = (min(runs, key=lambda run: run.get("seconds", 0.0)) for runs in zip(*each, strict=True))
        if "error" in ours:
            sys.exit(f"{name}: {ours['error']}")
        rows.append(Row(name, want, ours, theirs))
    return rows


def _both(path: Path, hta: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    theirs = _run([str(hta), "-c", _THEIRS, str(path)]) if hta else {}
    windows = [theirs["window"]] if "window" in theirs else []
    return _run([sys.executable, "-c", _OURS, str(path), json.dumps(windows)]), theirs


def _run(command: list[str]) -> dict[str, Any]:
    """Return what a child printed on its last line, or its last words as `error`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HTA_DISABLE_NS_ROUNDING": "1"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, env=environment, cwd=folder)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode:
        return {"error": lines[-1] if lines else f"status {done.returncode}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def hta_python(folder: Path) -> Path | None:
    """Return the Python of an environment with HTA, made by uv on the first call; None where that fails."""
    python = folder / "bin" / "python"
    if not python.exists():
        for command in (
            ["uv", "venv", "--quiet", str(folder)],
            ["uv", "pip", "install", "--quiet", "--python", str(python), HTA],
        ):
            try:
                subprocess.run(command, check=True, capture_output=True, timeout=_LIMIT_S)
            except (OSError, subprocess.SubprocessError):
                return None
    return python if _imports(python) else None


def _imports(python: Path) -> bool:
    return subprocess.run([str(python), "-c", "import hta"], capture_output=True).returncode == 0
