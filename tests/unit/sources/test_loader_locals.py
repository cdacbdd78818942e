"""What is taken of the local variables of a loader's frames, and that nothing else is."""

from __future__ import annotations

from typing import Any

from gpuwatch.sources.columns import COLUMNS
from gpuwatch.sources.loader_locals import loading_rows, serves

LOADER = "/env/lib/python3.11/site-packages/torch/utils/data/_utils/worker.py"
FETCHER = "/env/lib/python3.11/site-packages/torch/utils/data/_utils/fetch.py"


def frame(name: str, file: str, **locals_: str) -> dict[str, Any]:
    return {"name": name, "filename": file, "line": 1, "locals": [{"name": n, "repr": r} for n, r in locals_.items()]}


def worker(pid: int = 12, thread: str = "MainThread", **locals_: str) -> dict[str, Any]:
    own = {"worker_id": "1", "num_workers": "4", "persistent_workers": "True", "dataset_kind": "0", "idx": "37"}
    own |= {"dataset": "<Photos at 0x7f00aa>", "token": '"hf_secret"'} | locals_
    frames = [
        frame("Photos.__getitem__", "/home/me/data.py", path='"/home/me/a.jpg"'),
        frame("_MapDatasetFetcher.fetch", FETCHER, possibly_batched_index="[3, 1, 7, 9]"),
        frame("_worker_loop", LOADER, **own),
    ]
    return {"pid": pid, "thread_name": thread, "frames": frames}


def row(**changes: str) -> dict[str, Any]:
    (found,) = loading_rows([worker(**changes)], 5)
    return dict(zip(COLUMNS["loading"], found[1:], strict=True))


def test_a_worker_tells_of_its_loader_and_of_its_batch() -> None:
    assert row() == {
        "t": 5, "pid": 12, "worker": 1, "workers": 4, "persistent": True, "dataset": "Photos", "dataset_kind": "map",
        "batch_size": 4, "index": 37,
    }  # fmt: skip


def test_no_other_variable_is_taken() -> None:
    assert "secret" not in str(loading_rows([worker()], 5)) and "a.jpg" not in str(loading_rows([worker()], 5))


def test_what_was_read_while_it_changed_is_not_known() -> None:
    assert row(idx="140543164616192123")["index"] is None
    assert row(idx="<garbage>")["index"] is None
    assert row(dataset='"just a text"')["dataset"] is None


def test_other_threads_and_other_processes_tell_nothing() -> None:
    main = {"pid": 10, "thread_name": "MainThread", "frames": [frame("train", "/home/me/train.py", idx="5")]}
    assert loading_rows([worker(thread="QueueFeederThread"), main], 5) == []


def test_who_stands_in_a_loop_for_others_serves() -> None:
    pool = [frame("worker", "/usr/lib/python3.11/multiprocessing/pool.py")]
    threads = [
        worker(12),
        {"pid": 13, "thread_name": "MainThread", "frames": pool},
        {"pid": 10, "thread_name": "MainThread", "frames": [frame("train", "/home/me/train.py")]},
    ]
    assert [serves(threads, pid) for pid in (12, 13, 10, 99)] == [True, True, False, None]
