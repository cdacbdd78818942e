"""Run a case of training.py bare and under gpuwatch; hold the report against what the training itself says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("training.py")
# What a case needs beside torch, and how it is started when not by `python training.py`.
NEEDS = {
    "stateful_0": "torchdata", "stateful_2": "torchdata", "accelerated_2": "accelerate", "lightning_0": "lightning",
    "trainer_0": "transformers", "datasets_0": "datasets", "nodes_0": "torchdata.nodes", "grain_0": "grain",
    "spdl_1": "spdl", "torchrl_0": "torchrl", "webdataset_2": "webdataset", "fastai_0": "fastai", "pyg_2": "torch_geometric",
    "dali_1": "nvidia.dali", "tfdata_1": "tensorflow", "ray_1": "ray",
}  # fmt: skip
LAUNCHED = {
    "ranks_2": ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
    "accelerated_2": ("-m", "accelerate.commands.launch", "--cpu", "--num_processes=1", "--num_machines=1",
                      "--mixed_precision=no", "--dynamo_backend=no"),
}  # fmt: skip
CASES = (
    "plain_0", "fork_2", "spawn_2", "forkserver_2", "persistent_2", "pinned_2", "stream_0", "stream_2", "compiled_2",
    "stateful_0", "stateful_2", "accelerated_2", "ranks_2", "lightning_0", "trainer_0", "wrapped_2", "marked_0",
    "datasets_0", "nodes_0", "grain_0", "spdl_1", "torchrl_0", "webdataset_2", "fastai_0", "pyg_2", "dali_1", "tfdata_1",
    "ray_1",
)  # fmt: skip
# What these say differs from run to run: ranks say their lines in any order, the Trainer tells how long it took.
UNSTEADY = {"ranks_2", "trainer_0"}
# Where a thread makes the batches, it draws random numbers in no fixed order with the training, and Ray's processes have
# seeds of their own: losses differ bare, too.
RACING = {"spdl_1", "dali_1", "tfdata_1", "ray_1"}
# The reported wait may differ from the training's clock by so much of the training, or by so many seconds.
_SHARE, _SECONDS = 0.03, 0.15
_PATIENCE_S = 180


@dataclass
class Compared:
    """One case with one Python: `wrong` holds a line per thing that is not as it should be."""

    case: str
    python: str = ""
    torch: str = ""
    skipped: str = ""
    wrong: list[str] = field(default_factory=list)
    truth: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def waits(self) -> str:
        """The wait by gpuwatch and by the training's own clock, for a table."""
        if not self.truth or not self.report:
            return "-"
        return f"{_waited(self.report['ranks'][0]):.2f} / {self.truth['wait_s']:.2f} s"


def compare(case: str, python: str, folder: Path) -> Compared:
    """Run one case with one Python, bare and wrapped, in `folder`."""
    told = Compared(case)
    folder.mkdir(parents=True, exist_ok=True)
    lacks = NEEDS.get(case)
    if (
        lacks
        and _run([python, "-c", f"import importlib.util as u; exit(not u.find_spec({lacks!r}))"], folder).returncode
    ):
        told.skipped = f"{lacks} is not installed"
        return told
    bare, bare_truths = _trained([], python, case, folder / "bare")
    if bare.returncode or not bare_truths:
        told.skipped = f"does not run bare: {_last(bare.stderr)}"
        return told
    report_file = folder / "report.json"
    ours = [sys.executable, "-m", "gpuwatch", "run", "--dir", str(folder / "runs"), "--json", str(report_file), "--"]
    wrapped, truths = _trained(ours, python, case, folder / "wrapped")
    told.wrong += _same(case, bare, wrapped, bare_truths, truths)
    if truths:
        told.truth = truths[0]
        told.python, told.torch = truths[0]["python"], truths[0]["torch"]
    if not report_file.exists():
        told.wrong.append(f"no report: {_last(wrapped.stderr)}")
        return told
    told.report = json.loads(report_file.read_text())
    told.wrong += _right(told.report, truths)
    return told


