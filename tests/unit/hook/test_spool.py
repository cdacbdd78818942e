"""Events that are written together: in order, soon, complete, and the child's own after a fork."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.event_log import spool as spool_module
from gpuwatch.hook.event_log.spool import Spool

from .hooked import run

LINE = '["n",%s,%s]\n'
MS = 1_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path))


def numbers(folder: Path) -> list[Any]:
    (path,) = folder.glob("*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    return [row[1] if row[0] == "n" else row for row in rows]


def test_steps_of_ten_milliseconds_and_more_are_written_one_by_one(spool: Spool, tmp_path: Path) -> None:
    for number in range(4):
        spool.later(LINE, (number, None), (100 + 10 * number) * MS)
        assert numbers(tmp_path) == list(range(number + 1))


def test_short_steps_are_written_together_and_nothing_is_left_out(spool: Spool, tmp_path: Path) -> None:
    for number in range(500):
        spool.later(LINE, (number, None), 100 * MS + number * MS // 10)
    written = numbers(tmp_path)
    assert written == list(range(len(written))) and 400 <= len(written) < 500
    spool.flush()
    assert numbers(tmp_path) == list(range(500))


def test_what_is_written_together_is_numbers_and_nulls(spool: Spool, tmp_path: Path) -> None:
    spool.later('["n",%s,%s,%s]\n', (0, None, "[[1,None],[2,3.5]]"), 100 * MS)
    (path,) = tmp_path.glob("*.jsonl")
    assert json.loads(path.read_text().splitlines()[-1]) == ["n", 0, None, [[1, None], [2, 3.5]]]


NAMED_NONE = """
import torch
from torch.utils.data import DataLoader, Dataset

class NoneSuch(Dataset):
    def __len__(self): return 400
    def __getitem__(self, None_index): return torch.ones(2)

for _ in DataLoader(NoneSuch(), batch_size=1): pass
"""


def test_names_never_go_through_what_is_written_together(tmp_path: Path) -> None:
    trainer = run(NAMED_NONE, tmp_path / "None").trainer
    (iterator,) = trainer.of("iterator")
    assert iterator["attributes"]["dataset"] == "NoneSuch" and Path(iterator["file"]).name == "None_script.py"
    assert [row["index"] for row in trainer.of("batch")] == list(range(401))


def test_any_other_event_comes_after_what_came_before_it(spool: Spool, tmp_path: Path) -> None:
    spool.later(LINE, (0, 1), 100 * MS)
    spool.later(LINE, (1, 1), 101 * MS)
    spool.later(LINE, (2, 1), 0)
    spool.write(b'["n",3,null]\n')
    assert numbers(tmp_path) == [0, 1, 2, 3]


def test_each_threads_events_keep_their_order(spool: Spool, tmp_path: Path) -> None:
    def write(thread: int) -> None:
        for number in range(300):
            spool.later('["n",[%s,%s],null]\n', (thread, number), 100 * MS + number * 4 * MS)
            if number % 7 == 0:
                spool.write(b'["n",[%d,%d],1]\n' % (thread, number))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    spool.flush()
    written = numbers(tmp_path)
    assert len(written) == 4 * (300 + 43)
    for thread in range(4):
        mine = [number for one, number in written if one == thread]
        assert mine == sorted(mine)


def test_a_child_does_not_write_its_parents_events(spool: Spool, tmp_path: Path) -> None:
    spool.later(LINE, (0, 1), 100 * MS)
    spool.later(LINE, (1, 1), 101 * MS)
    child = os.fork()
    if child == 0:
        spool.after_fork()
        spool.flush()
        os._exit(len(list(tmp_path.glob("*.jsonl"))))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    spool.flush()
    assert numbers(tmp_path) == [0, 1]


def test_what_cannot_be_written_together_is_counted_one_by_one(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "missing"))
    for number in range(5):
        spool.later(LINE, (number, None), 100 * MS + number)
    spool.flush()
    assert spool.lost == 5
    (tmp_path / "missing").mkdir()
    spool.write(b'["n",5,null]\n')
    (dropped, after) = numbers(tmp_path / "missing")
    assert dropped[0] == "dropped" and dropped[2] == 5 and after == 5


def test_a_value_that_fits_no_template_costs_only_its_own_line(spool: Spool, tmp_path: Path) -> None:
    spool.later(LINE, (0, 1), 100 * MS)
    spool.later(LINE, (1,), 101 * MS)
    spool.later(LINE, (2, 1), 101 * MS)
    spool.flush()
    spool.flush()
    assert [number for number in numbers(tmp_path) if isinstance(number, int)] == [0, 2] and spool.lost == 0


def facts(folder: Path) -> list[str]:
    """Return the hook errors of all spool files below `folder`."""
    rows = [json.loads(line) for path in folder.rglob("*.jsonl") for line in path.read_text().splitlines()[1:]]
    return [row[3] for row in rows if row[:1] == ["meta"] and row[2] == "hook_error"]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Path]:
    """This process's spool, in a folder of its own."""
    spool_module.use_folder(str(tmp_path))
    yield tmp_path
    spool_module.use_folder(None)


def test_an_error_of_the_hook_is_written_with_its_place_and_type(written: Path) -> None:
    spool_module.error("batch", ValueError("no such index"))
    assert facts(written) == ["batch: ValueError: no such index"]


def test_the_same_place_is_written_eight_times_and_another_still_once(written: Path) -> None:
    for number in range(20):
        spool_module.error("fetch", KeyError(number))
    spool_module.error("worker", KeyError(20))
    assert facts(written) == [f"fetch: KeyError: {number}" for number in range(8)] + ["worker: KeyError: 20"]


def test_an_exception_that_cannot_describe_itself_is_written_all_the_same(written: Path) -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("of the user's")

    spool_module.error("fetch", Broken())
    assert facts(written) == ["fetch: Broken: <RuntimeError in __str__>"]


def test_where_the_hook_is_debugged_the_error_is_written_and_raised(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_DEBUG", True)
    with pytest.raises(ValueError, match="no such index"):
        spool_module.error("batch", ValueError("no such index"))
    assert facts(written) == ["batch: ValueError: no such index"]
