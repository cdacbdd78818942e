"""An ordinary training has nothing of experiment mode in it; in an experiment a forked process is left alone."""

from __future__ import annotations

import itertools
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

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


class Recording(Executor):
    """Notes after how many batches the loop came back from elsewhere."""

    def __init__(self) -> None:
        self.left: list[int] = []

    def was_left(self, batches_before: int) -> None:
        self.left.append(batches_before)


class Loader:
    """Stands in for a DataLoader: something that iterators are made of."""


def _left(tmp_path: Path, drawn: str, fed: list[str] | None = None) -> list[int]:
    """Draw by a word: L a batch for the loop, N its first from a new iterator, M from one over a new loader like the first,
    e one from an evaluation's loader. Each L, N and M is trained on. `fed`: what each draw gave."""
    from gpuwatch.hook.experiment import driver

    class Source(Iterating):
        """Iterators of one test."""

    feed: Any = driver.Driver(str(tmp_path), None)
    driver.install(Source, feed)
    train, evaluation = Loader(), Loader()
    executor = Recording()
    first = train
    feed.loader, feed.feed, feed.settings = lambda: first, executor, driver._settings(first)
    trained = [False]
    account: Any = type("Account", (), {"trained": lambda self: trained[0]})()
    driver.activity.current = lambda: account  # type: ignore[assignment]
    current, other = Source(train), Source(evaluation)
    for what in drawn:
        if what in "NM":
            train = train if what == "N" else Loader()
            current = Source(train)
        given = next(other if what == "e" else current)  # type: ignore[call-overload]
        trained[0] = what != "e"
        if fed is not None:
            fed.append(given)
    return executor.left


def test_the_clock_of_a_window_stops_while_the_script_is_elsewhere(tmp_path: Path) -> None:
    def told() -> bool:
        found = {
            "an epoch and its evaluation": _left(tmp_path, "LLLLLeeeNLLL"),
            "an epoch alone": _left(tmp_path, "LLLLNLL"),
            "evaluation within an epoch": _left(tmp_path, "LLLLeeeLLL"),
            "two loaders in each step": _left(tmp_path, "eLeLeLeL"),
            "an iterator for each batch": _left(tmp_path, "LNNNN"),
        }
        return found == {
            "an epoch and its evaluation": [5],
            "an epoch alone": [4],
            "evaluation within an epoch": [4],
            "two loaders in each step": [],
            "an iterator for each batch": [],
        }

    assert in_child(told), "in a child, since a driver changes how steps are measured"


def test_a_loader_that_is_made_again_for_each_epoch_is_fed_from_its_second_batch_on(tmp_path: Path) -> None:
    def told() -> bool:
        fed: list[str] = []
        left = _left(tmp_path, "LLLeeMLLL", fed)
        ours = [given == "the experiment's" for given in fed]
        return left == [3] and ours == [True, True, True, False, False, False, True, True, True]

    assert in_child(told), "in a child, since a driver changes how steps are measured"


def test_what_a_script_does_between_two_loops_is_in_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpuwatch.hook.experiment import windows

    now = [0]
    monkeypatch.setattr(windows, "now_ns", lambda: now[0])
    window = windows.Window({"arm": "unchanged", "kind": "real", "seconds": 1.0, "steps": 6}, warmup=2)
    for request in range(40):
        if request == 8:
            now[0] += 60_000_000_000
            window.was_left(8)
        if window.is_over():
            break
        now[0] += 200_000_000
    assert (window.steps, window.ns) == (6, 6 * 200_000_000)


def test_a_module_that_is_imported_when_it_is_used_stays_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpuwatch.hook.experiment import loop_facts

    class Lazy(types.ModuleType):
        """As speechbrain has for what needs a package that is not installed."""

        def __getattribute__(self, name: str) -> Any:
            if name in ("__dict__", "__class__"):
                return object.__getattribute__(self, name)
            raise ImportError(f"lazy import for {name} failed")

    monkeypatch.setitem(sys.modules, "some_lazy_module", Lazy("some_lazy_module"))
    assert isinstance(loop_facts.loaded_code(), list)
