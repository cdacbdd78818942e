"""A real training that gpuwatch attaches to while it runs: what is said of it, and that it is left as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.sources import pyspy, running
from tests.faults.cases import GPUWATCH, environment, script

PYTHON = sys.executable
# 8 items of 4 ms each make a batch in the one worker, for a step of 8 ms. It ends by itself, or on SIGTERM with status 7.
TRAINING = """
import signal, sys, time
import torch
from torch.utils.data import DataLoader, Dataset
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))

class Slow(Dataset):
    def __len__(self):
        return 4000
    def __getitem__(self, index):
        end = time.perf_counter() + 0.004
        while time.perf_counter() < end:
            pass
        return torch.zeros(8), 0

def main():
    torch.set_num_threads(1)
    model = torch.nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    end = time.monotonic() + 25
    loader = DataLoader(Slow(), batch_size=8, num_workers=1)
    for number, (x, y) in enumerate(loader):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        time.sleep(0.008)
        if number == 5:
            open("ready", "w").close()
        if time.monotonic() > end:
            break

main()
"""


@pytest.fixture
def looked() -> None:
    pytest.importorskip("torch")
    missing = pyspy.why_not()
    if missing:
        pytest.skip(missing)


@contextmanager
def training(folder: Path, *prefix: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [*prefix, PYTHON, script(folder, "train.py", TRAINING)]
    if prefix:
        command = [*prefix, " ".join(command[len(prefix) :]) + "; exit $?"]
    with subprocess.Popen(command, cwd=folder, env=environment()) as process:
        try:
            deadline = time.monotonic() + 40
            while not (folder / "ready").exists():
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def attach(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*GPUWATCH, "attach", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60)


def state(pid: int) -> dict[str, Any]:
    """Return what of a process must not change: its open files, its signals, who traces it, its libraries."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    signals = [line for line in status if line.startswith(("Sig", "Shd", "TracerPid"))]
    files = {link.name: target for link in Path(f"/proc/{pid}/fd").iterdir() if not _is_a_batch(target := _read(link))}
    maps = {
        line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if line.endswith((".so", "]"))
    }
    return {"signals": [line for line in signals if "SigQ" not in line], "files": files, "maps": maps}


def _read(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return "socket"  # closed meanwhile


def _is_a_batch(target: str) -> bool:
    """Say whether a file is one in which a worker hands over its tensors: these come and go with each batch."""
    return target.startswith("socket") or "/torch_" in target or "/dev/shm" in target or "memfd" in target


@pytest.mark.slow
def test_the_input_is_named_and_the_training_left_as_it_was(tmp_path: Path, looked: None) -> None:
    with training(tmp_path) as process:
        before = state(process.pid)
        done = attach(tmp_path, str(process.pid), "--seconds", "4", "--json", "out.json")
        assert done.returncode == 0, done.stderr
        assert state(process.pid) == before
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 7
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["verdict"]["bound"] == "input"
    assert 0.5 < report["verdict"]["input_wait_share"]["median"] < 0.9
    assert report["run"]["command"][-1].endswith("train.py") and report["run"]["attached"]["pids"] == [process.pid]
    assert report["loaders"][0]["workers"] == 1
    hottest = report["hot_lines"][0]
    assert hottest["file"].endswith("train.py") and "perf_counter" in hottest["source"]
    listed = subprocess.run(
        [*GPUWATCH, "runs", "--json"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert [run["state"] for run in json.loads(listed.stdout)["runs"]] == ["finished"]


@pytest.mark.slow
def test_a_launcher_leads_to_its_training_and_a_control_c_ends_the_look(tmp_path: Path, looked: None) -> None:
    with training(tmp_path, "bash", "-c") as shell:
        (rank,) = [pid for pid in running.below(shell.pid, running.everyone()) if not _is_worker(pid, shell.pid)]
        command = [*GPUWATCH, "attach", str(shell.pid), "--seconds", "30", "--json", "out.json"]
        with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as look:
            time.sleep(5)
            look.send_signal(signal.SIGINT)
            told = look.communicate(timeout=30)[1]
            assert look.returncode == 0, told
        os.kill(rank, signal.SIGTERM)
        assert shell.wait(10) == 7
    assert f"process {shell.pid} (bash) is a launcher; what it started trains in {rank}" in told
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["run"]["attached"]["interrupted"] is True
    assert report["run"]["duration_s"] < 20
    assert report["stacks"]["samples"] > 20


def _is_worker(pid: int, shell: int) -> bool:
    found = running.read(pid)
    return found is not None and found.ppid != shell


def test_what_is_no_training_gets_one_line_with_the_way_on(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        done = attach(tmp_path, str(sleeper.pid))
        sleeper.kill()
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines() == [
        f"gpuwatch: process {sleeper.pid} (sleep) runs no Python. `gpuwatch attach` without a number lists the trainings that run"
    ]
    gone = attach(tmp_path, str(sleeper.pid))
    assert gone.returncode == 2 and f"there is no process {sleeper.pid}" in gone.stderr


def test_python_without_torch_is_told_from_a_training(tmp_path: Path) -> None:
    with subprocess.Popen([PYTHON, "-S", "-c", "import time; time.sleep(60)"]) as idle:
        time.sleep(0.5)
        done = attach(tmp_path, str(idle.pid))
        idle.kill()
    assert done.returncode == 2
    assert "runs Python, but has no torch loaded" in done.stderr


def test_only_one_way_to_name_a_training_is_taken(tmp_path: Path) -> None:
    done = attach(tmp_path, "1", "--slurm", "7")
    assert done.returncode == 2 and "exclude each other" in done.stderr
