"""Trainings whose GPU wait is known, on the device double: `training.py LIBRARY STEPS LOOP...`.

Prints, for each loop, when each batch was requested and came, and when the device's stream was busy.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from typing import Any, NamedTuple

import fakegpu  # type: ignore[import-not-found]  # beside this program
import torch
from torch.utils.data import DataLoader, Dataset


class Loop(NamedTuple):
    """What a step takes: the input, forward and backward on the device (ms). `launches`: kernels of each of the two, and
    what the host takes to launch one (µs); `reads`: the loss is read in the middle of each step; `after_ms`: the host's
    work after that; `pinned`: batches are, and their copies do not keep the host; `captures`: a graph is captured in a few
    steps, in which no event may be recorded or queried."""

    input_ms: float
    forward_ms: float
    backward_ms: float
    launches: int = 1
    launch_us: float = 0.0
    reads: bool = False
    after_ms: float = 0.0
    pinned: bool = False
    captures: bool = False


LOOPS = {
    "input-bound": Loop(20, 4, 4),
    "sync-bound": Loop(8, 5, 5, reads=True, after_ms=3),
    "launch-bound": Loop(3, 1.5, 1.5, launches=50, launch_us=150),
    "overlapped": Loop(8, 6, 6, pinned=True),
    "device-bound": Loop(2, 10, 10),
    "captures": Loop(12, 3, 3, captures=True),
}
# As many steps may be launched ahead.
_AHEAD = 2
_CAPTURED = range(10, 15)


class Slow(Dataset[torch.Tensor]):
    """Items that take so long."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count, self.seconds = count, seconds

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        time.sleep(self.seconds)
        return torch.full((1000,), float(index))


def launch(x: torch.Tensor, ms: float, loop: Loop) -> torch.Tensor:
    """Launch kernels that take `ms` together."""
    for _ in range(loop.launches):
        begun = time.perf_counter()
        x = torch.ops.fakegpu.work(x, round(1e3 * ms / loop.launches))
        while time.perf_counter() - begun < loop.launch_us / 1e6:
            pass
    return x


class Model(torch.autograd.Function):
    """Forward and backward that only take time on the device."""

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, loop: Loop) -> torch.Tensor:
        ctx.loop = loop
        return launch(weight, loop.forward_ms, loop)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return launch(gradient, ctx.loop.backward_ms, ctx.loop), None


def train(loop: Loop, steps: int) -> list[tuple[int, int]]:
    """Train; return when each batch was requested, and when it came."""
    weight = torch.nn.Parameter(torch.zeros(1, device=fakegpu.NAME))
    optimizer = torch.optim.SGD([weight], lr=0.1, foreach=False)
    batches = iter(DataLoader(Slow(steps, loop.input_ms / 1e3), batch_size=None, pin_memory=loop.pinned))
    requests: list[tuple[int, int]] = []
    launched = deque[torch.Event]()
    while True:
        requested = time.monotonic_ns()
        batch = next(batches, None)
        if batch is None:
            torch.accelerator.synchronize()
            return requests
        requests.append((requested, time.monotonic_ns()))
        torch.ops.fakegpu.capture(loop.captures and len(requests) in _CAPTURED)
        batch.to(fakegpu.NAME, non_blocking=True)
        optimizer.zero_grad()
        loss = Model.apply(weight, loop)
        if loop.reads:
            loss.item()
            time.sleep(loop.after_ms / 1e3)
        loss.backward()
        optimizer.step()
        if not (loop.captures and len(requests) in _CAPTURED):
            launched.append(torch.Event(fakegpu.NAME))
            launched[-1].record()
        if len(launched) > _AHEAD:
            launched.popleft().synchronize()


def main(library: str, steps: int, names: list[str]) -> None:
    """Run the loops, one after the other."""
    fakegpu.load(library)
    told = {name: train(LOOPS[name], steps) for name in names}
    print(json.dumps({"requests": told, "busy": list(torch.ops.fakegpu.busy())}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
