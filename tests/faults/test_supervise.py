"""The same cases bare and wrapped: a command cannot tell that gpuwatch started it, and neither can who started gpuwatch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.cases import Way, bare, script, wait_for, wrapped

PYTHON = sys.executable
WAYS = [bare, wrapped]


@pytest.fixture(params=WAYS, ids=["bare", "wrapped"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    return request.param(tmp_path)


def test_exit_code_and_output_are_the_commands_own(way: Way) -> None:
    done = way.run(PYTHON, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGINT])
def test_a_killed_command_is_seen_as_killed_by_that_signal(way: Way, number: signal.Signals) -> None:
    assert way.run("bash", "-c", f"kill -{number.value} $$").returncode == -number


def test_everything_after_the_dashes_is_untouched(way: Way) -> None:
    arguments = ["--help", "--", "-v", "a b", "", "$HOME", "--name=x", "ü\udcff"]
    done = way.run(
        PYTHON, "-c", "import os, sys; sys.stdout.buffer.write(os.fsencode(repr(sys.argv[1:])))", *arguments, text=False
    )
    assert done.stdout == os.fsencode(repr(arguments))


def test_stdin_arrives_and_binary_stdout_leaves_unchanged(way: Way) -> None:
    sent = bytes(range(256)) * 1000
    assert way.run("cat", input=sent, text=False).stdout == sent


def test_a_reader_that_closes_early_ends_the_command_by_sigpipe(way: Way) -> None:
    with way.start("yes", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == -signal.SIGPIPE


def test_missing_command_is_127_and_a_plain_file_126(way: Way) -> None:
    (way.folder / "data.txt").write_text("no program\n")
    through_shell = ["bash", "-c", 'exec "$0"'] if way.name == "bare" else []
    assert way.run(*through_shell, "no-such-command").returncode == 127
    assert way.run(*through_shell, "./data.txt").returncode == 126
    assert way.run(*through_shell, "/tmp").returncode == 126


def test_a_shell_script_runs_all_its_lines(way: Way) -> None:
    path = script(
        way.folder, "train.sh", f"#!/bin/bash\nset -e\n{PYTHON} -c 'print(1)'\n{PYTHON} -c 'print(2)'\nexit 9\n"
    )
    done = way.run(path)
    assert (done.stdout, done.returncode) == ("1\n2\n", 9)


def test_a_script_without_a_first_line_runs_in_sh(way: Way) -> None:
    path = script(way.folder, "plain", "echo from sh $1\n")
    through = ["env"] if way.name == "bare" else []
    assert way.run(*through, path, "x").stdout == "from sh x\n"


HANDLER = """
import signal, sys, time
seen = []
def note(number, frame):
    seen.append(number)
    open("seen", "a").write(f"{number}\\n")
    if number == signal.SIGTERM:
        sys.exit(5)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
    signal.signal(number, note)
open("ready", "w").close()
while True:
    time.sleep(0.01)
"""


def test_signals_sent_to_us_reach_the_command_once(way: Way) -> None:
    seen = way.folder / "seen"
    with way.start(PYTHON, "-c", HANDLER) as process:
        wait_for((way.folder / "ready").exists, "the handlers")
        for count, number in enumerate((signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM), start=1):
            process.send_signal(number)
            wait_for(lambda count=count: seen.exists() and len(seen.read_text().split()) >= count, f"signal {number}")
        assert process.wait(30) == 5
    assert [int(line) for line in seen.read_text().split()] == [signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM]


def test_sigterm_without_a_handler_ends_as_sigterm(way: Way) -> None:
    with way.start("bash", "-c", "touch ready; exec sleep 60") as process:
        wait_for((way.folder / "ready").exists, "the command")
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM


INTERRUPTED = """
import time
try:
    open("ready", "w").close()
    time.sleep(60)
except KeyboardInterrupt:
    open("seen", "a").write("interrupted\\n")
    raise SystemExit(7)
