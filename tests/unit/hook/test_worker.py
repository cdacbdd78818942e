from __future__ import annotations

import itertools
import json

import pytest

from tests.unit.hook import observed
from tests.unit.hook.loaded import in_workers, loaded, pids

pytestmark = pytest.mark.timeout(400)  # the program runs inside the first test that asks for it


@pytest.mark.parametrize("how", in_workers())
def test_each_worker_says_who_it_is(how):
    workers, method = how
    run = loaded(*how)
    logs = run.seen.workers("Timed")
    assert {log.pid for log in logs} == pids(run.truth["Timed"])
    started = [event for log in logs for event in log.all("worker")]
    assert sorted(event["worker"] for event in started) == list(range(workers))
    assert {(event["workers"], event["parent"], event["start_method"]) for event in started} == {
        (workers, run.seen.trainer.pid, method)
    }


@pytest.mark.parametrize("how", in_workers())
def test_workers_end_with_the_number_of_batches_they_made(how):
    seen = loaded(*how).seen
    for log in seen.workers("Timed") + seen.workers("Images"):
        (end,) = log.all("worker_end")
        assert end["batches"] == len(log.all("fetch"))
        assert end["t"] >= max(event["t1"] for event in log.all("fetch"))


@pytest.mark.parametrize("how", in_workers())
def test_waiting_and_making_follow_each_other(how):
    for log in loaded(*how).seen.workers("Timed"):
        fetches = log.all("fetch")
        for fetch in fetches:
            assert fetch["idle_t0"] <= fetch["t0"] <= fetch["t1"]
        for earlier, later in itertools.pairwise(fetches):
            assert earlier["t1"] <= later["idle_t0"]


@pytest.mark.parametrize("how", in_workers())
def test_indices_are_the_trainers(how):
    workers, _ = how
    for log in loaded(*how).seen.workers("Images"):
        number = log.all("worker")[0]["worker"]
        assert [fetch["index"] for fetch in log.all("fetch")] == list(range(number, 4, workers))


def test_threads_are_told_as_they_are_once_work_began():
    for log in loaded(2, "fork").seen.workers("Images"):
        threads = log.meta("threads")[-1]
        assert threads["torch"] == 1  # the loader's own setting, made after the worker started
        assert threads["process"] >= 2  # the queue's feeder


def test_a_stateful_loader_with_persistent_workers_is_seen_through_both_epochs():
    seen = loaded(2, "fork").seen
    persistent = [log for log in seen.workers("Heavy") if len(log.all("fetch")) == 2]
    assert len(persistent) == 2
    assert seen.told["persistent"] == 4


def test_a_failing_dataset_fails_with_its_own_error():
    told = loaded(2, "fork").seen.told["failure"]
    assert told.splitlines()[-1] == "ValueError: the third is broken"
    assert "in __getitem__" in told


def test_nothing_went_wrong_in_the_hook():
    for how in ((2, "fork"), (1, "spawn"), (0, "fork")):
        assert loaded(*how).seen.troubles() == []


def test_results_and_random_numbers_are_those_of_a_bare_run():
    hooked, bare = loaded(2, "fork").seen.told, loaded(2, "fork", hook=False).seen.told
    assert hooked["images"] == bare["images"]
    assert hooked["next_random"] == bare["next_random"]


def test_forkservers_workers_name_the_trainer_as_parent(tmp_path):
    seen = observed.run("one_loader.py", "forkserver", folder=tmp_path)
    assert seen.status == 0, seen.errors
    (worker,) = seen.workers()
    assert worker.all("worker")[0]["parent"] == seen.trainer.pid
    assert worker.all("worker")[0]["start_method"] == "forkserver"
    assert json.loads(seen.output) == [6.0, 22.0]
