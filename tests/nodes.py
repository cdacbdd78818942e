"""A training that two nodes record: two ranks in step over the loopback, each node with names, pids and clocks of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRIPT = """
import os, sys, time, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

class Items(Dataset):
    def __len__(self): return 480
    def __getitem__(self, i):
        time.sleep(0.001)
        return torch.full((20,), i / 480), i % 10

if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for epoch in range(2):
        for x, y in DataLoader(Items(), batch_size=8, num_workers=1):
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            time.sleep(0.01)
    dist.destroy_process_group()
"""
# Its own host name and process ids, as a node has them, and a clock that began at another time.
_OWN = ("unshare", "--uts", "--pid", "--fork", "--mount-proc")
_LATER_S = 5000


def why_not() -> str | None:
    """Return why nodes cannot be made here; None where they can."""
    try:
        done = subprocess.run(
            [*_OWN, "--time", "--monotonic", "5", "hostname", "elsewhere"], capture_output=True, text=True
        )
    except OSError as error:
        return f"unshare: {error}"
    return None if done.returncode == 0 else done.stderr.strip() or "unshare failed"


def record(
    folder: Path, port: int, nodes: int = 2, launcher: tuple[str, ...] = (), job: str | None = None
) -> list[Path]:
    """Record a training on nodes of one rank each; return the folder of each node's runs."""
    script = folder / "train.py"
    script.write_text(SCRIPT)
    started = []
    for number in range(nodes):
        torchrun = (
            sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}", "--nproc-per-node=1",
            f"--node-rank={number}", "--master-addr=127.0.0.1", f"--master-port={port}",
        )  # fmt: skip
        ours = (sys.executable, "-m", "gpuwatch", "run", "--quiet", "--dir", str(folder / f"node{number}"))
        named = ("--job", job) if job else ()
        clock = (
            ("--time", "--monotonic", str(_LATER_S * number), "--boottime", str(_LATER_S * number)) if number else ()
        )
        command = " ".join(map(_quoted, (*ours, *named, "--", *torchrun, *launcher, str(script))))
        own = (*_OWN, *clock, "sh", "-c", f"hostname node{number}; exec {command}")
        env = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
        started.append(
            subprocess.Popen(own, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    said = [process.communicate(timeout=55)[0] for process in started]
    assert [process.returncode for process in started] == [0] * nodes, "\n".join(said)
    return [folder / f"node{number}" for number in range(nodes)]


def shift_wall_clock(runs: Path, milliseconds: float) -> None:
    """Have a node's recording say that its wall clock was ahead by so much: what a host without good time would write."""
    shift = int(milliseconds * 1e6)
    for run in runs.glob("*/run.json"):
        told = json.loads(run.read_text())
        told["started_wall_ns"] += shift
        run.write_text(json.dumps(told))
    for spool in runs.glob("*/spool/*.jsonl"):
        header, _, rest = spool.read_text().partition("\n")
        told = json.loads(header)
        told["wall_ns"] += shift
        spool.write_text(json.dumps(told) + "\n" + rest)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