"""


def test_sigint_to_us_alone_runs_the_users_code_once(way: Way) -> None:
    with way.start(PYTHON, "-c", INTERRUPTED) as process:
        wait_for((way.folder / "ready").exists, "the command")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 7
    assert (way.folder / "seen").read_text() == "interrupted\n"


def test_nohup_survives_a_hangup(way: Way) -> None:
    prefixed = ["nohup", *way.prefix, "bash", "-c", "touch ready; sleep 0.5; echo done"]
    process = subprocess.Popen(
        prefixed, cwd=way.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for((way.folder / "ready").exists, "the command")
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=30)[0] == "done\n"
    assert process.returncode == 0


def test_a_background_job_of_a_script_ignores_sigint(way: Way) -> None:
    # A shell without job control starts background jobs with SIGINT ignored; the command must inherit that through us.
    line = '"$@" & pid=$!; while [ ! -e ready ]; do sleep 0.02; done; kill -INT $pid; touch sent; wait $pid; echo status $?'
    body = "touch ready; while [ ! -e sent ]; do sleep 0.02; done; exit 4"
    done = subprocess.run(
        ["bash", "-c", line, "bash", *way.prefix, "bash", "-c", body],
        cwd=way.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "status 4\n"


LOOK = """
import json, os, resource, signal, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
OF_LIBC = 0b11 << 31  # signals 32 and 33 belong to the C library, which sets them in posix_spawn
json.dump({
    "masks": {key: int(status[key], 16) & ~OF_LIBC for key in ("SigBlk", "SigIgn", "SigCgt")},
    "environment": dict(os.environ),
    "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
    "limits": [resource.getrlimit(number) for number in range(16)],
    "umask": os.umask(0), "cwd": os.getcwd(), "session": os.getsid(0), "argv0": sys.orig_argv[0] if hasattr(sys, "orig_argv") else "",
    "nice": os.nice(0), "affinity": sorted(os.sched_getaffinity(0)),
}, sys.stdout)
"""


def test_what_the_command_inherits_is_the_same_bare_and_wrapped(tmp_path: Path) -> None:
    without, within = (json.loads(make(tmp_path).run(PYTHON, "-c", LOOK).stdout) for make in WAYS)
    inherited, given = without.pop("environment"), within.pop("environment")
    assert within == without
    changed = {key for key in inherited.keys() | given.keys() if inherited.get(key) != given.get(key)}
    assert changed == {"GPUWATCH_RUN", "PYTHONPATH"}
    assert given["PYTHONPATH"].split(":")[1:] == [inherited["PYTHONPATH"]]


def test_a_daemonised_grandchild_does_not_hold_us(way: Way) -> None:
    begun = time.monotonic()
    done = way.run("bash", "-c", "setsid sleep 30 >/dev/null 2>&1 </dev/null & echo $! >pid; exit 6")
    os.kill(int((way.folder / "pid").read_text()), signal.SIGKILL)
    assert done.returncode == 6
    assert time.monotonic() - begun < 25


def test_a_stopped_and_continued_command_sees_one_sigcont(way: Way) -> None:
    # Flags, not exceptions, in the handlers: an exception raised while a file object is finalised would be swallowed.
    body = (
        "import os, signal, time\n"
        "counts = {signal.SIGCONT: 0, signal.SIGUSR1: 0}\n"
        "def count(number, frame): counts[number] += 1\n"
        "for number in counts: signal.signal(number, count)\n"
        "open('ready', 'w').write(str(os.getpid()))\n"
        "while not counts[signal.SIGUSR1]:\n"
        "    time.sleep(0.01)\n"
        "    if counts[signal.SIGCONT]: open('seen', 'w').close()\n"
        "raise SystemExit(counts[signal.SIGCONT])\n"
    )
    with way.start(PYTHON, "-c", body, start_new_session=True) as process:
        wait_for(lambda: (way.folder / "ready").exists() and (way.folder / "ready").read_text(), "the command")
        command = Path("/proc") / (way.folder / "ready").read_text() / "stat"
        os.killpg(process.pid, signal.SIGSTOP)
        wait_for(lambda: command.read_text().rpartition(") ")[2][0] == "T", "the stop")
        os.killpg(process.pid, signal.SIGCONT)
        wait_for((way.folder / "seen").exists, "the SIGCONT handler")
        process.send_signal(signal.SIGUSR1)
        assert process.wait(30) == 1
