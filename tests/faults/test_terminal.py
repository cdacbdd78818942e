"""At a real terminal (tmux): Ctrl-C, Ctrl-Z and fg typed, terminal ownership, a closed window; bare and wrapped."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cases import Way, alive, bare, environment, newest_run, sampler_pids, script, wait_for, wrapped

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")

INTERRUPTED = """
import time
try:
    open("ready", "w").close()
    time.sleep(60)
except KeyboardInterrupt:
    with open("seen", "a") as file:
        file.write("interrupted\\n")
    print("saving", flush=True)
    time.sleep(0.2)
    raise SystemExit(7)
"""


class Terminal:
    """A shell in a tmux window of its own server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = f"gpuwatch-{uuid.uuid4().hex[:8]}"
        self("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "-c", str(folder), "bash", "--norc", "-i")

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-L", self.server, *arguments]
        return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=20).stdout

    def type(self, line: str) -> None:
        self("send-keys", "-l", line)
        self("send-keys", "Enter")

    def key(self, key: str) -> None:
        self("send-keys", key)

    def screen(self) -> str:
        return self("capture-pane", "-p")

    def shows(self, text: str) -> None:
        """Wait until the screen shows a text; fail with the screen as it is then."""
        try:
            wait_for(lambda: text in self.screen(), repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen:\n{self.screen()}") from None


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    window = Terminal(tmp_path)
    yield window
    window("kill-server")


@pytest.fixture(params=[bare, wrapped], ids=["bare", "wrapped"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    return request.param(tmp_path)


def _line(way: Way, *command: str) -> str:
    return shlex.join([*way.prefix, *command])


def test_ctrl_c_runs_the_users_interrupt_code_once_and_keeps_its_status(terminal: Terminal, way: Way) -> None:
    path = script(way.folder, "train.py", INTERRUPTED)
    terminal.type(_line(way, sys.executable, path) + '; echo "status $?"')
    wait_for((way.folder / "ready").exists, "the training")
    terminal.key("C-c")
    terminal.shows("status 7")
    assert (way.folder / "seen").read_text() == "interrupted\n"


def test_ctrl_c_without_a_handler_stops_the_shells_loop_too(terminal: Terminal, way: Way) -> None:
    # A shell ends a loop only when the command died of SIGINT; exiting with 130 would let it go on.
    line = _line(way, "bash", "-c", "touch ready; exec sleep 60")
    terminal.type(f"for i in 1 2; do echo round $i >>rounds; {line}; done")
    wait_for((way.folder / "ready").exists, "the command")
    terminal.key("C-c")
    terminal.type("echo over >>rounds")
    rounds = way.folder / "rounds"
    wait_for(lambda: "over" in rounds.read_text(), "the prompt")
    assert rounds.read_text() == "round 1\nover\n"


def test_the_sampler_outlives_ctrl_c_and_ends_with_the_run(terminal: Terminal, tmp_path: Path) -> None:
    way = wrapped(tmp_path)
    path = script(tmp_path, "train.py", INTERRUPTED)
    terminal.type(_line(way, sys.executable, path) + '; echo "status $?"')
    wait_for((tmp_path / "ready").exists, "the training")
    run = newest_run(tmp_path)
    wait_for(lambda: sampler_pids(run), "the sampler")
    terminal.key("C-c")
    terminal.shows("status 7")
    assert sampler_pids(run) == []


def test_the_command_owns_the_terminal(terminal: Terminal, way: Way) -> None:
    body = "import os; print('owns', [os.isatty(fd) for fd in (0, 1, 2)], os.tcgetpgrp(0) == os.getpgrp(), input())"
    terminal.type(_line(way, sys.executable, "-c", body))
    terminal.type("typed")
    terminal.shows("owns [True, True, True] True typed")


def test_ctrl_z_stops_and_fg_goes_on(terminal: Terminal, way: Way) -> None:
    body = "touch ready; while [ ! -e go ]; do sleep 0.05; done; exit 8"
    terminal.type(_line(way, "bash", "-c", body) + '; echo "first $?"')
    wait_for((way.folder / "ready").exists, "the command")
    terminal.key("C-z")
    terminal.shows("Stopped")
    (way.folder / "go").touch()
    terminal.type('fg; echo "then $?"')
    terminal.shows("then 8")


def test_a_closed_window_hangs_up_the_command(terminal: Terminal, way: Way) -> None:
    body = "import os, signal, time; signal.signal(signal.SIGHUP, lambda *_: (open('seen', 'a').write('hup\\n'), exit(0)))\n"
    body += "open('pid', 'w').write(str(os.getpid()))\nwhile True: time.sleep(0.01)"
    # exec: the command (or gpuwatch) becomes the session's leader, as under `docker run -t` or `ssh -t host command`.
    terminal.type("exec " + _line(way, sys.executable, "-c", body))
    pid = way.folder / "pid"
    wait_for(lambda: pid.exists() and pid.read_text(), "the command")
    terminal("kill-server")
    wait_for(lambda: not alive(int(pid.read_text())), "the end of the command")
    wait_for((way.folder / "seen").exists, "the hang-up")
    assert "hup" in (way.folder / "seen").read_text()


def test_ctrl_backslash_quits(terminal: Terminal, way: Way) -> None:
    terminal.type("ulimit -c 0; " + _line(way, "bash", "-c", "touch ready; exec sleep 60") + '; echo "status $?"')
    wait_for((way.folder / "ready").exists, "the command")
    terminal.key("C-\\")
    terminal.shows("status 131")
    assert not os.path.exists(way.folder / "core")
