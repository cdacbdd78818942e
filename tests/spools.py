"""Write whole run folders with a clock of their own: what the hook and the sampler would have written, in one line.

`FakeRun(path).trainer().loop(batches=100, wait_ms=5, compute_ms=10)` gives a recording whose every number is known.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpuwatch.build_report import build
from gpuwatch.hook.event_log.columns import COLUMNS as HOOK_COLUMNS
from gpuwatch.hook.event_log.columns import FORMAT
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.report import Report
from gpuwatch.sources.columns import COLUMNS as SAMPLER_COLUMNS
from gpuwatch.store.reader import read

MS = 1_000_000
SECOND = 1_000_000_000
START = 1000 * SECOND
WALL = 1_795_000_000 * SECOND
HOST = "node1"


class FakeLog:
    """One spool file under construction, with its own clock `now` (ns)."""

    def __init__(self, run: FakeRun, pid: int, writer: str = "hook", **header: Any) -> None:
        self.run, self.pid, self.now = run, pid, run.now
        columns = HOOK_COLUMNS if writer == "hook" else SAMPLER_COLUMNS
        self.columns = columns
        self.header = {
            "format": FORMAT,
            "writer": writer,
            "pid": pid,
            "ppid": 1,
            "host": HOST,
            "mono_ns": self.now,
            "wall_ns": WALL + self.now - START,
            "process_start_ns": self.now,
            "python": "3.11.0",
            "executable": "/usr/bin/python",
            "argv": ["train.py"],
            "rank": None,
            "local_rank": None,
            "world_size": None,
            "columns": {kind: list(names) for kind, names in columns.items()},
        } | header
        self.rows: list[list[Any]] = []
        run.logs.append(self)

    def add(self, kind: str, /, **values: Any) -> FakeLog:
        """Append an event; columns that are not given are null."""
        unknown = values.keys() - set(self.columns[kind])
        assert not unknown, f"{kind} has no {unknown}"
        self.rows.append([kind, *(values.get(name) for name in self.columns[kind])])
        return self

    def pass_ms(self, milliseconds: float) -> FakeLog:
        """Let time pass."""
        self.now += int(milliseconds * MS)
        return self

    def text(self) -> str:
        """Return the file's content."""
        return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in (self.header, *self.rows))


class FakeTrainer(FakeLog):
    """A training process; `activity` is what it did since its last event."""

    def __init__(self, run: FakeRun, pid: int, **header: Any) -> None:
        super().__init__(run, pid, **header)
        self.iterators = 0
        self.activity: dict[str, int] = {}
        self.add("meta", t=self.now, key="torch", value="2.15.0")

    def do(self, name: str, milliseconds: float) -> FakeTrainer:
        """Spend time in `forward`, `backward`, `optimizer` or `other`."""
        self.pass_ms(milliseconds)
        self.activity[f"{name}_ns"] = self.activity.get(f"{name}_ns", 0) + int(milliseconds * MS)
        if name in ("backward", "optimizer"):
            self.activity[f"{name}_n"] = self.activity.get(f"{name}_n", 0) + 1
        return self

    def iterate(
        self, loader: int = 1, make_ms: float = 0.0, workers: Any = (), line: int = 40, made_line: int | None = None,
        **attributes: Any,
    ) -> int:  # fmt: skip
        """Make an iterator over `loader`; returns its number. The making counts as `other` activity, as in the hook."""
        self.iterators += 1
        t0 = self.now
        self.do("other", make_ms)
        told = {
            "dataset": "Photos",
            "workers": len(workers),
            "batch_size": 8,
            "prefetch": 2 if workers else None,
        } | attributes
        self.add(
            "iterator", iterator=self.iterators, loader=loader, t0=t0, t1=self.now, epoch=0, attributes=told,
            workers=[list(pair) for pair in workers], file="/home/me/train.py", line=line, function="main",
            **({"made_file": "/home/me/data.py", "made_line": made_line, "made_function": "make"} if made_line else {}),
        )  # fmt: skip
        return self.iterators

    def ask(self, iterator: int, index: int, wait_ms: float, end: int = 0, **columns: Any) -> FakeTrainer:
        """Ask an iterator for a batch."""
        t0 = self.now
        self.pass_ms(wait_ms)
        told: dict[str, Any] = dict.fromkeys(
            ("forward_ns", "backward_ns", "backward_n", "optimizer_ns", "optimizer_n", "other_ns", "gc_ns", "gc_n"), 0
        )
        self.add(
            "batch",
            iterator=iterator,
            index=index,
            end=end,
            **({"t0": t0, "t1": self.now, "hook_ns": 8000} | told | self.activity | columns),
        )
        self.activity = {}
        return self

    def iterations_open(self) -> int:
        """Return the newest iterator, made now if there is none."""
        return self.iterators or self.iterate()

    def step(self, compute_ms: float = 10.0, train: bool = True) -> FakeTrainer:
        """Spend a step's own time: 40 % forward, 40 % backward, 10 % optimizer, 10 % other; evaluation is all other."""
        if not train:
            return self.do("other", compute_ms)
        self.do("forward", 0.4 * compute_ms).do("backward", 0.4 * compute_ms)
        return self.do("optimizer", 0.1 * compute_ms).do("other", 0.1 * compute_ms)

    def only_timed(self, iterator: int, index: int, count: int, wait_ms: float, compute_ms: float) -> FakeTrainer:
        """Run steps from batch `index` on that tell nothing but when each batch was asked for and given."""
        times: list[int] = []
        for _ in range(count):
            times.append(self.now)
            self.pass_ms(wait_ms)
            times.append(self.now)
            self.pass_ms(compute_ms)
        self.add("steps", iterator=iterator, index=index, times=times)
        return self

    def loop(
        self,
        batches: int = 50,
        wait_ms: float = 5.0,
        compute_ms: float = 10.0,
        train: bool = True,
        first_ms: float | None = None,
        **iterator: Any,
    ) -> FakeTrainer:
        """Run a whole loop over a new iterator, to its end."""
        number = self.iterate(**iterator)
        for index in range(batches):
            self.ask(number, index, first_ms if index == 0 and first_ms is not None else wait_ms)
            self.step(compute_ms, train)
        return self.ask(number, batches, 0.0, end=1)

    def tail(self, iterator: int | None = None) -> FakeTrainer:
        """Write what the thread did since its last event."""
        self.add("tail", t=self.now, iterator=iterator, **self.activity)
        self.activity = {}
        return self


