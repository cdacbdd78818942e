"""Folding py-spy's samples: distinct stacks, joined with the trainer's waiting."""

from __future__ import annotations

from typing import Any

from gpuwatch.sources.speedscope import fold, is_idle, processes

DATALOADER = "/env/site-packages/torch/utils/data/dataloader.py"
FRAMES = [
    {"name": 'process 10:"python train.py"', "file": "", "line": 0},
    {"name": "<module>", "file": "/me/train.py", "line": 5},
    {"name": "_BaseDataLoaderIter.__next__", "file": DATALOADER, "line": 700},
    {"name": "compute", "file": "/me/train.py", "line": 9},
    {"name": "_worker_loop", "file": "/env/site-packages/torch/utils/data/_utils/worker.py", "line": 300},
    {"name": "D.__getitem__", "file": "/me/data.py", "line": 3},
    {"name": "Condition.wait", "file": "/usr/lib/python3.11/threading.py", "line": 320},
]
WAIT, COMPUTE, WORK, FEEDER = [0, 1, 2], [0, 1, 3], [0, 0, 1, 2, 4, 5], [0, 6]


def _profile(**threads: list[list[int]]) -> dict[str, Any]:
    names = {
        "main": 'Process 10 Thread 10 "MainThread"',
        "worker": 'Process 11 Thread 11 "MainThread"',
        "feeder": 'Process 11 Thread 12 "QueueFeederThread"',
    }
    return {
        "shared": {"frames": FRAMES},
        "profiles": [{"name": names[name], "samples": samples} for name, samples in threads.items()],
    }


def _by_leaf(rows: list[list[Any]]) -> dict[tuple[int, str], tuple[int, int | None]]:
    return {(row[3], row[5][-1][0]): (row[6], row[7]) for row in rows}


def test_each_sample_of_a_worker_knows_whether_the_trainer_waited() -> None:
    rows = fold(_profile(main=[WAIT, WAIT, COMPUTE, COMPUTE], worker=[WORK] * 4), 100, 200, 10)
    assert _by_leaf(rows) == {
        (10, "_BaseDataLoaderIter.__next__"): (2, 2),
        (10, "compute"): (2, 0),
        (11, "D.__getitem__"): (4, 2),
    }
    assert all(row[:3] == ["stack", 100, 200] for row in rows)


def test_a_worker_that_began_meanwhile_is_not_joined() -> None:
    rows = fold(_profile(main=[WAIT] * 10, worker=[WORK] * 4), 0, 1, 10)
    assert _by_leaf(rows)[11, "D.__getitem__"] == (4, None)


def test_one_failed_read_still_joins() -> None:
    rows = fold(_profile(main=[WAIT] * 5 + [COMPUTE] * 5, worker=[WORK] * 9), 0, 1, 10)
    assert _by_leaf(rows)[11, "D.__getitem__"] == (9, 5)


def test_a_forked_workers_stack_begins_at_its_loop() -> None:
    rows = fold(_profile(main=[WAIT], worker=[WORK]), 0, 1, 10)
    (worker,) = [row for row in rows if row[3] == 11]
    assert worker[5] == [["_worker_loop", FRAMES[4]["file"], 300], ["D.__getitem__", "/me/data.py", 3]]


def test_helper_threads_that_wait_are_left_out() -> None:
    profile = _profile(main=[COMPUTE], feeder=[FEEDER])
    assert {row[4] for row in fold(profile, 0, 1, 10)} == {"MainThread"} and processes(profile, 10) == 2


def test_without_a_main_thread_nothing_is_joined() -> None:
    assert fold(_profile(worker=[WORK]), 0, 1, 10)[0][7] is None


def test_idle_is_told_by_the_innermost_frame() -> None:
    assert is_idle([["f", "/me/x.py", 1], ["Queue.get", "/usr/lib/python3.11/multiprocessing/queues.py", 113]])
    assert not is_idle([["Queue.get", "/usr/lib/python3.11/multiprocessing/queues.py", 113], ["f", "/me/x.py", 1]])


def test_the_trainers_own_samples_keep_their_places() -> None:
    rows = fold(_profile(main=[WAIT, COMPUTE, COMPUTE, WAIT], worker=[WORK] * 4), 0, 1, 10)
    runs = {row[5][-1][0]: row[9] for row in rows}
    assert runs == {"_BaseDataLoaderIter.__next__": [[0, 1], [3, 1]], "compute": [[1, 2]], "D.__getitem__": None}


def test_a_deep_stack_keeps_both_its_ends() -> None:
    profile = _profile(main=[[1, *[3] * 200, 2]])
    (row,) = fold(profile, 0, 1, 10)
    assert len(row[5]) == 80 and (row[5][0][0], row[5][-1][0]) == ("<module>", "_BaseDataLoaderIter.__next__")
