"""The threads beside the training's own: how many cores, who holds the lock, at which line, and objects built per item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpuwatch.build_report import profile_in
from gpuwatch.model.profile import Profile
from gpuwatch.store.reader import read
from tests.spools import SECOND, START, FakeRun

SITE = "/v/lib/python3.11/site-packages"
MAIN = ["main", "/home/me/train.py", 30]
BOOT = ["Thread.run", "/usr/lib/python3.11/threading.py", 982]
POOL = ["_worker", "/usr/lib/python3.11/concurrent/futures/thread.py", 83]
REST = ["Condition.wait", "/usr/lib/python3.11/threading.py", 320]


def profile(run: FakeRun, threads: dict[str, tuple[list[Any], float, float]]) -> Profile:
    """Return the profile of a run beside threads: their stack, and the shares of the time on a core and with the lock."""
    run.trainer().loop(batches=50, wait_ms=1.0)
    log = run.stacks()
    span = {"t0": START, "t1": START + 10 * SECOND, "pid": 100}
    log.add("burst", t0=START, t1=START + 10 * SECOND, hz=10, why="steady", ok=True, began=START)
    log.add("stack", **span, tid="MainThread", frames=[MAIN], weight=100, runs=[[0, 100]])
    log.add("thread", **span, thread="MainThread", cpu_ns=2 * SECOND, delay_ns=0, held=0.1)
    for name, (stack, cores, held) in threads.items():
        log.add("stack", **span, tid=name, frames=stack, weight=100)
        log.add("thread", **span, thread=name, cpu_ns=int(10 * SECOND * cores), delay_ns=0, held=held)
    return profile_in(read(run.write()))


def test_threads_that_run_the_same_function_are_one(run: FakeRun, tmp_path: Path) -> None:
    source = tmp_path / "data.py"
    source.write_text("def read(i):\n    return sum(range(i))\n\n\npool = ThreadPoolExecutor(8)\n")
    work = [BOOT, POOL, ["read", str(source), 2]]
    found = profile(run, {"Pool_0": (work, 0.4, 0.3), "Pool_1": (work, 0.3, 0.2)})
    (threads,) = found.threads
    (pool,) = threads.others
    assert (pool.count, pool.pooled, pool.held) == (2, True, 0.5)
    assert round(pool.cores, 2) == 0.7
    assert pool.line is not None and pool.line.place.line == 2
    assert pool.pool is not None and pool.pool.place.line == 5
    assert round(threads.cpu, 2) == 0.2


def test_a_thread_that_waits_is_not_at_work(run: FakeRun) -> None:
    found = profile(run, {"watch": ([BOOT, ["watch", "/home/me/w.py", 3], REST], 0.05, 0.0)})
    ((threads,),) = (found.threads,)
    assert [one.at_work for one in threads.others] == [0.0]


def test_a_recording_without_threads_has_none(run: FakeRun) -> None:
    run.trainer().loop(batches=50, wait_ms=1.0)
    assert profile_in(read(run.write())).threads == ()
