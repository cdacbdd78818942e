"""GPU wait by torch.Event, on a device whose waits are known: the double of `tests/doubles/device`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.doubles.device import build, truth

from .hooked import Run, bare_environment

# What is lost or gained between two clocks and two calls, as a share of the step.
NEAR = 0.02
CAPTURES = "captures"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    why = build.why_not()
    if why is not None:
        pytest.skip(why)
    return build.build(tmp_path_factory.mktemp("device"))


@pytest.fixture(scope="module")
def run(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return truth.trained(library, tmp_path_factory.mktemp("trained") / "run", 40, *truth.LOOPS, CAPTURES)


@pytest.fixture(scope="module")
def waits(run: Run) -> dict[str, truth.Waits]:
    return {each.loop: each for each in truth.waits(run)}


@pytest.mark.parametrize("loop", truth.LOOPS)
def test_the_wait_is_the_devices_own(waits: dict[str, truth.Waits], loop: str) -> None:
    found = waits[loop]
    assert len(found.measured) >= 12
    assert abs(found.off) <= NEAR, found
    assert abs(np.median(found.measured) - np.median(found.true)) <= NEAR * found.step_ms, found


def test_only_what_the_device_has_nothing_left_for_is_a_wait(waits: dict[str, truth.Waits]) -> None:
    share = {name: np.median(each.measured) / each.step_ms for name, each in waits.items()}
    assert share["input-bound"] > 0.4
    # The host waits 8 ms in each step of 12 ms, and 2 ms of 20: the device has enough to do meanwhile.
    assert share["overlapped"] <= NEAR and share["device-bound"] <= NEAR
    # Idle in the middle of a step, for a read or a launch, is no wait for a batch: 5 ms of work cover 5 ms of the input's 8.
    assert 0.1 < share["sync-bound"] < 0.3 and 0.1 < share["launch-bound"] < 0.3


def test_the_device_is_named_and_no_seam_is_missing(run: Run) -> None:
    facts = run.trainer.facts()
    assert facts["accelerator"] == ["fakegpu", "Fake GPU"]
    assert "cuda_devices" not in facts and "missing_seam" not in facts and "hook_error" not in facts


def test_nothing_is_recorded_while_a_graph_is_captured(run: Run, waits: dict[str, truth.Waits]) -> None:
    last = run.trainer.of("iterator")[-1]["iterator"]
    measured = {row["index"] for row in run.trainer.of("gpu_wait") if row["iterator"] == last}
    assert {7, 8, 15} < measured and not {10, 11, 12} & measured
    assert abs(waits[CAPTURES].off) <= NEAR


def test_without_being_asked_for_no_event_is_made(library: Path, tmp_path: Path) -> None:
    found = truth.trained(library, tmp_path / "run", 10, "input-bound", GPUWATCH_TORCH_EVENTS="")
    assert not found.trainer.of("gpu_wait") and "accelerator" not in found.trainer.facts()


def report(library: Path, folder: Path, loop: str) -> dict[str, Any]:
    folder.mkdir()
    out = folder / "report.json"
    training = [sys.executable, str(truth.PROGRAM), str(library), "80", loop]
    options = ["--quiet", "--no-stacks", "--dir", str(folder / "runs"), "--json", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "gpuwatch", "run", *options, "--", *training],
        env={**bare_environment(), "GPUWATCH_TORCH_EVENTS": "on", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.mark.slow
def test_the_verdict_goes_by_the_devices_clock(library: Path, tmp_path: Path) -> None:
    starved, overlapped = (report(library, tmp_path / loop, loop) for loop in ("input-bound", "overlapped"))
    assert starved["verdict"]["bound"] == "input"
    assert starved["verdict"]["input_wait_share"]["clock"] == "device"
    assert starved["verdict"]["input_wait_share"]["median"] == pytest.approx(0.6, abs=0.1)
    assert overlapped["verdict"]["bound"] == "compute"
    assert overlapped["verdict"]["input_wait_share"]["median"] <= NEAR
