"""Whole gpuwatch commands, measured from outside: start-up, report of a long run, dashboard."""

from __future__ import annotations

import fcntl
import os
import pty
import resource
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import psutil

from scripts.benchmarks.machine import ROOT

GPUWATCH = [sys.executable, "-m", "gpuwatch"]
TRAIN_FOR_S = 300
SETTLE_S = 5.0
"""What a dashboard takes to start does not count."""


def python_added(turns: int) -> tuple[float, float]:
    """Return what the hook adds to a Python that does not import torch: median paired (wall, CPU) milliseconds."""
    from gpuwatch.hook.entry import inject

    with tempfile.TemporaryDirectory(prefix="gpuwatch-bench-") as run_dir:
        (Path(run_dir) / "spool").mkdir()
        inject.install_boot(run_dir)
        hooked, bare = inject.child_environment(dict(os.environ), run_dir), dict(os.environ)
        command = [sys.executable, "-c", "pass"]
        for environment in (bare, hooked):
            timed(command, environment)
        pairs = []
        for turn in range(turns):
            first, second = (timed(command, one) for one in ((bare, hooked) if turn % 2 else (hooked, bare)))
            one, other = (first, second) if turn % 2 else (second, first)
            pairs.append((other[0] - one[0], other[1] - one[1]))
    return tuple(statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))  # type: ignore[return-value]


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command; return its (wall, CPU) seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def until_command(turns: int) -> float:
    """Return how much later the command runs than bare: median seconds, both told by the command's own clock."""
    command = [sys.executable, "-I", "-S", "-c", "import time; print(time.monotonic())"]
    with tempfile.TemporaryDirectory(prefix="gpuwatch-bench-") as folder:
        wrapped = [*GPUWATCH, "run", "--quiet", "--dir", folder, "--", *command]
        _began_after(wrapped)
        return statistics.median(_began_after(wrapped) - _began_after(command) for _ in range(turns))


def _began_after(command: list[str]) -> float:
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout.split()[0]) - began


def help_cpu(turns: int) -> float:
    """Return the median CPU seconds of `gpuwatch --help`."""
    command = [*GPUWATCH, "--help"]
    timed(command, dict(os.environ))
    return statistics.median(timed(command, dict(os.environ))[1] for _ in range(turns))


def report_html(run: Path) -> tuple[float, float, Path]:
    """Return the wall and CPU seconds of `gpuwatch report RUN --html FILE`, and the file."""
    html = run.parent / "report.html"
    wall, cpu = timed([*GPUWATCH, "report", str(run), "--html", str(html)], dict(os.environ))
    return wall, cpu, html


def ready_seconds(html: Path) -> float | None:
    """Return when the page says that its charts can be used; None without Chromium."""
    from tests.browser import chromium

    if chromium.binary() is None:
        return None
    with chromium.page() as page:
        page.open(html)
        return float(page.run("document.documentElement.dataset.readyMs")) / 1e3


def dashboard_share(seconds: float) -> float:
    """Return the share of a core that `gpuwatch top` takes on a running training."""
    with tempfile.TemporaryDirectory(prefix="gpuwatch-bench-") as temporary:
        folder = Path(temporary)
        training = _train_wrapped(folder)
        try:
            return _watch(folder, seconds)
        finally:
            os.killpg(training.pid, signal.SIGINT)
            try:
                training.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(training.pid, signal.SIGKILL)
                training.wait()


def _train_wrapped(folder: Path) -> subprocess.Popen[bytes]:
    """Start a training under gpuwatch and wait for its first batch."""
    from scripts.benchmarks import runs

    photos, result = runs.make_photos(folder), folder / "result"
    train = [sys.executable, str(runs.TRAIN), str(photos), "--result", str(result), "--seconds", str(TRAIN_FOR_S)]
    command = [*GPUWATCH, "run", "--quiet", "--dir", str(folder / "runs"), "--", *train]
    runs.take_interrupts()
    training = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 90
    while not Path(f"{result}.training").exists():
        if training.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the training to be watched did not start")
        time.sleep(0.1)
    return training


def _watch(folder: Path, seconds: float) -> float:
    """Return the CPU share of a dashboard at a terminal, whose output is read as a terminal would."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(sys.executable, [*GPUWATCH, "top", "--dir", str(folder / "runs")])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    dashboard = psutil.Process(pid)
    try:
        if _drain(terminal, SETTLE_S) < 1000:
            raise RuntimeError("the dashboard drew nothing")
        began, before = time.monotonic(), _cpu(dashboard)
        _drain(terminal, seconds)
        return (_cpu(dashboard) - before) / (time.monotonic() - began)
    finally:
        os.kill(pid, signal.SIGTERM)
        _drain(terminal, 1.0)
        os.close(terminal)
        _, _ = os.waitpid(pid, 0)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _drain(terminal: int, seconds: float) -> int:
    """Read what is drawn for a while; return how many bytes it was."""
    until, size = time.monotonic() + seconds, 0
    while (left := until - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                size += len(os.read(terminal, 1 << 16))
            except OSError:  # the other side has gone
                break
    return size
