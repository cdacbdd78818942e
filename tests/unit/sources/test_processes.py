"""The run's processes: found while they live, read cheaply, forgotten when they end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gpuwatch.record import isolated
from gpuwatch.sources.processes import ProcessSource
from gpuwatch.sources.tree import ProcessTree, parent_of

CHILD = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-S', '-c', 'input()'], stdin=0); print(p.pid, flush=True); p.wait()"


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_finds_children_and_grandchildren_and_forgets_them(tmp_path: Path) -> None:
    tree = ProcessTree(os.getpid(), tmp_path)
    tree.refresh()
    before = set(tree.members)
    with subprocess.Popen([sys.executable, "-S", "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdin is not None
        grandchild = int(child.stdout.readline())
        tree.refresh()
        assert set(tree.members) - before == {child.pid, grandchild}
        assert tree.members[grandchild] == child.pid
        assert os.getppid() not in tree.members and 1 not in tree.members
        child.stdin.close()
    tree.refresh()
    assert set(tree.members) == before


def test_a_row_per_process_with_its_own_work(tmp_path: Path) -> None:
    busy = "t = bytearray(30 << 20)\nfor _ in range(3_000_000): pass\nprint(flush=True)\ninput()"
    tree = ProcessTree(os.getpid(), tmp_path)
    source = ProcessSource(tree, os.getppid())
    # Behind a shell: what the sampler's own process starts is gpuwatch's.
    command = ["sh", "-c", '"$0" -S -c "$1"; :', sys.executable, busy]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None and shell.stdin is not None
        shell.stdout.readline()
        rows = {row[2]: row for row in source.read(0)}
        ((_, t, pid, ppid, role, name, cpu_ns, delay_ns, rss, threads, rchar, _, _, faults, state, pss),) = [
            row for row in rows.values() if row[3] == shell.pid
        ]
        shell.communicate(b"\n")
    assert (ppid, role, threads) == (shell.pid, "tree", 1) and name.startswith("python")
    assert cpu_ns >= 10_000_000 and rss > 30 << 20 and rchar > 0 and faults >= 0 and state in "SR"
    assert t > 0 and delay_ns is not None
    assert pss is None  # pages are added up later, and only of processes that run the hook
    assert rows[os.getpid()][4] == rows[shell.pid][4] == "gpuwatch"
    assert pid not in {row[2] for row in source.read(0)}
    source.close()


def test_a_writer_that_left_the_tree_still_belongs(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    command = [sys.executable, "-S", "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env={"GPUWATCH_RUN": str(tmp_path)}) as child:
        tree = ProcessTree(2**22 + 1, tmp_path)  # nobody's supervisor
        tree.refresh()
        assert tree.members == {}
        _until(lambda: b"GPUWATCH_RUN" in Path(f"/proc/{child.pid}/environ").read_bytes())
        (tmp_path / "spool" / f"{child.pid}-1.jsonl").touch()
        (tmp_path / "spool" / "1-1.jsonl").touch()  # the same number in another pid namespace
        (tmp_path / "spool" / "sampler.jsonl").touch()
        tree.refresh()
        assert set(tree.members) == tree.hooked == {child.pid}
        assert child.stdin is not None
        child.stdin.close()


def test_a_training_that_records_itself_is_no_process_of_gpuwatchs(tmp_path: Path) -> None:
    # Behind a shell, as above.
    command = ["sh", "-c", '"$0" -S -c "$1"; :', sys.executable, CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        training = parent_of(int(shell.stdout.readline()))
        assert training is not None
        tree = ProcessTree(training, tmp_path)
        roles = {root: {row[4] for row in ProcessSource(tree, root).read(0)} for root in (training, None)}
        shell.communicate(b"\n")
    assert roles == {training: {"gpuwatch", "tree"}, None: {"tree"}}


def test_what_a_training_starts_of_gpuwatch_is_gpuwatchs(tmp_path: Path) -> None:
    assert any("run_module('gpuwatch." in word for word in isolated("gpuwatch.any.module"))
    start = CHILD.replace("'input()'", """'# run_' + "module('gpuwatch." + chr(10) + 'input()'""")
    command = ["sh", "-c", '"$0" -S -c "$1"; :', sys.executable, start]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        pid = int(shell.stdout.readline())
        training = parent_of(pid)
        assert training is not None
        source = ProcessSource(ProcessTree(training, tmp_path), None)
        roles = {row[2]: row[4] for row in source.read(0)}
        shell.communicate(b"\n")
    assert roles == {training: "tree", pid: "gpuwatch"}
