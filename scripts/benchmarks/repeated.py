"""Run a training script again and again until it is stopped, with a clock of its own round the loader's `__next__`.

    python scripts/benchmarks/repeated.py WAITS.json SCRIPT [ARGUMENTS...]

On SIGTERM the waits are written as [begin, end] pairs of time.monotonic_ns, and the process ends.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch.utils.data.dataloader as loaders

WAITS: list[tuple[int, int]] = []


def measure() -> None:
    """Note each outermost wait for a batch of this process."""
    ask, own, depth = loaders._BaseDataLoaderIter.__next__, os.getpid(), threading.local()

    def __next__(self: Any) -> Any:
        begun, depth.at = time.monotonic_ns(), getattr(depth, "at", 0) + 1
        try:
            return ask(self)
        finally:
            depth.at -= 1
            if depth.at == 0 and os.getpid() == own:
                WAITS.append((begun, time.monotonic_ns()))

    loaders._BaseDataLoaderIter.__next__ = __next__


def main() -> None:
    file, script, own = Path(sys.argv[1]), sys.argv[2], os.getpid()
    sys.argv = sys.argv[2:]
    sys.path.insert(0, str(Path(script).parent))

    def end(*_: object) -> None:
        if os.getpid() == own:
            file.write_text(json.dumps(WAITS))
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    measure()
    while True:
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit:
            continue


if __name__ == "__main__":
    main()
