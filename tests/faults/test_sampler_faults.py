"""The sampler killed, signalled, orphaned, out of disk and out of a folder."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.doubles.nvml.fixtures import PATIENCE_S, Sampled


@pytest.fixture
def sampled(tmp_path: Path) -> Iterator[Sampled]:
    sampled = Sampled(tmp_path / "run", {}, "--rate", "5", "--no-stacks")
    yield sampled
    sampled.process.kill()
    sampled.process.wait()


def _until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_ctrl_c_and_a_hangup_belong_to_the_training(sampled: Sampled) -> None:
    t = sampled.wait_for("tick")["t"]
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        sampled.process.send_signal(number)
    sampled.wait_for("tick", lambda row: row["t"] > t + 500_000_000)
    assert sampled.process.poll() is None
    assert sampled.stop() == 0


def test_sigterm_ends_it_with_a_last_sample(sampled: Sampled) -> None:
    sampled.wait_for("tick")
    asked = time.monotonic_ns()
    sampled.process.terminate()
    assert sampled.process.wait(PATIENCE_S) == 0
    assert sampled.rows("tick")[-1]["t"] > asked


def test_a_killed_sampler_leaves_whole_lines(sampled: Sampled) -> None:
    sampled.wait_for("process")
    sampled.process.kill()
    sampled.process.wait()
    text = (sampled.run / "spool" / "sampler.jsonl").read_text()
    assert text.endswith("\n") and all(json.loads(line) for line in text.splitlines())


def test_the_run_folder_taken_away_is_a_quiet_end(sampled: Sampled) -> None:
    sampled.wait_for("tick")
    shutil.rmtree(sampled.run)
    assert sampled.process.wait(PATIENCE_S) == 0
    assert sampled.process.stderr is not None and sampled.process.stderr.read() == ""


def test_no_folder_is_one_clear_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gpuwatch.sampler", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "No such file" in done.stderr


def test_a_full_disk_drops_rows_and_counts_them(sampled: Sampled) -> None:
    sampled.wait_for("tick")
    spool = sampled.run / "spool" / "sampler.jsonl"
    limits = resource.prlimit(sampled.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(sampled.process.pid, resource.RLIMIT_FSIZE, (spool.stat().st_size + 100, limits[1]))
    _until(lambda: not spool.read_bytes().endswith(b"\n"), "the disk is not full yet")
    full = time.monotonic()
    _until(lambda: time.monotonic() > full + 0.6, "")
    assert sampled.process.poll() is None
    resource.prlimit(sampled.process.pid, resource.RLIMIT_FSIZE, limits)
    _until(lambda: b'["dropped"' in spool.read_bytes(), "nothing said about the loss")
    assert sampled.stop() == 0
    whole = [line for line in spool.read_text().splitlines() if line.endswith(("]", "}")) and line[0] in "[{"]
    torn = [line for line in whole if not _is_json(line)]
    (dropped,) = [json.loads(line) for line in whole if line.startswith('["dropped"')]
    assert dropped[2] > 5 and dropped[3] == "disk full" and torn == []


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _orphan(tmp_path: Path, child: str) -> tuple[int, int]:
    """Start a supervisor that starts `child` and a sampler, and dies of SIGKILL; return the sampler's and the child's pid."""
    (tmp_path / "spool").mkdir()
    supervisor = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-c", {child!r}])
sampler = subprocess.Popen([sys.executable, "-m", "gpuwatch.sampler", {str(tmp_path)!r}, "--rate", "5", "--no-stacks"])
print(sampler.pid, child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", supervisor], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        sampler, pid = map(int, process.stdout.readline().split())
        spool = tmp_path / "spool" / "sampler.jsonl"
        _until(lambda: spool.exists() and f",{pid},".encode() in spool.read_bytes(), "the child was not seen")
        (tmp_path / "spool" / f"{pid}-1.jsonl").touch()
        process.kill()
    return sampler, pid


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_without_a_supervisor_it_stays_as_long_as_the_training(tmp_path: Path) -> None:
    sampler, child = _orphan(tmp_path, "import signal; signal.pause()")
    spool = tmp_path / "spool" / "sampler.jsonl"
    size = spool.stat().st_size
    _until(lambda: spool.stat().st_size > size + 1000, "the sampler stopped with its supervisor")
    assert _alive(sampler)
    os.kill(child, signal.SIGKILL)
    _until(lambda: not _alive(sampler), "the sampler outlived the run")
