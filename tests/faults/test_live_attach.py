"""The dashboard of a training that gpuwatch attaches to, on a real terminal (tmux): it shows the look, then the card."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuwatch.sources import pyspy
from tests.faults.test_attach import training
from tests.faults.test_dashboard import GPUWATCH, Window, running

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Window]:
    pytest.importorskip("torch")
    missing = pyspy.why_not()
    if missing:
        pytest.skip(missing)
    opened = Window(tmp_path, 120, 40)
    try:
        yield opened
    finally:
        subprocess.run(["tmux", "-L", opened.server, "kill-server"], check=False)


def wait_for(screen: Window, part: str) -> str:
    """Wait for what is in front of the shell, the dashboard."""
    deadline = time.monotonic() + 30
    while part not in (shown := screen("capture-pane", "-p")):
        assert time.monotonic() < deadline, f"{part!r} did not come:\n{shown}"
        time.sleep(0.1)
    return shown


def test_top_shows_a_process_and_its_card_when_it_is_left(screen: Window, tmp_path: Path) -> None:
    with training(tmp_path) as trained:
        screen.type(f"{GPUWATCH} top --pid {trained.pid}; echo left-$?")
        shown = wait_for(screen, "waiting")
        assert "No worker yet" not in shown
        screen.keys("q")
        assert "kept in" in screen.wait("left-0")
        assert running(trained.pid)
        screen.assert_sane()


def test_attach_live_ends_with_the_look(screen: Window, tmp_path: Path) -> None:
    with training(tmp_path) as trained:
        screen.type(f"{GPUWATCH} attach {trained.pid} --live --seconds 6; echo left-$?")
        wait_for(screen, "Verdict")
        assert "Input-bound" in screen.wait("left-0")
        assert running(trained.pid)
        screen.assert_sane()
