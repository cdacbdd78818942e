"""What the hook says of the device's waits, beside what the device says itself: `python -m tests.doubles.device.truth`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.doubles.device import build
from tests.unit.hook.hooked import Run, run

Times = NDArray[np.float64]
PROGRAM = Path(__file__).with_name("training.py")
LOOPS = ("input-bound", "sync-bound", "launch-bound", "overlapped", "device-bound")
_WARM_UP = 2


class Waits(NamedTuple):
    """GPU waits of one loop's steps (ms): by the hook's events, and by the device's own log. `step_ms`: a step."""

    loop: str
    step_ms: float
    measured: list[float]
    true: list[float]

    @property
    def off(self) -> float:
        """By how much the hook's mean is off, as a share of the step."""
        return float(np.mean(self.measured) - np.mean(self.true)) / self.step_ms

    @property
    def farthest(self) -> float:
        """By how much the worst tenth of the steps is off, as a share of the step."""
        return float(np.percentile(np.abs(np.subtract(self.measured, self.true)), 90)) / self.step_ms


def trained(library: Path, folder: Path, steps: int, *loops: str, **more: str) -> Run:
    """Train loops under the hook, on the device."""
    return run(PROGRAM, folder, str(library), str(steps), *loops, **{"GPUWATCH_TORCH_EVENTS": "on", **more})


def waits(found: Run) -> list[Waits]:
    """Return the waits of each loop of a run."""
    told = json.loads(found.done.stdout)
    busy = np.array(told["busy"], float).reshape(-1, 2)
    iterators = [row["iterator"] for row in found.trainer.of("iterator")]
    return [
        _of_loop(found, name, iterator, np.array(requests, float), busy)
        for iterator, (name, requests) in zip(iterators, told["requests"].items(), strict=True)
    ]


def _of_loop(found: Run, name: str, iterator: int, requests: Times, busy: Times) -> Waits:
    rows = [row for row in found.trainer.of("gpu_wait") if row["iterator"] == iterator and row["wait_ms"] is not None]
    rows = [row for row in rows if row["index"] >= _WARM_UP]
    idle = idle_ns(busy, *requests.T) / 1e6
    step_ms = float(np.median(np.diff(requests[_WARM_UP:, 1]))) / 1e6
    return Waits(name, step_ms, [row["wait_ms"] for row in rows], [float(idle[row["index"]]) for row in rows])


def idle_ns(busy: Times, begin: Times, end: Times) -> Times:
    """Return how long the stream was not busy between each `begin` and `end`."""
    covered = np.clip(np.minimum(busy[:, 1], end[:, None]) - np.maximum(busy[:, 0], begin[:, None]), 0, None)
    idle: Times = end - begin - covered.sum(axis=1)
    return idle


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder:
        library = build.build(Path(folder))
        found = waits(trained(library, Path(folder) / "run", 60, *LOOPS))
    print("| loop | step, ms | GPU wait, true | by events | off, of the step | worst tenth of the steps |")
    print("| --- " * 6 + "|")
    for each in found:
        means = f"{np.mean(each.true):.3f} | {np.mean(each.measured):.3f}"
        print(f"| {each.loop} | {each.step_ms:.2f} | {means} | {each.off:+.2%} | {each.farthest:.2%} |")


if __name__ == "__main__":
    main()
