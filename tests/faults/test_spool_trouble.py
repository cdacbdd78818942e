"""The spool under fire: killed, forked, full, robbed of its descriptor. It loses little, says what, and harms nobody."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.event_log.columns import COLUMNS, FORMAT
from gpuwatch.hook.event_log.spool import Spool

ROOT = Path(__file__).parents[2]


def event(number: int, text: str = "") -> bytes:
    return json.dumps(["meta", number, "n", text]).encode() + b"\n"


def events(folder: Path) -> list[list[Any]]:
    """Return the events of all files; every line but a header must be a whole event."""
    rows = []
    for path in sorted(folder.glob("*.jsonl")):
        header, *lines = path.read_text().splitlines()
        assert json.loads(header)["format"] == FORMAT
        rows += [json.loads(line) for line in lines]
    return rows


@pytest.fixture
def spool(tmp_path: Path) -> Any:
    spool = Spool(str(tmp_path))
    yield spool
    if spool.descriptor >= 0:
        os.close(spool.descriptor)


def test_the_header_names_the_columns(spool: Spool, tmp_path: Path) -> None:
    spool.write(event(1))
    (path,) = tmp_path.iterdir()
    header = json.loads(path.read_text().splitlines()[0])
    assert header["columns"] == {kind: list(names) for kind, names in COLUMNS.items()}
    assert header["pid"] == os.getpid() and path.name.startswith("%d-" % os.getpid())
    assert path.stat().st_mode & 0o777 == 0o600
    assert spool.descriptor >= 200 and not os.get_inheritable(spool.descriptor)


def test_nothing_written_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """Each number is printed after its event was written: all printed ones must be in the file."""
    source = """
import sys
from gpuwatch.hook.event_log.spool import Spool
spool = Spool(sys.argv[1])
number = 0
while True:
    spool.write(b'["meta",%d,"n",null]\\n' % number)
    sys.stdout.write("%d\\n" % number)
    sys.stdout.flush()
    number += 1
"""
    with subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 500:
                break
        process.send_signal(signal.SIGKILL)
        acknowledged = [500] + [int(line) for line in process.stdout.read().split("\n")[:-1]]
    written = [row[1] for row in events(tmp_path)]
    assert written == list(range(len(written)))
    assert written[-1] >= acknowledged[-1]


def test_a_child_writes_its_own_file(spool: Spool, tmp_path: Path) -> None:
    spool.write(event(1, "from above"))
    pid = os.fork()
    if pid == 0:
        spool.after_fork()
        spool.write(event(2, "from below"))
        os._exit(spool.lost)
    assert os.waitpid(pid, 0)[1] == 0
    spool.write(event(3, "from above"))
    by_pid = {int(path.name.split("-")[0]): path.read_text() for path in tmp_path.iterdir()}
    assert sorted(by_pid) == sorted([os.getpid(), pid])
    assert "from below" in by_pid[pid] and "from above" not in by_pid[pid]
    assert "from below" not in by_pid[os.getpid()]


def test_threads_write_whole_lines_each_once(spool: Spool, tmp_path: Path) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 300):
            spool.write(event(number, "x" * (number % 90)))

    threads = [threading.Thread(target=write, args=(start * 300,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row[1] for row in events(tmp_path)) == list(range(2400))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_closed_descriptor_is_opened_again(spool: Spool, tmp_path: Path) -> None:
    spool.write(event(1))
    os.close(spool.descriptor)
    spool.write(event(2))
    assert [row[1] for row in events(tmp_path)] == [1, 2]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_users_file_that_got_our_descriptor_is_left_alone(spool: Spool, tmp_path: Path) -> None:
    spool.write(event(1))
    mine = tmp_path / "user.txt"
    os.close(spool.descriptor)
    opened = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(opened, spool.descriptor)
    robbed = spool.descriptor
    try:
        for number in range(2, 5):
            spool.write(event(number))
        assert mine.read_bytes() == b""
        assert [row[1] for row in events(tmp_path)] == [1, 2, 3, 4]
    finally:
        os.close(opened)
        os.close(robbed)


def test_a_vanished_folder_ends_the_writing_and_nothing_else(spool: Spool, tmp_path: Path) -> None:
    spool.write(event(1))
    (path,) = tmp_path.iterdir()
    path.unlink()
    os.close(spool.descriptor)
    for number in range(50):
        spool.write(event(number))
    assert spool.lost == 50 and list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_counted(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "missing"))
    for number in range(20):
        spool.write(event(number))
    assert spool.lost == 20


def fill_and_recover(folder: Path, allow: Any, forbid: Any) -> list[list[Any]]:
    """Write while the disk takes nothing, then while it does again."""
    spool = Spool(str(folder))
    spool.write(event(1))
    forbid()
    for number in range(2, 60):
        spool.write(event(number, "y" * 200))
    lost = spool.lost
    allow()
    assert lost > 0, "the disk was never full"
    spool.write(event(60))
    os.close(spool.descriptor)
    (path,) = folder.glob("*.jsonl")
    rows = []
    for line in path.read_text().splitlines()[1:]:
        try:
            rows.append(json.loads(line))
        except ValueError:
            rows.append(["torn"])
    (dropped,) = [row for row in rows if row[0] == "dropped"]
    whole = [row[1] for row in rows if row[0] == "meta"]
    assert dropped[2] == 60 - len(whole) == lost
    assert whole[-1] == 60 and rows.count(["torn"]) <= 1
    return rows


def test_a_full_disk_drops_events_and_says_how_many(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "gpuwatch-test", str(disk)], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip("cannot mount a small tmpfs: " + mount.stderr.strip())
    ballast = disk / "ballast"

    def forbid() -> None:
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(b"b" * 512):
                    pass
            except OSError as trouble:
                assert trouble.errno == errno.ENOSPC

    try:
        rows = fill_and_recover(disk, ballast.unlink, forbid)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert [row for row in rows if row[0] == "dropped"][0][3] == "ENOSPC"


def test_a_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    try:
        rows = fill_and_recover(tmp_path, lambda: limit(soft), lambda: limit(4096))
    finally:
        limit(soft)
    assert [row for row in rows if row[0] == "dropped"][0][3] in ("EFBIG", "ENOSPC")


def test_an_event_from_within_the_opening_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler of the user may save a checkpoint while the first event is being written."""
    from gpuwatch.hook.event_log import identity

    spool = Spool(str(tmp_path))
    genuine = identity.header

    def interrupted() -> dict[str, Any]:
        spool.write(event(0))
        return genuine()

    monkeypatch.setattr(identity, "header", interrupted)
    spool.write(event(1))
    spool.write(event(2))
    os.close(spool.descriptor)
    rows = events(tmp_path)
    assert [row[0] for row in rows] == ["meta", "dropped", "meta"] or [row[0] for row in rows] == [
        "dropped",
        "meta",
        "meta",
    ]
