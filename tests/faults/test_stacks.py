"""Stack bursts on real trainings: the planted line is found, and nothing that happens to py-spy reaches the training."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.event_log.columns import COLUMNS, FORMAT
from gpuwatch.sources import pyspy
from gpuwatch.sources.stacks import StacksThread
from gpuwatch.sources.trainers import Trainer
from gpuwatch.sources.tree import ProcessTree
from gpuwatch.words import event_log

pytest.importorskip("torch", reason="torch is not installed beside the tests")

PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]
TRAIN = """\
import sys, time
import torch
from torch.utils.data import DataLoader, Dataset

class Planted(Dataset):
    def __len__(self):
        return 1_000_000
    def __getitem__(self, index):
        total = 0
        for value in range(60_000): total += value * value  # planted
        return torch.tensor([float(total % 7)])

if __name__ == "__main__":
    loader = DataLoader(Planted(), batch_size=4, num_workers=2, multiprocessing_context=sys.argv[1])
    end = None
    for count, batch in enumerate(loader):
        end = end or time.monotonic() + float(sys.argv[2])
        if time.monotonic() > end:
            break
    print("trained", count > 5)
"""
PLANTED = TRAIN[: TRAIN.index("# planted")].count("\n") + 1


# Recorded without the report that `gpuwatch run` ends with: that has tests of its own.
RECORD = """
import sys
from pathlib import Path
from gpuwatch.record import Options, record
sys.exit(record(sys.argv[2:], Options(Path(sys.argv[1]))).ended.exit_code)
"""


class Training:
    """A recorded training, and what its run folder holds of stacks."""

    def __init__(
        self,
        folder: Path,
        method: str,
        seconds: float,
        script: str = TRAIN,
        around: Sequence[str] = (),
        **environment: str,
    ) -> None:
        file = folder / "train.py"
        file.write_text(script)
        self.runs = folder / "runs"
        command = [
            *around,
            sys.executable,
            "-c",
            RECORD,
            str(self.runs),
            sys.executable,
            str(file),
            method,
            str(seconds),
        ]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def run(self) -> Path:
        (found,) = [path for path in self.runs.iterdir() if path.name[0].isdigit()]
        return found

    def end(self) -> str:
        """Wait for the training's own end and return what it printed."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, err
        return out

    def rows(self, kind: str) -> list[dict[str, Any]]:
        spool = self.run / "spool" / "stacks.jsonl"
        header, events = event_log.read(spool.read_text())
        assert all(len(values) == len(header["columns"][of]) for of, values in events)
        return [values for of, values in events if of == kind]

    def pyspy(self) -> int:
        """Return the pid of the py-spy that looks at this training, as soon as there is one."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            for folder in Path("/proc").iterdir():
                try:
                    if (
                        folder.name.isdecimal()
                        and str(self.runs).encode() in (folder / "cmdline").read_bytes().split(b"py-spy\0record", 1)[1]
                    ):
                        return int(folder.name)
                except (OSError, IndexError):
                    continue
            time.sleep(0.01)
        raise AssertionError("py-spy was not started")


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_the_planted_line_is_the_workers_heaviest(tmp_path: Path, method: str) -> None:
    training = Training(tmp_path, method, 3.0)
    assert "trained True" in training.end()
    # The start-up is looked at too.
    (burst,) = [row for row in training.rows("burst") if row["why"] != "startup"]
    assert (
        burst["why"] == "steady"
        and burst["ok"]
        and burst["processes"] >= 3
        and burst["cpu_ns"] > 0
        and burst["t1"] > burst["t0"]
    )
    stacks = [row for row in training.rows("stack") if row["t0"] == burst["t0"]]
    in_workers = [row for row in stacks if row["frames"][0][0].endswith("_worker_loop")]
    lines: Counter[tuple[str, int]] = Counter()
    for row in in_workers:
        if not row["idle"]:
            lines[Path(row["frames"][-1][1]).name, row["frames"][-1][2]] += row["weight"]
    assert lines.most_common(1)[0][0] == ("train.py", PLANTED), lines.most_common(4)
    assert len({row["pid"] for row in in_workers}) == 2
    trainer = [
        row
        for row in stacks
        if any(frame[0].endswith("_next_data") for frame in row["frames"])
        and row["pid"] not in {one["pid"] for one in in_workers}
    ]
    assert trainer and all(row["main_in_wait"] == row["weight"] for row in trainer)


def test_a_start_up_is_looked_at_until_the_first_batch(tmp_path: Path) -> None:
    slow = (
        "    index = [value * value % 7 for _ in range(40) for value in range(1_000_000)]  # slow start\n    loader ="
    )
    training = Training(tmp_path, "fork", 2.0, script=TRAIN.replace("    loader =", slow))
    assert "trained True" in training.end()
    (burst,) = [row for row in training.rows("burst") if row["why"] == "startup"]
    assert burst["ok"] and burst["began"] >= burst["t0"]
    rows = [row for row in training.rows("stack") if row["t0"] == burst["t0"] and row["tid"] == "MainThread"]
    line = TRAIN[: TRAIN.index("    loader =")].count("\n") + 1
    own = sum(row["weight"] for row in rows if any(frame[2] == line for frame in row["frames"]))
    assert own > 0.3 * sum(row["weight"] for row in rows)
    mine = [row for row in rows if row["runs"]]
    assert len({row["pid"] for row in mine}) == 1 and any(line in [frame[2] for frame in row["frames"]] for row in mine)
    assert all(sum(count for _, count in row["runs"]) == row["weight"] for row in mine)
    batches = [
        line for path in training.run.glob("spool/[0-9]*.jsonl") for line in path.open() if line[:8] == '["batch"'
    ]
    first = min(json.loads(line)[4] for line in batches)
    assert burst["t0"] < first < burst["t1"] < first + 2_000_000_000


def test_a_killed_pyspy_harms_nobody(tmp_path: Path) -> None:
    training = Training(tmp_path, "fork", 3.0)
    os.kill(training.pyspy(), signal.SIGKILL)
    assert "trained True" in training.end()
    # The one that was killed looked at the start-up; the loop's own look comes all the same.
    burst = training.rows("burst")[0]
    assert not burst["ok"] and burst["note"] and all(row["t0"] != burst["t0"] for row in training.rows("stack"))


def _instead_of_pyspy(folder: Path, script: str) -> dict[str, str]:
    """Return the environment that has a script called for py-spy."""
    fake = folder / "fake-py-spy"
    fake.write_text("#!/bin/sh\n" + script)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    return {"GPUWATCH_PYSPY": str(fake)}


def test_where_pyspy_may_not_look_the_timer_takes_over(tmp_path: Path) -> None:
    refusal = "Error: Permission Denied: Try running again with elevated permissions"
    backtrace = "Stack backtrace:\\n 0: py_spy::main"
    environment = _instead_of_pyspy(tmp_path, f"printf '{refusal}\\n\\n{backtrace}\\n' >&2; exit 1\n")
    training = Training(tmp_path, "fork", 4.0, **environment)
    assert "trained True" in training.end()
    (burst,) = training.rows("burst")
    assert not burst["ok"] and burst["note"] == refusal
    assert json.loads((training.run / "control.json").read_text()) == {"timer": True}
    _assert_the_timer_saw_the_planted_line(training)


def _assert_the_timer_saw_the_planted_line(training: Training) -> None:
    lines = [
        json.loads(line)
        for path in training.run.glob("spool/[0-9]*.jsonl")
        for line in path.read_text().splitlines()
        if line.startswith('["line"')
    ]
    assert any(re.search(r"train\.py$", row[3] or "") and row[4] == PLANTED for row in lines), lines[:3]


def test_a_training_that_the_kernel_lets_nobody_look_into_has_lines_all_the_same(tmp_path: Path) -> None:
    # As with a program that is set-user-ID or has capabilities; root may look all the same, but for this capability.
    around: tuple[str, ...] = ()
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("setpriv (util-linux) is not installed: root cannot be kept from looking")
        around = (setpriv, "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")
    hidden = TRAIN.replace("import sys, time\n", "import ctypes, sys, time; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n")
    training = Training(tmp_path, "fork", 4.0, hidden, around)
    assert "trained True" in training.end()
    assert not any(burst["ok"] for burst in training.rows("burst"))
    assert json.loads((training.run / "control.json").read_text()) == {"timer": True}
    _assert_the_timer_saw_the_planted_line(training)


def test_a_hung_pyspy_is_ended_although_it_ignores_the_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        *_instead_of_pyspy(tmp_path, "trap '' INT TERM; echo $$ > \"$0.pid\"; exec sleep 100\n").popitem()
    )
    monkeypatch.setattr(pyspy, "INTERRUPT_PATIENCE_S", 0.2)
    stop = threading.Event()
    waiter = threading.Timer(0.3, stop.set)
    waiter.start()
    burst = pyspy.record(os.getpid(), 50, 5.0, tmp_path / "out", stop)
    waiter.join()
    assert burst.profile is None and not burst.lasting and burst.t1 - burst.t0 < 5e9
    pid = int((tmp_path / "fake-py-spy.pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


def test_a_late_pyspy_is_ended_without_being_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(*_instead_of_pyspy(tmp_path, "exec sleep 100\n").popitem())
    monkeypatch.setattr(pyspy, "PATIENCE_S", 0.2)
    burst = pyspy.record(os.getpid(), 50, 0.1, tmp_path / "out", threading.Event())
    assert burst.profile is None and "did not end in time" in (burst.note or "")


def test_stacks_can_be_switched_off(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    stacks = StacksThread(tmp_path, ProcessTree(os.getpid(), tmp_path), "switched off (GPUWATCH_STACKS)")
    stacks.run()
    header, burst = (tmp_path / "spool" / "stacks.jsonl").read_text().splitlines()
    assert json.loads(header)["writer"] == "stacks" and "switched off (GPUWATCH_STACKS)" in burst and ",false," in burst
    assert not (tmp_path / "control.json").exists()


def test_trouble_of_our_own_hands_over_too_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spool").mkdir()
    iterator = ["iterator", 1, 1, 0, 5, 0, {}, [], "t.py", 1, "f"]
    batch = ["batch", 1, 0, 10, 20, 0]
    header = {
        "format": FORMAT,
        "pid": os.getpid(),
        "mono_ns": 1,
        "columns": {kind: list(names) for kind, names in COLUMNS.items()},
    }
    lines = [json.dumps(row, separators=(",", ":")) for row in (header, iterator, batch)]
    (tmp_path / "spool" / f"{os.getpid()}-1.jsonl").write_text("\n".join([*lines, ""]))
    tree = ProcessTree(os.getpid(), tmp_path)
    tree.refresh()
    nonsense = pyspy.Burst(0, 1, 50, {"profiles": [{"samples": 3}]}, None, 0)
    monkeypatch.setattr(pyspy, "record", lambda *_: nonsense)
    StacksThread(tmp_path, tree).run()
    _, burst = (tmp_path / "spool" / "stacks.jsonl").read_text().splitlines()
    assert "KeyError" in burst and ",false," in burst
    assert json.loads((tmp_path / "control.json").read_text()) == {"timer": True}


def test_a_look_that_was_over_before_it_began_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spool").mkdir()
    tree = ProcessTree(os.getpid(), tmp_path)
    stacks = StacksThread(tmp_path, tree)
    starting = Trainer(os.getpid(), since_ns=0)  # not among the tree's: its start-up is over
    for note, failure in (("py-spy wrote nothing", False), ("Error: Permission Denied", True)):

        def record(*arguments: Any, note: str = note) -> pyspy.Burst:
            arguments[4].wait(0)
            return pyspy.Burst(0, 1, 50, None, note, 0)

        monkeypatch.setattr(pyspy, "record", record)
        assert stacks._burst(starting, "startup") is not failure
        assert (tmp_path / "spool" / "stacks.jsonl").exists() is failure
