"""The tools that the comparison trains under: how each is started, and where it is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks import readers
from scripts.benchmarks.machine import ROOT
from scripts.benchmarks.runs import Outcome, Start


@dataclass(frozen=True)
class Peer:
    """One tool."""

    name: str
    package: str | None
    """What must be importable in the training's Python; None: this repository's gpuwatch."""
    start: Callable[[Path], Start]
    """How to start it with a Python's bin folder."""
    edits: str
    """What it asks of the script."""
    read: Callable[[Outcome], str]
    """What it said about the bottleneck, from what it printed or wrote."""


def _python(bin_folder: Path) -> str:
    return str(bin_folder / "python")


def _gpuwatch(bin_folder: Path) -> Start:
    ours = [sys.executable, "-m", "gpuwatch", "run", "--dir", "{out}", "--json", "{out}/report.json", "--"]
    return Start([*ours, _python(bin_folder)])


def _within(tool: str) -> Callable[[Path], Start]:
    return lambda bin_folder: Start([_python(bin_folder)], ["--tool", tool, "--out", "{out}"])


def _py_spy(bin_folder: Path) -> Start:
    record = ["record", "--subprocesses", "--rate", "100", "--format", "raw", "--output", "{out}/stacks.txt"]
    return Start([str(_py_spy_program(bin_folder)), *record, "--", _python(bin_folder)])


def _py_spy_program(bin_folder: Path) -> Path:
    """Return where py-spy is: beside the training's Python, else beside ours, for it looks from outside."""
    beside = bin_folder / "py-spy"
    return beside if beside.exists() else Path(sys.executable).parent / "py-spy"


def _scalene(bin_folder: Path) -> Start:
    return Start(
        [str(bin_folder / "scalene"), "run", "--cpu-only", "--outfile", "{out}/scalene.json"], separator=["---"]
    )


def _viztracer(bin_folder: Path) -> Start:
    return Start([str(bin_folder / "viztracer"), "--quiet", "--output_file", "{out}/trace.json", "--"])


def _traceml(bin_folder: Path) -> Start:
    return Start([str(bin_folder / "traceml"), "run", "--logs-dir", "{out}"], ["--tool", "traceml"], ["--args"])


PEERS = (
    Peer("gpuwatch run", None, _gpuwatch, "none", readers.gpuwatch),
    Peer("torch.profiler, whole loop", "torch", _within("torch-profiler"), "a context manager", readers.torch_profiler),
    Peer("torch.profiler, schedule", "torch", _within("torch-schedule"), "manager, step()", readers.torch_profiler),
    Peer("py-spy record -s", "py_spy", _py_spy, "none", readers.py_spy),
    Peer("Scalene (CPU only)", "scalene", _scalene, "none", readers.scalene),
    Peer("VizTracer", "viztracer", _viztracer, "none", readers.viztracer),
    Peer("TraceML run", "traceml_ai", _traceml, "init(), trace_step()", readers.traceml),
)


def installed(peer: Peer, bin_folder: Path) -> bool:
    """Return whether the Python of that bin folder has the tool."""
    if peer.package is None:
        return True
    if peer.package == "py_spy":
        return _py_spy_program(bin_folder).exists()
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({peer.package!r}) is None)"
    return subprocess.run([_python(bin_folder), "-c", look], check=False).returncode == 0


def install(folder: Path) -> Path:
    """Make a throwaway environment with the `peers` group over this Python's own packages; return its bin folder."""
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("--install needs uv: pip install uv")
    venv = folder / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    # torch comes from here, whatever index it was from: the same one under every tool.
    packages = next((venv / "lib").glob("python*")) / "site-packages"
    (packages / "training.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run(
        [uv, "pip", "install", "--quiet", *_group()], check=True, env=os.environ | {"VIRTUAL_ENV": str(venv)}
    )
    return venv / "bin"


def _group() -> list[str]:
    import tomllib

    return list(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["peers"])
