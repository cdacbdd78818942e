"""A real training on two nodes of one machine: names, process ids and clocks of their own, over the loopback."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import nodes


@pytest.mark.slow
def test_two_nodes_are_one_report_on_one_clock(tmp_path: Path) -> None:
    if why := nodes.why_not():
        pytest.skip(f"nodes cannot be made here: {why}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = nodes.record(tmp_path, port)
    for wrong_ms in (0.0, 250.0):
        if wrong_ms:
            nodes.shift_wall_clock(folders[1], wrong_ms)
        found = _report(*folders)
        assert [(n["host"], n["ranks"]) for n in found["job"]["nodes"]] == [("node0", [0]), ("node1", [1])]
        assert found["job"]["by"] == "address" and found["job"]["missing_ranks"] == []
        assert [rank["rank"] for rank in found["ranks"]] == [0, 1]
        clock = found["job"]["nodes"][1]
        print(
            f"wall clock wrong by {wrong_ms} ms: {clock['clock_ms'] + wrong_ms:.3f} ms left, said {clock['clock_error_ms']}"
        )
        assert clock["clock_by"] == "steps"
        assert abs(clock["clock_ms"] + wrong_ms) <= 5
    both = tmp_path / "both"
    for folder in folders:
        shutil.copytree(next(folder.iterdir()), both / folder.name)
    assert _report(both)["job"]["id"] == found["job"]["id"]


def _report(*runs: Path) -> dict:
    ours = (sys.executable, "-m", "gpuwatch", "report", *map(str, runs), "--json", "-")
    done = subprocess.run(ours, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
