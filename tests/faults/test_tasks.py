"""The tasks of one job that start on one machine have one sampler; when it is killed another task's takes over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from gpuwatch.store.jobs import job_of, read_job, read_run

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys, time, torch
from torch.utils.data import DataLoader
for x in DataLoader(list(range(int(sys.argv[1]))), batch_size=1): time.sleep(0.02)
"""


def start(base: Path, rank: int, batches: int) -> subprocess.Popen[str]:
    """Start a task as srun would: with its rank and the job in its environment."""
    (base / "train.py").write_text(SCRIPT)
    env = {
        **os.environ, "SLURM_JOB_ID": "42", "SLURM_STEP_ID": "0", "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank),
        "SLURM_NTASKS": "2", "XDG_RUNTIME_DIR": str(base),
    }  # fmt: skip
    ours = [sys.executable, "-m", "gpuwatch", "run", "--quiet", "--dir", str(base / "runs"), "--name", f"task{rank}"]
    command = [*ours, "--", sys.executable, str(base / "train.py"), str(batches)]
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def samplers(base: Path) -> dict[str, int]:
    """Return the processes that sample runs below a folder, by the run."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            at = next((word for word in words if word.startswith(os.fsencode(base / "runs"))), None)
            if b"--tasks" in words and b"--parent" in words and at is not None:
                found[os.fsdecode(at).rpartition("/")[2]] = int(entry.name)
    return found


def wait_for(met: object, what: str) -> None:
    end = time.monotonic() + 20
    while not met():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.05)


def folders(base: Path) -> list[Path]:
    return sorted((base / "runs").glob("*task*"), key=lambda path: path.name[-1])


def test_one_sampler_serves_all_tasks_and_another_follows_when_it_is_killed(tmp_path: Path) -> None:
    first = start(tmp_path, 0, 350)
    wait_for(lambda: len(samplers(tmp_path)) == 1, "no sampler")
    second = start(tmp_path, 1, 350)
    wait_for(lambda: len(folders(tmp_path)) == 2 and list((folders(tmp_path)[1] / "spool").glob("[0-9]*")), "no task 1")
    (leader, pid), = samplers(tmp_path).items()  # fmt: skip
    assert leader.endswith("task0")
    time.sleep(1.5)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: list(samplers(tmp_path)) == [folders(tmp_path)[1].name], "nobody followed")
    said = [process.communicate(timeout=40)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert samplers(tmp_path) == {}
    (node,) = read_job(job_of(folders(tmp_path)[0])).nodes
    (sampler,) = node.recording.by_writer("sampler")
    # Both samplers saw both tasks' trainers.
    trainers = {log.pid for log in node.recording.by_writer("hook")}
    hooked = {row["pid"] for row in sampler.table("process").dicts() if row["role"] == "hooked"}
    assert len(trainers) == 2 and trainers <= hooked
    times = sorted(sampler.table("tick").column("t"))
    assert max(after - before for before, after in zip(times, times[1:], strict=False)) < 5e9


def test_a_task_that_did_not_sample_is_reported_with_the_samples_of_the_one_that_did(tmp_path: Path) -> None:
    tasks = [start(tmp_path, 0, 350)]
    wait_for(lambda: len(samplers(tmp_path)) == 1, "no sampler")
    # It ends first: otherwise it would sample what is left of its own run.
    tasks.append(start(tmp_path, 1, 50))
    said = [process.communicate(timeout=40)[0] for process in tasks]
    assert [process.returncode for process in tasks] == [0, 0], said
    by_sampler = {path: (path / "spool" / "sampler.jsonl").exists() for path in folders(tmp_path)}
    assert sorted(by_sampler.values())[0] is False, "each had its own"
    follower = next(path for path, own in by_sampler.items() if not own)
    assert len(read_run(follower).by_writer("sampler")) == 1
    done = subprocess.run(
        [sys.executable, "-m", "gpuwatch", "report", "--dir", str(tmp_path / "runs"), "--json"],
        capture_output=True, text=True, timeout=40, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [rank["rank"] for rank in json.loads(done.stdout)["ranks"]] == [0, 1]
