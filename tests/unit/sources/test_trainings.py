"""What a process leads to: ranks of launchers, told from the workers of their loaders and from pools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from gpuwatch.sources.running import Running
from gpuwatch.sources.trainings import find_above, find_below, running_trainings

TRAIN = ("python", "train.py")
SPAWNED = (
    "python",
    "-c",
    "from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=9)",
    "--multiprocessing-fork",
)
SERVER = ("python", "-c", "from multiprocessing.forkserver import main; main(5, 6)")
TRACKER = ("python", "-c", "from multiprocessing.resource_tracker import main;main(4)")
TORCHRUN = ("python", "/env/bin/torchrun", "--nproc-per-node=2", "train.py")


def process(pid: int, ppid: int, command: tuple[str, ...] = TRAIN, age: int = 0, uid: int = 1000) -> Running:
    return Running(pid, ppid, uid, "S", command[0], 1000 - age, 0, 0, 0, command)


def ranks(
    pid: int, processes: Iterable[Running], serving: Mapping[int, bool | None], without_torch: Iterable[int] = ()
) -> list[int]:
    known = {each.pid: each for each in processes}
    found = find_below(pid, known, lambda one: serving.get(one), lambda one: one not in without_torch)
    return [rank.pid for rank in found.ranks]


def test_a_training_with_forked_workers_is_one_rank() -> None:
    assert ranks(10, [process(10, 1), process(11, 10), process(12, 10)], {10: False, 11: True, 12: True}) == [10]


def test_torchrun_leads_to_its_ranks_and_not_to_their_workers() -> None:
    run = [process(10, 1, TORCHRUN), process(20, 10), process(30, 10), process(21, 20), process(31, 30)]
    assert ranks(10, run, {21: True, 31: True}) == [20, 30]


@pytest.mark.parametrize("shell", [("bash", "train.sh"), ("uv", "run", "train.py")])
def test_what_only_starts_the_training_leads_to_it(shell: tuple[str, ...]) -> None:
    assert ranks(5, [process(5, 1, shell), process(10, 5), process(11, 10)], {11: True}, [5]) == [10]


def test_spawned_workers_and_those_of_a_forkserver_are_no_ranks() -> None:
    spawned = [process(10, 1), process(11, 10, TRACKER), process(12, 10, SPAWNED)]
    assert ranks(10, spawned, {12: True}) == [10]
    served = [process(10, 1), process(11, 10, SERVER), process(12, 11, SERVER), process(13, 11, SERVER)]
    assert ranks(10, served, {12: True, 13: True}) == [10]


def test_ranks_that_multiprocessing_spawned_are_ranks() -> None:
    run = [process(10, 1), process(20, 10, SPAWNED), process(30, 10, SPAWNED), process(21, 20, SPAWNED)]
    assert ranks(10, run, {20: False, 30: False, 21: True}) == [20, 30]


def test_a_worker_leads_to_the_rank_that_it_works_for() -> None:
    run = [process(10, 1, TORCHRUN), process(20, 10), process(30, 10), process(21, 20), process(31, 30)]
    known = {each.pid: each for each in run}
    found = find_above(31, known, lambda pid: pid in (21, 31), lambda pid: True)
    assert [rank.pid for rank in found.ranks] == [30] and found.members == {30: (31,)}
    served = {each.pid: each for each in [process(10, 1), process(11, 10, SERVER), process(12, 11, SERVER)]}
    assert [rank.pid for rank in find_above(12, served, lambda pid: pid == 12, lambda pid: pid != 11).ranks] == [10]


def test_what_a_training_has_started_beside_its_workers_leads_nowhere() -> None:
    known = {
        each.pid: each
        for each in [process(10, 1), process(11, 10, ("sleep", "60")), process(12, 10, ("python", "log.py"))]
    }
    for pid in (11, 12):
        assert not find_above(pid, known, lambda one: False, lambda one: one != 11).ranks


def test_where_nobody_may_look_a_copy_of_a_training_is_a_worker() -> None:
    assert ranks(10, [process(10, 1), process(11, 10)], {}) == [10]


def test_the_list_has_this_users_trainings_the_youngest_first_without_workers() -> None:
    run = [process(10, 1, age=50), process(11, 10, age=40), process(20, 1, age=5), process(30, 1, uid=0)]
    known = {each.pid: each for each in run}
    found = running_trainings(known, 1000, lambda pid: pid == 11, lambda pid: True)
    assert [each.pid for each in found] == [20, 10]
