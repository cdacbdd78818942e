"""gpuwatch's own trouble never becomes the training's: killed, no place to write, full disk, broken settings, no sampler."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuwatch.store import folder
from tests.faults.cases import GPUWATCH, alive, environment, newest_run, sampler_pids, script, wait_for, wrapped

PYTHON = sys.executable


def _run(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GPUWATCH, *arguments],
        cwd=tmp_path,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_training_finishes_when_gpuwatch_is_killed_and_the_run_stays_readable(tmp_path: Path) -> None:
    body = "touch ready; while [ ! -e go ]; do sleep 0.02; done; echo finished >out"
    with wrapped(tmp_path).start("bash", "-c", body) as process:
        wait_for((tmp_path / "ready").exists, "the training")
        run = newest_run(tmp_path)
        wait_for(lambda: json.loads((run / "run.json").read_text())["child_pid"], "the child's pid")
        assert folder.read_info(run).state == "running"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert folder.read_info(run).state == "running", "the training still runs"
        (tmp_path / "go").touch()
        wait_for((tmp_path / "out").exists, "the end of the training")
    wait_for(lambda: folder.read_info(run).state == "lost", "the state")
    wait_for(lambda: not sampler_pids(run), "the sampler's own end")


def test_a_killed_sampler_is_nothing_to_the_command(tmp_path: Path) -> None:
    with wrapped(tmp_path).start(
        "bash", "-c", "touch ready; while [ ! -e go ]; do sleep 0.02; done; exit 5"
    ) as process:
        wait_for((tmp_path / "ready").exists, "the command")
        run = newest_run(tmp_path)
        wait_for(lambda: sampler_pids(run), "the sampler")
        os.kill(sampler_pids(run)[0], signal.SIGKILL)
        (tmp_path / "go").touch()
        assert process.wait(30) == 5


def test_the_sampler_is_gone_when_gpuwatch_is(tmp_path: Path) -> None:
    with wrapped(tmp_path).start("bash", "-c", "touch ready; while [ ! -e go ]; do sleep 0.02; done") as process:
        wait_for((tmp_path / "ready").exists, "the command")
        run = newest_run(tmp_path)
        wait_for(lambda: sampler_pids(run), "the sampler")
        (sampler,) = sampler_pids(run)
        (tmp_path / "go").touch()
        assert process.wait(30) == 0
    assert not alive(sampler)
    assert sorted(path.name for path in run.iterdir()) == ["boot", "run.json", "sampler.log", "spool"]


def test_a_place_that_takes_no_folder_is_replaced_by_a_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = _run(
        tmp_path, "run", "--quiet", "--dir", "file/runs", "--", "sh", "-c", "echo trained; exit 3", TMPDIR=str(tmp_path)
    )
    assert (done.returncode, done.stdout) == (3, "trained\n")
    assert done.stderr.count("\n") == 1
    assert "cannot record in file/runs: Not a directory" in done.stderr
    kept = next(tmp_path.glob("gpuwatch-*/*/run.json"))
    assert json.loads(kept.read_text())["exit_code"] == 3


def _python(tmp_path: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    call = [PYTHON, "-c", code, *arguments]
    return subprocess.run(call, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)


def test_no_place_at_all_still_runs_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = "import tempfile; tempfile.tempdir = '/proc/none'; from gpuwatch.__main__ import main; main()"
    done = _python(tmp_path, code, "run", "--dir", "file/runs", "--", "sh", "-c", "echo trained; exit 3")
    assert (done.returncode, done.stdout) == (3, "trained\n")
    assert "running without recording" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("asked", "code", "lines"),
    [
        ((), 0, 1),
        (("--fail-on", "input_wait>10%"), 4, 2),
        (("--json", "out.json"), 4, 2),
        (("--html", "out.html"), 4, 2),
    ],
)
def test_a_run_recorded_nowhere_fails_only_what_was_asked_of_us(
    tmp_path: Path, asked: tuple[str, ...], code: int, lines: int
) -> None:
    (tmp_path / "file").write_text("")
    program = "import tempfile; tempfile.tempdir = '/proc/none'; from gpuwatch.__main__ import main; main()"
    done = _python(tmp_path, program, "run", "--dir", "file/runs", *asked, "--", "echo", "trained")
    assert (done.returncode, done.stdout) == (code, "trained\n")
    assert done.stderr.count("\n") == lines
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("broken", ["inject.install_boot", "folder.new_info", "start_sampler"])
def test_whatever_fails_of_ours_is_told_and_the_command_is_waited_for(tmp_path: Path, broken: str) -> None:
    code = (
        "import gpuwatch.record as record\n"
        "def fail(*arguments, **named): raise OSError(5, 'made to fail')\n"
        f"record.{broken} = fail\n"
        "from gpuwatch.__main__ import main\n"
        "main()\n"
    )
    done = _python(tmp_path, code, "run", "--quiet", "--", "sh", "-c", "sleep 0.2; echo trained; exit 3")
    assert (done.returncode, done.stdout) == (3, "trained\n")
    assert "made to fail" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_second_interrupt_keeps_how_the_command_ended(tmp_path: Path) -> None:
    code = (
        "import gpuwatch.record as record, os, signal\n"
        "genuine = record.stop_sampler\n"
        "def interrupted(*arguments):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    genuine(*arguments)\n"
        "record.stop_sampler = interrupted\n"
        "from gpuwatch.__main__ import main\n"
        "main()\n"
    )
    done = _python(tmp_path, code, "run", "--quiet", "--", "sh", "-c", "echo trained; exit 3")
    assert (done.returncode, done.stdout) == (3, "trained\n")
    assert done.stderr.count("\n") == 1 and "interrupted" in done.stderr
    assert folder.read_info(newest_run(tmp_path)).exit_code == 3
    wait_for(lambda: not sampler_pids(newest_run(tmp_path)), "the sampler's own end")


def test_an_interrupt_while_the_report_is_made_keeps_how_the_command_ended(tmp_path: Path) -> None:
    code = (
        "import gpuwatch.build_report as report, os, signal\n"
        "report.build = lambda *arguments, **named: os.kill(os.getpid(), signal.SIGINT)\n"
        "from gpuwatch.__main__ import main\n"
        "main()\n"
    )
    for status, expected in ((3, 3), (0, 4)):
        done = _python(tmp_path, code, "run", "--", "sh", "-c", f"exit {status}")
        assert done.returncode == expected
        assert done.stderr.count("\n") == 1 and "report interrupted; the recording is kept" in done.stderr


def test_an_interrupt_while_gpuwatch_itself_starts_leaves_no_traceback(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "class Impatient:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "from gpuwatch.__main__ import main\n"
        "main()\n"
    )
    done = _python(tmp_path, code, "run", "--", "sh", "-c", "echo trained")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_failing_watcher_does_not_abandon_the_command(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from gpuwatch.record import Options, record\n"
        "def fail(path, pid): raise ValueError('made to fail')\n"
        "options = Options(Path('runs'), started=fail, tell=print)\n"
        "print(record(['sh', '-c', 'sleep 0.2; exit 3'], options).ended.exit_code)\n"
    )
    assert _python(tmp_path, code).stdout == "ValueError: made to fail; the command goes on\n3\n"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "full"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs a small tmpfs: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_one_line_and_the_run_is_kept_elsewhere(full_disk: Path, tmp_path: Path) -> None:
    (full_disk / "ballast").write_bytes(b"x" * 2048 * 1024)
    done = _run(tmp_path, "run", "--quiet", "--dir", str(full_disk), "--", "echo", "trained", TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    assert next(tmp_path.glob("gpuwatch-*/*/run.json"))


def test_a_disk_that_fills_up_mid_run_does_not_reach_the_command_and_is_told(full_disk: Path, tmp_path: Path) -> None:
    body = f"head -c 3000000 /dev/zero >{full_disk}/ballast 2>/dev/null; echo trained; exit 2"
    done = _run(tmp_path, "run", "--quiet", "--dir", str(full_disk), "--", "sh", "-c", body, TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "trained\n")
    assert done.stderr.count("\n") == 1 and "was full at the end" in done.stderr
    (run,) = folder.list_runs(full_disk)
    info = folder.read_info(run)
    assert (info.state, info.exit_code) == ("finished", 2), "a little room is kept for the end"
    report = _run(tmp_path, "report", str(run))
    assert "was full at the end" in " ".join(report.stdout.split())


def test_too_little_room_for_a_run_is_known_before_it_starts(full_disk: Path, tmp_path: Path) -> None:
    (full_disk / "ballast").write_bytes(b"x" * 1500 * 1024)
    done = _run(tmp_path, "run", "--quiet", "--dir", str(full_disk), "--", "echo", "trained", TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert done.stderr.count("\n") == 1 and "No space left on device" in done.stderr and "instead" in done.stderr


@pytest.mark.parametrize(("asked", "code"), [((), 0), (("--json", "out.json"), 4)])
def test_a_run_folder_that_is_removed_meanwhile_fails_only_what_was_asked_of_us(
    tmp_path: Path, asked: tuple[str, ...], code: int
) -> None:
    done = _run(tmp_path, "run", *asked, "--", "sh", "-c", "sleep 0.3; rm -rf .gpuwatch/2*; echo trained")
    assert (done.returncode, done.stdout) == (code, "trained\n")
    assert "the run folder was removed while the command ran" in done.stderr and "failed" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_change_neither_the_status_nor_whose_output_it_is(tmp_path: Path, closed: str) -> None:
    ours = f"{PYTHON} -m gpuwatch run --dir {tmp_path}/runs -- sh -c 'echo trained; exit 5' {closed}"
    done = subprocess.run(
        ["sh", "-c", ours], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 5
    assert done.stdout == ("trained\n" if closed == "2>&-" else "")


@pytest.mark.parametrize("reader", ["true", "head -1"])
def test_a_reader_that_leaves_changes_no_status(tmp_path: Path, reader: str) -> None:
    ours = f"{PYTHON} -m gpuwatch run --json out.json -- sh -c 'exit 0' 2>&1 | {reader} >/dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", ours], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "out.json").read_text())["run"]["status"]["exit_code"] == 0


def test_output_that_finds_no_room_is_one_line(tmp_path: Path) -> None:
    recorded = _run(tmp_path, "run", "--quiet", "--", "true")
    assert recorded.returncode == 0
    for verb in (["report"], ["report", "--json"], ["runs"], ["explain", "too-few-workers"]):
        with open("/dev/full", "w") as full:
            call = [PYTHON, "-m", "gpuwatch", *verb]
            done = subprocess.run(call, cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (1, "gpuwatch: output: No space left on device\n"), verb


def test_a_broken_settings_file_is_one_line_and_the_command_runs(tmp_path: Path) -> None:
    (tmp_path / "gpuwatch.toml").write_text("rate = = 3\n")
    done = _run(tmp_path, "run", "--quiet", "--", "echo", "trained")
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert done.stderr.count("\n") == 1
    assert "gpuwatch.toml cannot be read" in done.stderr


def test_a_gate_that_cannot_be_read_from_the_settings_is_not_taken_for_passed(tmp_path: Path) -> None:
    done = _run(tmp_path, "run", "--quiet", "--", "echo", "trained", GPUWATCH_FAIL_ON="input_wait>")
    assert done.stdout == "trained\n"
    assert done.returncode == 4


@pytest.mark.parametrize("variable", ["GPUWATCH_HTML=none/x.html", "GPUWATCH_JSON=none/x.json", "GPUWATCH_JSON=-"])
def test_a_file_that_the_settings_name_wrongly_stops_no_training(tmp_path: Path, variable: str) -> None:
    name, _, value = variable.partition("=")
    done = _run(tmp_path, "run", "--quiet", "--", "echo", "trained", **{name: value})
    assert (done.returncode, done.stdout) == (4, "trained\n")
    assert done.stderr.count("\n") == 1 and "from the settings" in done.stderr


def test_a_working_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    script = f"mkdir gone && cd gone && rmdir ../gone && {PYTHON} -m gpuwatch report"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "working folder was deleted" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--fail-on", "input_wat>10%"], "Did you mean 'input_wait'?"),
        (["--fail-on", "input_wait>10"], "write 10%"),
        (["--html", "none/x.html"], "there is no folder none"),
        (["--json", "-"], "stdout belongs to the command"),
        (["--rate", "900"], "between 0.1 and 20"),
    ],
)
def test_a_wrong_call_is_one_line_before_the_command_starts(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = _run(tmp_path, "run", *arguments, "--", "touch", "started")
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "started").exists()


def test_a_command_that_cannot_start_leaves_no_run_behind(tmp_path: Path) -> None:
    done = _run(tmp_path, "run", "--", "no-such-command")
    assert (done.returncode, done.stderr) == (127, "gpuwatch: no-such-command: command not found\n")
    assert folder.list_runs(tmp_path / ".gpuwatch") == []


def test_modules_beside_the_script_do_not_become_the_samplers(tmp_path: Path) -> None:
    for name in ("queue.py", "json.py", "random.py", "resource.py"):
        script(tmp_path, name, "raise SystemExit('taken by mistake')\n")
    way = wrapped(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:], cwd=sys.argv.pop(1)))"
    done = subprocess.run(
        [PYTHON, "-P", "-m", *way.prefix[2:], "sh", "-c", "sleep 1"]
        if sys.version_info >= (3, 11)
        else [PYTHON, "-c", command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (newest_run(tmp_path) / "sampler.log").read_text() == ""
    assert "tick" in (newest_run(tmp_path) / "spool" / "sampler.jsonl").read_text()


@pytest.mark.parametrize("body", ["import sys; print('mine', file=sys.stderr)", "raise RuntimeError('broken')"])
def test_the_users_sitecustomize_does_not_run_in_the_sampler(tmp_path: Path, body: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sitecustomize.py").write_text(f"open({str(tmp_path)!r} + '/seen', 'a').write('x')\n{body}\n")
    path = f"{tmp_path}/own{os.pathsep}{environment()['PYTHONPATH']}"
    _run(tmp_path, "run", "--quiet", "--", "sleep", "0.5", PYTHONPATH=path)
    assert (tmp_path / "seen").read_text() == "x", "in gpuwatch itself, as in every Python that is started so"
    assert (newest_run(tmp_path) / "sampler.log").read_text() == ""
    assert "tick" in (newest_run(tmp_path) / "spool" / "sampler.jsonl").read_text()