def _trained(
    prefix: list[str], python: str, case: str, folder: Path
) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    folder.mkdir(parents=True)
    command = [*prefix, python, *LAUNCHED.get(case, ()), str(PROGRAM), case, "--out", str(folder)]
    done = _run(command, folder)
    return done, [json.loads(file.read_text()) for file in sorted(folder.glob("?.json"))]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GPUWATCH_", "VIRTUAL_ENV"))}
    # gpuwatch comes from this checkout, and the training's own PYTHONPATH is set like that of many.
    environment = {**kept, "PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, cwd=folder, env=environment)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"it took longer than {_PATIENCE_S} s")


def _same(case: str, bare: Any, wrapped: Any, truths: list[dict[str, Any]], watched: list[dict[str, Any]]) -> list[str]:
    """Return how the wrapped training was not the bare one."""
    wrong = []
    if wrapped.returncode != bare.returncode:
        wrong.append(f"exit status {wrapped.returncode}, bare {bare.returncode}: {_last(wrapped.stderr)}")
    said = _said_in_any_order if case in UNSTEADY else _said
    if said(wrapped) != said(bare):
        wrong.append("stdout differs")
    losses = [[truth["losses"] for truth in one] for one in (watched, truths)]
    if losses[0] != losses[1] and case not in RACING:
        wrong.append("losses differ")
    if "Traceback" in wrapped.stderr and "Traceback" not in bare.stderr:
        wrong.append(f"a traceback: {_last(wrapped.stderr)}")
    complaints = [line for line in wrapped.stderr.splitlines() if line.startswith("gpuwatch: ") and ".json" not in line]
    return wrong + complaints


def _said(done: Any) -> list[str]:
    return [done.stdout]


def _said_in_any_order(done: Any) -> list[str]:
    """Return the lines of its output, numbers left out."""
    return sorted(re.sub(r"\d[\d.e+-]*", "#", line) for line in done.stdout.splitlines())


def _right(report: dict[str, Any], truths: list[dict[str, Any]]) -> list[str]:
    """Return what the report gets wrong."""
    wrong = [f"problem: {problem}" for problem in report["problems"]]
    if report["verdict"]["bound"] in ("unknown", None):
        wrong.append(f"verdict {report['verdict']['bound']}: {report['verdict']['reason']}")
    if len(report["ranks"]) != len(truths):
        return [*wrong, f"{len(report['ranks'])} ranks, {len(truths)} trained"]
    if report["unentered"]:
        wrong.append(f"not entered: {report['unentered'][0]['command']}")
    for rank, truth in zip(report["ranks"], truths):
        wrong += _rank(report, rank, truth)
    return wrong


def _rank(report: dict[str, Any], rank: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    wrong = []
    name = f"rank {rank['rank']}"
    loaders = [loader for loader in report["loaders"] if loader["rank"] == rank["rank"]]
    trained = [loader for loader in loaders if loader["role"] == "training"]
    if len(trained) != 1 or len(loaders) != 1:
        wrong.append(f"{name}: {len(trained)} training loaders of {len(loaders)}")
    if sum(loader["batches"] for loader in trained) != truth["batches"]:
        wrong.append(f"{name}: {[loader['batches'] for loader in trained]} batches, took {truth['batches']}")
    told, own = _waited(rank), truth["wait_s"]
    near = max(_SHARE * truth["seconds"], _SECONDS)
    if not own - near <= told <= own + near * (4 if truth["clock"] == "dataset" else 1):
        wrong.append(f"{name}: waited {told:.2f} s, by its own clock {own:.2f} s ({truth['clock']})")
    if abs(sum(phase["seconds"] for phase in rank["phases"]) - rank["seconds"]) > 0.01 * rank["seconds"]:
        wrong.append(f"{name}: phases do not sum to its wall time")
    operations = {operation["kind"] for loader in trained for operation in loader["operations"]}
    if "dataset" not in operations and not any(loader["pipeline"] for loader in trained):
        wrong.append(f"{name}: nothing told of the dataset's code ({sorted(operations)})")
    return wrong


def _waited(rank: dict[str, Any]) -> float:
    waits = ("loader startup", "input wait")
    return sum(phase["seconds"] for phase in rank["phases"] if phase["name"] in waits)


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["it wrote nothing"])[-1][:200]
