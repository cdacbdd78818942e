"""pytest fixtures: the double, built once per session, and a sampler process that sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.words import event_log
from tests.doubles.nvml import build, state

PATIENCE_S = 15.0


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that holds the double's libnvidia-ml.so.1."""
    if build.compiler() is None:
        pytest.skip("no C compiler here to build the NVML double with")
    return build.build(tmp_path_factory.mktemp("nvml")).parent


class Sampled:
    """A sampler process over a run folder of its own; `rows` reads what it has written so far."""

    def __init__(self, run: Path, environment: dict[str, str], *options: str) -> None:
        self.run = run
        (run / "spool").mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "gpuwatch.sampler", str(run), "--parent", str(os.getpid()), *options]
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Return the complete rows of a kind as dictionaries."""
        spool = self.run / "spool" / "sampler.jsonl"
        whole = spool.read_text().rpartition("\n")[0] if spool.exists() else ""
        if not whole:
            return []
        header, events = event_log.read(whole)
        assert all(len(values) == len(header["columns"][of]) for of, values in events)
        return [values for of, values in events if of == kind]

    def wait_for(self, kind: str, wanted: Callable[[dict[str, Any]], bool] = lambda row: True) -> dict[str, Any]:
        """Return the first row of a kind that is wanted, as soon as it is there."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for row in self.rows(kind):
                if wanted(row):
                    return row
            if self.process.poll() is not None and not self.rows(kind):
                break
            time.sleep(0.02)
        raise AssertionError(f"no such {kind} row; last: {self.rows(kind)[-2:]}; {self.rows('meta')}")

    def stop(self) -> int:
        """Ask the sampler to end as the supervisor does, and return its exit status."""
        (self.run / "stop").touch()
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stderr is not None
            self.process.stderr.close()


class Double:
    """The double's state and how to start a sampler that sees it."""

    def __init__(self, folder: Path, library: Path, devices: int) -> None:
        self.folder = folder
        self.path = folder / "nvml.state"
        self.state = state.create(self.path, devices)
        self.environment = {"LD_LIBRARY_PATH": str(library), "NVML_DOUBLE_STATE": str(self.path)}
        self.started: list[Sampled] = []

    def sampler(self, *options: str, **environment: str) -> Sampled:
        """Start a sampler whose driver is this double; `environment` overrides."""
        run = self.folder / f"run{len(self.started)}"
        self.started.append(Sampled(run, {**self.environment, **environment}, *(options or ("--rate", "5"))))
        return self.started[-1]


@pytest.fixture
def nvml(nvml_library: Path, tmp_path: Path) -> Iterator[Double]:
    """Yield a double with two GPUs; samplers that a test left running are ended."""
    double = Double(tmp_path, nvml_library, 2)
    yield double
    double.state.hang = 0
    for sampled in double.started:
        if sampled.process.poll() is None:
            sampled.stop()
