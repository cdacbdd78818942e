"""Two real ranks, of which one waits on a GPU that NVML calls fully busy: the verdict is on the rank that it waits for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doubles.nvml.fixtures import Double, nvml, nvml_library
from tests.scenarios.catalogue import by_name

__all__ = ["nvml", "nvml_library"]


@pytest.mark.slow
def test_a_rank_that_spins_at_low_power_waits(nvml: Double, tmp_path: Path) -> None:
    # Rank 1 has the longer files; rank 0 waits for it.
    nvml.state.apply(0, {"busy": 100, "power_mw": 196_000, "power_limit_mw": 700_000, "gpm": {2: 3.0}})
    nvml.state.apply(1, {"busy": 35, "power_mw": 350_000, "power_limit_mw": 700_000, "gpm": {2: 30.0}})
    (scenario,) = by_name(("ranks_one_slow",))
    report = tmp_path / "report.json"
    ours = [sys.executable, "-m", "gpuwatch", "run", "--quiet", "--dir", str(tmp_path / "runs"), "--json", str(report)]
    command = [*ours, "--", sys.executable, *scenario.flags, str(scenario.path)]
    done = subprocess.run(
        command, env={**os.environ, **nvml.environment}, capture_output=True, text=True, timeout=55, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(report.read_text())
    first = found["findings"][0]
    assert found["verdict"]["bound"] in scenario.bound
    assert (first["id"], first["rank"]) == ("straggler-rank", 1)
    waiting = [evidence for evidence in first["evidence"] if "yet waiting" in evidence["metric"]]
    assert [evidence["metric"] for evidence in waiting] == ["GPU 0 busy, yet waiting"]
    assert waiting[0]["note"] == "28% of its power limit, 3% of its SMs active"
    assert not {"low-sm-activity", "communication-bound"} & {finding["id"] for finding in found["findings"]}
