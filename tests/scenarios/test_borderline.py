"""A script near the threshold gets one verdict from all its runs, or is called borderline by each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "borderline" / "a_tenth.py"
RUNS = 5


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_runs_of_one_script_agree(tmp_path: Path) -> None:
    said = []
    for number in range(RUNS):
        report = tmp_path / f"{number}.json"
        ours = ["-m", "gpuwatch", "run", "--quiet", "--dir", str(tmp_path / "runs"), "--json", str(report)]
        done = subprocess.run(
            [sys.executable, *ours, "--", sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr[-2000:]
        verdict = json.loads(report.read_text(encoding="utf-8"))["verdict"]
        share = verdict["input_wait_share"]["median"]
        assert 0.07 < share < 0.13, f"the script is no longer near the threshold: {share:.1%}"
        said.append((verdict["bound"], verdict["confidence"], round(share, 3)))
    settled = {bound for bound, confidence, _ in said if confidence != "borderline"}
    assert len(settled) <= 1, said
    assert not settled or all(bound in settled for bound, _, _ in said), said
    print(said)
