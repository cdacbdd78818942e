"""A script near the threshold gets one verdict from all its runs, or is called borderline by each; one well beside it is not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SCRIPT = Path(__file__).parent / "borderline" / "a_tenth.py"
# As far apart as runs of one script were.
NEAR = (0.098, 0.1, 0.102, 0.104, 0.105)


def verdict_at(share: float, folder: Path) -> dict[str, Any]:
    """Return the verdict on a run of the script that waits for so much of its loop, by its own clock."""
    report = folder / f"{share}.json"
    ours = [sys.executable, "-m", "gpuwatch", "run", "--quiet", "--dir", str(folder / "runs"), "--json", str(report)]
    command = [*ours, "--", sys.executable, str(SCRIPT), "--share", str(share)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    waited = re.search(r"waited (\S+) of the loop", done.stdout)
    assert waited and float(waited[1]) == pytest.approx(share, rel=0.03), "the script did not keep its own share"
    verdict: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["verdict"]
    print(share, verdict["bound"], verdict["confidence"], verdict["input_wait_share"])
    assert verdict["input_wait_share"]["median"] == pytest.approx(float(waited[1]), rel=0.08)
    return verdict


def test_runs_of_one_script_agree(tmp_path: Path) -> None:
    said = [verdict_at(share, tmp_path) for share in NEAR]
    settled = {verdict["bound"] for verdict in said if verdict["confidence"] != "borderline"}
    assert len(settled) <= 1, said
    assert not settled or all(verdict["bound"] in settled for verdict in said), said


@pytest.mark.parametrize(("share", "bound"), [(0.07, "compute"), (0.14, "input")])
def test_a_script_well_beside_the_threshold_is_not_borderline(share: float, bound: str, tmp_path: Path) -> None:
    verdict = verdict_at(share, tmp_path)
    assert (verdict["bound"], verdict["confidence"]) == (bound, "high")
