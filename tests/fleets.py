"""Fleets of run folders: small trainings with known hours, by users, commits and nodes; and recorded ones under other names."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from gpuwatch.fleet.engines.base import ReaderLost
from tests.spools import SECOND, START, WALL, FakeRun, FakeTrainer

RECORDED = Path(__file__).parent / "recorded"
GPU = "NVIDIA H200"
DAY = 86400 * SECOND


def write_run(
    path: Path,
    user: str = "alice",
    commit: str = "a" * 40,
    node: str = "node1",
    script: str = "train.py",
    project: str = "images",
    wait_ms: float = 5.0,
    compute_ms: float = 10.0,
    batches: int = 60,
    gpus: int = 1,
    startup_ms: float = 1000.0,
    day: int = 0,
    **changes: Any,
) -> Path:
    """Write the run of a training: on so many GPUs (0: on the CPU), started so many days after the first."""
    run = FakeRun(path)
    for rank in range(max(gpus, 1)):
        of_many = {"rank": rank, "local_rank": rank, "world_size": gpus} if gpus > 1 else {}
        _train(run.trainer(100 + rank, host=node, **of_many), gpus, wait_ms, compute_ms, batches, startup_ms)
    told = {
        "command": ["python", script],
        "cwd": f"/home/{user}/{project}",
        "host": node,
        "started_wall_ns": WALL + day * DAY,
        "identity": {"user": user, "git_commit": commit, "git_changed": "no"},
    }
    return run.write(**told | changes)


def _train(trainer: FakeTrainer, gpus: int, wait_ms: float, compute_ms: float, batches: int, startup_ms: float) -> None:
    if gpus:
        devices = [[number, f"GPU-{number}", GPU] for number in range(gpus)]
        trainer.add("meta", t=START, key="cuda_devices", value=devices)
        trainer.add("meta", t=START, key="cuda_device", value=trainer.header["local_rank"] or 0)
    trainer.do("other", startup_ms)
    trainer.loop(batches=batches, wait_ms=wait_ms, compute_ms=compute_ms)
    trainer.tail()


class Inline:
    """An engine without processes; `lost`: the folders' names whose reader is lost."""

    name, workers = "inline", 1

    def __init__(self, *lost: str) -> None:
        self.lost, self.calls = lost, 0

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield what the function makes of each item."""
        for item in items:
            self.calls += 1
            yield item, ReaderLost("killed") if _name(item) in self.lost else function(item)


def _name(item: Any) -> str:
    return Path(getattr(item, "path", "")).name


class Recorded:
    """The run of tests/recorded, on a GPU: written once, then linked as often as runs are wanted, under other names."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder
        folder.mkdir(parents=True)
        for file in sorted((RECORDED / "spool").iterdir()):
            lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
            (folder / file.name.removesuffix(".gz")).write_bytes(b"".join(self._on_gpu(lines)))

    @staticmethod
    def _on_gpu(lines: list[bytes]) -> list[bytes]:
        """Return the event log of a process; of the training's own, with the GPU that it had."""
        if not any(line.startswith(b'["batch"') for line in lines):
            return lines
        header = json.loads(lines[0])
        told = (("cuda_devices", [[0, "GPU-0", GPU]]), ("cuda_device", 0))
        rows = [["meta", header["mono_ns"], key, value] for key, value in told]
        return [lines[0], *(json.dumps(row).encode() + b"\n" for row in rows), *lines[1:]]

    def write(self, path: Path, **changes: Any) -> Path:
        """Write one more run with it."""
        (path / "spool").mkdir(parents=True)
        for file in self.spool.iterdir():
            os.link(file, path / "spool" / file.name)
        told = json.loads((RECORDED / "run.json").read_text())
        (path / "run.json").write_text(json.dumps(told | {"id": path.name} | changes))
        return path
