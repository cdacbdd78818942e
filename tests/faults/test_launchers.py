"""The ways in which training is really started: torchrun, uvx from another environment, runs inside runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.cases import ROOT, Way, bare, environment, newest_run, script, wrapped

PYTHON = sys.executable

TWO_RANKS = """
import os, sys
import torch, torch.distributed as dist
from torch.utils.data import DataLoader, TensorDataset
dist.init_process_group("gloo")
model = torch.nn.Linear(4, 1)
for (x,) in DataLoader(TensorDataset(torch.ones(12, 4)), batch_size=2):
    model(x).sum().backward()
total = torch.ones(1)
dist.all_reduce(total)
open(f"rank{os.environ['RANK']}", "w").write(str(total.item()))
dist.destroy_process_group()
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("make", [bare, wrapped], ids=["bare", "wrapped"])
@pytest.mark.parametrize("code", [0, 3])
def test_torchrun_with_two_ranks(tmp_path: Path, make: object, code: int) -> None:
    pytest.importorskip("torch")
    way: Way = make(tmp_path)  # type: ignore[operator]
    path = script(tmp_path, "ranks.py", TWO_RANKS)
    done = way.run(PYTHON, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", path, str(code))
    assert done.returncode == (1 if code else 0), done.stderr
    assert {(tmp_path / f"rank{rank}").read_text() for rank in (0, 1)} == {"2.0"}
    if way.name == "wrapped":
        headers = [
            json.loads(spool.read_text().split("\n", 1)[0])
            for spool in (newest_run(tmp_path) / "spool").glob("*.jsonl")
        ]
        assert {0, 1} <= {header.get("rank") for header in headers}


ENTERED = "import sys\nprint(sys.executable)\nprint('_gpuwatch' in sys.modules)\n"


def _uvx() -> str | None:
    # Not a pyenv shim: that one puts its own Python before everything on PATH.
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if "shims" not in folder]
    return shutil.which("uvx", path=os.pathsep.join([*folders, sys.base_prefix + "/bin"]))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(_uvx() is None, reason="needs uvx")
def test_uvx_runs_the_trainings_own_python_hooked(tmp_path: Path) -> None:
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (tmp_path / "train.py").write_text(ENTERED)
    own = str(tmp_path / "venv" / "bin")
    done = subprocess.run(
        [str(_uvx()), "--from", str(ROOT), "gpuwatch", "run", "--quiet", "--", "python", "train.py"],
        cwd=tmp_path,
        env={
            **environment(),
            "PYTHONPATH": "",
            "VIRTUAL_ENV": str(tmp_path / "venv"),
            "PATH": own + os.pathsep + os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{own}/python", "True"]


def test_a_run_inside_a_run_is_measured_by_the_inner_one(tmp_path: Path) -> None:
    inner = [
        *wrapped(tmp_path).prefix,
        PYTHON,
        "-c",
        "import os; print(os.environ['GPUWATCH_RUN'], os.environ['PYTHONPATH'])",
    ]
    inner.insert(inner.index("--"), "--name=inner")
    done = wrapped(tmp_path).run(*inner)
    run, path = done.stdout.split()
    assert run.endswith("-inner")
    assert path.split(":") == [f"{run}/boot", str(ROOT)]


def test_a_python_that_replaces_its_environment_still_trains(tmp_path: Path) -> None:
    done = wrapped(tmp_path).run("env", "-i", PYTHON, "-I", "-c", "print('trained')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained\n", "")