class FakeWorker(FakeLog):
    """A loader worker."""

    def __init__(self, run: FakeRun, pid: int, number: int, parent: int, **header: Any) -> None:
        super().__init__(run, pid, **header)
        self.number = number
        self.add(
            "worker",
            t=self.now,
            worker=number,
            workers=1,
            parent=parent,
            start_method="fork",
            threads={"torch": 1, "process": 3},
        )

    def fetch(
        self, index: int, wall_ms: float, idle_ms: float = 0.0, send_ms: float = 1.0, **columns: Any
    ) -> FakeWorker:
        """Wait for an index, make a batch, send it (the sending takes none of the worker's own time)."""
        idle_t0 = self.now
        self.pass_ms(idle_ms)
        t0 = self.now
        self.pass_ms(wall_ms)
        told: dict[str, Any] = {
            "cpu_ns": int(wall_ms * MS),
            "collate_ns": 0,
            "delay_ns": 0,
            "samples": 8,
            "operations": [],
        } | columns
        self.add("fetch", worker=self.number, index=index, idle_t0=idle_t0, t0=t0, t1=self.now, **told)
        sent = {"bytes": 100, "tensors": 2, "tensor_bytes": 4000, "float_bytes": 4000}
        self.add("send", worker=self.number, index=index, t0=self.now, t1=self.now + int(send_ms * MS), **sent)
        return self


class FakeRun:
    """A run folder under construction; `now` is when the next log begins."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path, START
        self.logs: list[FakeLog] = []

    def trainer(self, pid: int = 100, **header: Any) -> FakeTrainer:
        """Add a training process."""
        return FakeTrainer(self, pid, **header)

    def worker(self, pid: int, number: int = 0, parent: int = 100, at: int | None = None, **header: Any) -> FakeWorker:
        """Add a loader worker that starts at `at` (ns)."""
        self.now, kept = at if at is not None else self.now, self.now
        made = FakeWorker(self, pid, number, parent, **header)
        self.now = kept
        return made

    def sampler(self) -> FakeLog:
        """Add the sampler."""
        return FakeLog(self, 99, "sampler")

    def stacks(self) -> FakeLog:
        """Add the stack profiler's file."""
        return FakeLog(self, 99, "stacks")

    def write(self, ended: bool = True, **changes: Any) -> Path:
        """Write the folder; the run ends with its last log's clock."""
        (self.path / "spool").mkdir(parents=True, exist_ok=True)
        for log in self.logs:
            name = log.header["writer"] if log.header["writer"] != "hook" else f"{log.pid}-{log.header['mono_ns']}"
            (self.path / "spool" / f"{name}.jsonl").write_text(log.text())
        end = max([log.now for log in self.logs], default=START)
        run = {
            "schema": "gpuwatch.run/1",
            "id": self.path.name,
            "name": None,
            "command": ["python", "train.py"],
            "cwd": "/home/me",
            "host": HOST,
            "started_wall_ns": WALL,
            "started_ns": START,
            "ended_ns": end if ended else None,
            "exit_code": 0 if ended else None,
            "child_pid": 100,
            "gpuwatch": "0.1.0",
        } | changes
        (self.path / "run.json").write_text(json.dumps(run))
        return self.path


def report_of(run: FakeRun, **changes: Any) -> Report:
    """Write a run and analyse it as every verb does, without the pictures' series."""
    return build(read(run.write(**changes)), with_timeline=False)


def primary_of(report: Report) -> LoaderProfile | None:
    """Return the loader that a report's verdict is about."""
    return next((loader for loader in report.loaders if loader.id == report.primary), None)
