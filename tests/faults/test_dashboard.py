"""The dashboard on a real terminal (tmux): every way out leaves the training alone and the terminal as it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")

ROOT = Path(__file__).parents[2]
GPUWATCH = f"{sys.executable} -m gpuwatch"
COMMAND = """
import pathlib, signal, time
pathlib.Path("pid").write_text(str(__import__("os").getpid()))
try:
    for n in range(600):
        print("line", n, flush=True)
        if pathlib.Path("finish").exists():
            break
        time.sleep(0.1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise SystemExit(5)
print("all done", flush=True)
"""


class Window:
    """A shell in a tmux window, on a server of its own."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        self.server = f"gpuwatch-{uuid.uuid4().hex[:8]}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
        shell = ("new-session", "-d", "-x", str(width), "-y", str(height), "-c", str(folder), "bash", "--norc", "-i")
        subprocess.run(["tmux", "-L", self.server, "-f", "/dev/null", *shell], check=True, env=environment)

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-L", self.server, *arguments], check=True, capture_output=True, text=True
        ).stdout

    def type(self, line: str) -> None:
        self("send-keys", "-l", line)
        self("send-keys", "Enter")

    def keys(self, *keys: str) -> None:
        self("send-keys", *keys)

    def text(self) -> str:
        return self("capture-pane", "-p", "-S", "-200")

    def wait(self, part: str, timeout_s: float = 40.0) -> str:
        deadline = time.monotonic() + timeout_s
        while part not in (shown := self.text()):
            assert time.monotonic() < deadline, f"{part!r} did not come:\n{shown}"
            time.sleep(0.1)
        return shown

    def wait_for_main_screen(self) -> None:
        deadline = time.monotonic() + 20
        while self("display-message", "-p", "#{alternate_on}").strip() != "0":
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def assert_sane(self) -> None:
        """Assert that the shell is back: main screen, cursor, echo, no mouse reports."""
        self.type("stty -a | grep -o ' -*echo ' ; echo back-$((40+2))")
        shown = self.wait("back-42")
        assert "\n echo\n" in shown.split("back-$", 1)[1]
        state = self("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").split()
        assert state == ["0", "1", "0"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(COMMAND)
    return tmp_path


@pytest.fixture
def window(folder: Path) -> Iterator[Window]:
    opened = Window(folder, 100, 30)
    try:
        yield opened
    finally:
        subprocess.run(["tmux", "-L", opened.server, "kill-server"], check=False)
        end(folder)


def end(folder: Path) -> None:
    (folder / "finish").touch()
    pid = int((folder / "pid").read_text()) if (folder / "pid").exists() else None
    deadline = time.monotonic() + 10
    while pid and running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def training(folder: Path) -> int:
    return int((folder / "pid").read_text())


def dashboards(window: Window) -> list[int]:
    """Return the dashboard processes below this window's shell."""
    shell = int(window("display-message", "-p", "#{pane_pid}"))
    found = []
    for path in Path("/proc").iterdir():
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if (b"gpuwatch.commands.live_child" in words or b"top" in words) and descends(int(path.name), shell):
            found.append(int(path.name))
    return found


def guards() -> list[str]:
    """Return the guards of terminals that are left, after a moment to end in."""
    deadline = time.monotonic() + 5
    while found := [name for name in map(cmdline, Path("/proc").iterdir()) if b"terminal_guard.py" in name]:
        if time.monotonic() > deadline:
            return [str(name) for name in found]
        time.sleep(0.05)
    return []


def cmdline(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:
        return b""


def descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
    return False


def start_live(window: Window) -> None:
    window.type(f"{GPUWATCH} run --live --quiet -- {sys.executable} train.py; echo status-$?")
    window.wait("Output of the command")
    window.wait("line 1")


def test_live_run_shows_the_output_and_ends_with_the_training(window: Window, folder: Path) -> None:
    start_live(window)
    (folder / "finish").touch()
    shown = window.wait("status-0")
    assert "all done" in shown
    window.assert_sane()


def test_leaving_the_dashboard_leaves_the_training(window: Window, folder: Path) -> None:
    start_live(window)
    window.keys("q")
    window.wait("line 3")
    assert running(training(folder))
    (folder / "finish").touch()
    window.wait("status-0")
    window.assert_sane()


def test_killed_dashboard_gives_the_terminal_back(window: Window, folder: Path) -> None:
    start_live(window)
    (dashboard,) = dashboards(window)
    os.kill(dashboard, signal.SIGKILL)
    window.wait_for_main_screen()
    assert running(training(folder))
    (folder / "finish").touch()
    window.wait("status-0")
    window.assert_sane()


def test_killed_training_ends_the_dashboard_with_its_status(window: Window, folder: Path) -> None:
    start_live(window)
    os.kill(training(folder), signal.SIGKILL)
    window.wait("status-137")
    window.assert_sane()


def test_ctrl_c_twice_interrupts_the_training(window: Window) -> None:
    start_live(window)
    window.keys("C-c")
    window.wait("again")
    window.keys("C-c")
    assert "interrupted" in window.wait("status-5")
    window.assert_sane()


@pytest.mark.parametrize("way", ["q", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_top_attaches_resizes_and_leaves(window: Window, folder: Path, way: str) -> None:
    window.type(f"{GPUWATCH} run --quiet -- {sys.executable} train.py > out & {GPUWATCH} top; echo left-$?")
    window.wait("running")
    window("resize-window", "-x", "80", "-y", "24")
    window.keys("Space")
    window.wait("paused")
    if way == "q":
        window.keys("q")
    else:
        os.kill(dashboards(window)[0], getattr(signal, way))
    if way == "SIGKILL":
        # What the shell says before the guard has acted is lost with the alternate screen.
        window.wait_for_main_screen()
    else:
        window.wait("left-")
    assert running(training(folder))
    window.assert_sane()
    assert not guards()


def test_top_in_a_pipe_prints_lines_and_ends_with_the_run(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (folder / "finish").touch()
    subprocess.run(
        [sys.executable, "-m", "gpuwatch", "run", "--quiet", "--", sys.executable, "train.py"],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    done = subprocess.run(
        [sys.executable, "-m", "gpuwatch", "top"],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert len(done.stdout.splitlines()) == 1 and "\x1b" not in done.stdout and done.stderr == ""
