"""Which run folders are of one job, by what their launcher calls it; what says that they are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.errors import UsageError
from gpuwatch.store.jobs import job_of, member, members_in, members_named, read_job
from tests.spools import SECOND, WALL, FakeRun

ADDRESS = {"address": "node0:29500"}


def node(
    base: Path, name: str, rank: int, ids: dict[str, str], size: int = 2, after_s: float = 0.0, **changes: Any
) -> Path:
    """Write a run of one rank that begins so much later than the others by its wall clock."""
    run = FakeRun(base / name)
    host = changes.get("host", f"node{rank}")
    run.trainer(pid=100, rank=rank, local_rank=0, world_size=size, job=ids, host=host).loop(batches=40)
    run.sampler().add("tick", t=run.now, late_ns=0, cpu_ns=0, rss_bytes=0)
    return run.write(**{"host": host, "boot_id": host, "started_wall_ns": WALL + int(after_s * SECOND)} | changes)


def names(members: Any) -> list[str]:
    return [one.path.name for one in members]


@pytest.mark.parametrize(("kind", "value"), [("elastic", "run-7"), ("slurm", "42.0"), ("address", "node0:29500")])
def test_the_newest_job_of_a_folder_is_found_by_what_its_launcher_calls_it(
    tmp_path: Path, kind: str, value: str
) -> None:
    node(tmp_path, "alone", 0, {kind: "another"}, host="node9")
    node(tmp_path, "a", 0, {kind: value})
    node(tmp_path, "b", 1, {kind: value}, after_s=2)
    found = members_in(tmp_path)
    assert found and names(found) == ["a", "b"]
    job = read_job(found)
    assert (job.id, job.by, [one.runs for one in job.nodes]) == (value, kind, [("a",), ("b",)])


def test_a_name_given_to_the_job_comes_before_what_the_launcher_calls_it(tmp_path: Path) -> None:
    node(tmp_path, "a", 0, {"slurm": "1.0"}, job="vision")
    node(tmp_path, "b", 1, {"slurm": "2.0"}, job="vision")
    node(tmp_path, "c", 1, {"slurm": "1.0"}, job="text")
    assert names(job_of(tmp_path / "a")) == ["a", "b"]


def test_jobs_that_meet_at_the_same_port_are_told_apart_by_ranks_and_time(tmp_path: Path) -> None:
    node(tmp_path, "a", 0, ADDRESS)
    node(tmp_path, "again", 1, ADDRESS, after_s=7200)
    node(tmp_path, "other", 0, ADDRESS, host="node7")
    assert names(job_of(tmp_path / "a")) == ["a"]


def test_a_run_of_one_process_is_a_job_of_its_own(tmp_path: Path) -> None:
    node(tmp_path, "a", 0, {}, size=1)
    node(tmp_path, "b", 0, {}, size=1, host="node1")
    assert names(job_of(tmp_path / "a")) == ["a"]


def test_runs_that_were_named_are_refused_only_where_something_says_that_they_do_not_fit(tmp_path: Path) -> None:
    a, b = node(tmp_path, "a", 0, {}), node(tmp_path, "b", 1, {})
    assert names(members_named([b, a])) == ["a", "b"]
    assert read_job(members_named([a, b])).by is None
    with pytest.raises(UsageError, match="both have rank 0"):
        members_named([a, node(tmp_path, "c", 0, {}, host="node5")])
    with pytest.raises(UsageError, match="one has 2 ranks in all, the other 4"):
        members_named([node(tmp_path, "d", 1, {}, size=4), a])
    with pytest.raises(UsageError, match=r"one is of 1\.0, the other of 2\.0"):
        members_named([node(tmp_path, "e", 0, {"slurm": "1.0"}), node(tmp_path, "f", 1, {"slurm": "2.0"})])


def test_tasks_of_one_node_are_one_recording_with_one_sampler(tmp_path: Path) -> None:
    ids = {"slurm": "42.0"}
    for rank in (0, 1):
        node(tmp_path, f"task{rank}", rank, ids, size=4, host="node0", exit_code=rank)
    node(tmp_path, "far", 2, ids, size=4, after_s=1)
    job = read_job(job_of(tmp_path / "task0"))
    near, far = job.nodes
    assert (near.runs, far.runs) == (("task0", "task1"), ("far",))
    assert [log.header["rank"] for log in near.recording.by_writer("hook")] == [0, 1]
    (sampler,) = near.recording.by_writer("sampler")
    assert len(sampler.table("tick")) == 2
    assert near.recording.run.exit_code == 1


def test_a_node_that_was_killed_is_of_its_job(tmp_path: Path) -> None:
    ids = {"elastic": "run-7"}
    node(tmp_path, "a", 0, ids)
    lost = node(tmp_path, "b", 1, ids, ended_ns=None, exit_code=None)
    for spool in (lost / "spool").iterdir():
        os.utime(spool, ns=(WALL, WALL + SECOND))
    assert names(job_of(tmp_path / "a")) == ["a", "b"]
    assert member(tmp_path / "b").info.state == "lost"
