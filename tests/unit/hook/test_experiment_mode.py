"""An ordinary training has nothing of experiment mode in it; in an experiment a forked process is left alone."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

from tests.unit.hook import hooked
from tests.unit.hook.test_process import in_child

LOADED = """
import sys
import torch.utils.data
print([name.rpartition(".")[2] for name in sys.modules if "hook.experiment." in name])
"""


def test_an_ordinary_training_loads_one_module_of_it(tmp_path: Path) -> None:
    assert hooked.run(LOADED, tmp_path / "run").done.stdout.splitlines() == ["['experiment_mode']"]


class Iterating:
    """Stands in for torch's class of iterators."""

    def __init__(self, loader: object) -> None:
        self.loader = loader

    def __next__(self) -> str:
        return "the iterator's own"


class Executor:
    def next_batch(self) -> str:
        return "the experiment's"


def test_a_forked_process_gets_its_own_batches(tmp_path: Path) -> None:
    def fed() -> bool:
        from gpuwatch.hook.experiment import driver

        feed: Any = driver.Driver(str(tmp_path), None)
        driver.install(Iterating, feed)
        loader = Iterating(None)
        iterator = Iterating(loader)
        feed.loader, feed.feed = lambda: loader, Executor()
        ordered = next(iterator) == "the experiment's"  # type: ignore[call-overload]
        return ordered and in_child(lambda: next(iterator) == "the iterator's own")  # type: ignore[call-overload]

    assert in_child(fed), "in a child, since a driver changes how steps are measured"


def test_the_loop_runs_as_it_is_until_an_order_is_there_and_other_ranks_then_repeat_batches(
    tmp_path: Path,
) -> None:
    def fed() -> bool:
        from gpuwatch.hook.experiment import driver

        os.environ["RANK"] = "1"
        feed: Any = driver.Driver(str(tmp_path), None)
        feed._is_the_loop = lambda loader: True
        loader = Iterating(None)
        iterator = Iterating(loader)
        feed.loaders[iterator] = loader
        numbers = itertools.count()
        given = [feed.next_batch(iterator, lambda _: next(numbers)) for _ in range(3)]
        (tmp_path / "0001.json").write_text("{}")
        given += [feed.next_batch(iterator, lambda _: next(numbers)) for _ in range(4)]
        return given == [0, 1, 2, 0, 1, 2, 0]

    assert in_child(fed)
