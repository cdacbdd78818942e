"""What the planted-line scripts share: clocks round the planted line and round all the work, and the training.

A script marks its line with `# <- planted`, runs it `with truth.planted:` and everything that the line's share is
taken of `with truth.work:`. The seconds lie in shared memory, a row per worker and one for the trainer, so they
are there when the workers have been killed. At the end the share is printed as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

PLANTED, WORK = 0, 2


class Clock:
    """Adds the wall and thread-CPU seconds of a `with` block to its process's row, at a cost of a few microseconds.

    The wall clock is read last and first: the other reading is a system call, at whose end the kernel likes to give the
    core to somebody else. That wait belongs to the line of the `with`, where stack samples see it, not to the block.
    """

    def __init__(self, cells: torch.Tensor, column: int) -> None:
        self.cells, self.column = cells, column
        self.row: tuple[int, Any] = (0, None)
        self.began = (0.0, 0.0)

    def __enter__(self) -> None:
        cpu = time.thread_time()
        self.began = (time.perf_counter(), cpu)

    def __exit__(self, *_: object) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        pid, row = self.row
        if pid != os.getpid():
            worker = get_worker_info()
            row = self.cells[worker.id if worker else -1].numpy()
            self.row = os.getpid(), row
        row[self.column] += wall - self.began[0]
        row[self.column + 1] += cpu - self.began[1]

    def __getstate__(self) -> dict[str, Any]:
        # The view of the shared memory is this process's own.
        return self.__dict__ | {"row": (0, None)}


class Truth:
    """The seconds of the planted line and of the work round it, over all processes."""

    def __init__(self, workers: int = 16) -> None:
        self.cells = torch.zeros(workers + 1, 4, dtype=torch.float64).share_memory_()
        self.planted, self.work = Clock(self.cells, PLANTED), Clock(self.cells, WORK)

    def tell(self, role: str) -> None:
        """Print the planted line, its share of the work by wall and by CPU, and the seconds."""
        script = Path(sys.argv[0]).resolve()
        lines = script.read_text(encoding="utf-8").splitlines()
        (line,) = (number for number, text in enumerate(lines, 1) if text.endswith("# <- planted"))
        planted, planted_cpu, work, work_cpu = self.cells.sum(0).tolist()
        print(
            json.dumps(
                {
                    "truth": script.stem,
                    "file": str(script),
                    "line": line,
                    "role": role,
                    "share": planted / work,
                    "cpu_share": planted_cpu / max(work_cpu, 1e-9),
                    "seconds": planted,
                }
            ),
            flush=True,
        )


class Timed(Dataset):
    """A dataset of `length` items, each made by `make(index)` under the clock of all work."""

    def __init__(self, truth: Truth, make: Callable[[int], Any], length: int) -> None:
        self.truth, self.make, self.length = truth, make, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        with self.truth.work:
            return self.make(index)


def options(description: str | None) -> argparse.Namespace:
    """Return how the workers are started and for how long the training runs."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--start", choices=["fork", "spawn", "forkserver"], default="fork")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    return parser.parse_args()


def loader(args: argparse.Namespace, dataset: Dataset, **more: Any) -> DataLoader:
    """Return a loader with the workers that the switches ask for."""
    start = args.start if args.workers else None
    return DataLoader(dataset, batch_size=4, num_workers=args.workers, multiprocessing_context=start, **more)


def until(seconds: float, batches: Iterable[Any]) -> Iterator[Any]:
    """Yield batches for some seconds after the first."""
    end = 0.0
    for batch in batches:
        end = end or time.monotonic() + seconds
        yield batch
        if time.monotonic() > end:
            return


def train(args: argparse.Namespace, batches: Iterable[Any], step: Callable[[int], None] = lambda _: None) -> int:
    """Train a tiny model on what the loader gives; `step(number)` runs at the end of each step."""
    torch.set_num_threads(1)
    model = nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    number = 0
    for number, _batch in enumerate(until(args.seconds, batches), 1):
        optimizer.zero_grad()
        model(torch.ones(4, 8)).square().mean().backward()
        optimizer.step()
        step(number)
    return number


def process_age() -> float:
    """Return the seconds since this process was started."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
