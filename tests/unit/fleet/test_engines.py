"""Engines: each item once, whatever order; a killed reader costs what it killed itself with, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuwatch.errors import Unavailable, UsageError
from gpuwatch.fleet.engines import engine_named
from gpuwatch.fleet.engines.base import Engine, ReaderLost

EXTRA = {"pool": None, "dask": "distributed", "ray": "ray"}


@pytest.fixture(params=list(EXTRA))
def engine(request: pytest.FixtureRequest) -> Engine:
    if EXTRA[request.param]:
        pytest.importorskip(EXTRA[request.param])
    return engine_named(request.param, 2)


def square(number: int) -> int:
    return number * number


def die_once(asked: tuple[int, str]) -> int:
    """Kill the process at number 3, the first time."""
    number, mark = asked
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_every_item_gets_its_result(engine: Engine) -> None:
    assert dict(engine.map(square, range(20))) == {n: n * n for n in range(20)}
    assert list(engine.map(square, [])) == []


def test_a_worker_that_is_killed_loses_nothing(engine: Engine, tmp_path: Path) -> None:
    mark = str(tmp_path / "killed")
    found = list(engine.map(die_once, [(n, mark) for n in range(12)]))
    assert Path(mark).exists()
    assert sorted(result for _, result in found) == list(range(12))  # type: ignore[type-var]


def test_an_item_that_kills_its_reader_each_time_is_given_up_alone(engine: Engine) -> None:
    found = dict(engine.map(die_always, range(12)))
    assert isinstance(found.pop(3), ReaderLost)
    assert found == {n: n for n in range(12) if n != 3}


def test_items_are_taken_as_workers_get_free() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    next(iter(engine_named("pool", 1).map(square, items())))
    assert len(taken) < 10


@pytest.mark.parametrize("name", ["spark", "pool:here", ""])
def test_an_engine_that_there_is_not_is_said(name: str) -> None:
    with pytest.raises(UsageError, match="pool, dask, ray"):
        engine_named(name, 1)


@pytest.mark.parametrize(("name", "library"), [("dask", "distributed"), ("ray", "ray")])
def test_a_missing_library_says_what_brings_it(name: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(Unavailable, match=rf"pip install 'gpuwatch\[{name}\]'"):
        engine_named(name, 1)
