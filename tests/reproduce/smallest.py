"""Run a study at its smallest size, as a person would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# What the studies import; a machine without one of them skips, and pytest says which.
NEEDED = {
    "augmentation_order": ("torchvision", "cv2", "albumentations"),
    "input_overhead": ("torchvision",),
    "joint_preprocessing": ("torchvision", "cv2"),
    "parallel_preprocessing": ("torchvision", "cv2"),
    "foreground_augmentation": ("torch", "cv2"),
}
REPRODUCE = Path(__file__).resolve().parent.parent.parent / "scripts" / "reproduce"


def run(study: str, out: Path, *arguments: str) -> tuple[dict[str, Any], str, str]:
    """Return the study's result, its page and what it printed."""
    for name in NEEDED[study]:
        pytest.importorskip(name)
    call = [sys.executable, str(REPRODUCE / f"{study}.py"), "--smallest", "--out", str(out), *arguments]
    ended = subprocess.run(call, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result = json.loads((out / f"{study}.json").read_text(encoding="utf-8"))
    return result, (out / f"{study}.html").read_text(encoding="utf-8"), ended.stdout


def assert_whole(result: dict[str, Any], page: str, printed: str) -> None:
    """Every claim is on the page and in the text, none is judged at this size, and the page needs no other file."""
    for claim in result["claims"]:
        assert claim["held"] is None
        assert claim["text"] in " ".join(printed.split())
    assert page.count("class='not judged'") == len(result["claims"])
    assert "Plotly.newPlot" in page and "src=" not in page.replace("src={", "")[:2000]
    assert not [line for line in page.splitlines() if line.startswith("<script src")]
