"""The runs of several nodes as one report: ranks in order, clocks by what must coincide, what is missing said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpuwatch.build_job import JobRuns, build_job
from gpuwatch.model.report import Report
from gpuwatch.store.jobs import job_of, read_job
from gpuwatch.views import job_text
from gpuwatch.views.json import to_dict
from tests.spools import MS, SECOND, START, WALL, FakeRun

IDS = {"elastic": "run-7"}


def record(base: Path, rank: int, wrong_ms: float = 0.0, in_step: bool = True, size: int = 2, **changes: Any) -> Path:
    """Write a node of one rank whose steps end with the other's, whose own clock began `rank` hours before, and whose wall
    clock is wrong by so much. Rank 0 is 6 ms early in every step and waits in its backward pass."""
    run = FakeRun(base / f"node{rank}")
    run.now = START + rank * 3600 * SECOND
    anchor = {"wall_ns": WALL + int(wrong_ms * MS), "mono_ns": run.now}
    ids = changes.pop("ids", IDS)
    trainer = run.trainer(rank=rank, local_rank=0, world_size=size, host=f"node{rank}", job=ids, **anchor)
    random, iterator = np.random.default_rng(3), trainer.iterate()
    trainer.ask(iterator, 0, 5.0)
    for index in range(1, 60):
        own = float(random.uniform(5, 15)) + (0.0 if in_step else 40.0 * rank * index)
        trainer.do("forward", own + 6 * rank).do("backward", 10 - 6 * rank + float(random.uniform(0, 0.2)))
        trainer.do("optimizer", 1.0).ask(iterator, index, 2.0)
    said = {"host": f"node{rank}", "boot_id": f"boot{rank}", "started_ns": START + rank * 3600 * SECOND}
    return run.write(**said | {"started_wall_ns": WALL + int(wrong_ms * MS)} | changes)


def reported(base: Path, timeline: bool = False) -> Report:
    job = read_job(job_of(base / "node0"))
    recordings, runs = tuple(n.recording for n in job.nodes), tuple(n.runs for n in job.nodes)
    return build_job(JobRuns(job.id, job.by, recordings, runs), timeline)


@pytest.mark.parametrize("wrong_ms", [0.0, 37.5, -840.0])
def test_clocks_are_set_by_the_ends_of_the_steps_whatever_the_wall_clocks_say(tmp_path: Path, wrong_ms: float) -> None:
    record(tmp_path, 0)
    record(tmp_path, 1, wrong_ms)
    report = reported(tmp_path, timeline=True)
    assert [(rank.rank, rank.host) for rank in report.ranks] == [(0, "node0"), (1, "node1")]
    assert report.job is not None
    node = report.job.nodes[1]
    assert node.clock_by == "steps"
    assert node.clock_ms == pytest.approx(-wrong_ms, abs=1.0)
    assert node.clock_error_ms is not None and abs(node.clock_ms + wrong_ms) <= node.clock_error_ms < 5
    ends = {lane.rank: lane.t_s for lane in report.timeline.lanes if lane.of.key == "step"} if report.timeline else {}
    assert np.abs(np.array(ends[0]) - np.array(ends[1])).max() < 0.005
    assert report.ranks[1].start_s == pytest.approx(0.0, abs=0.002)


def test_ranks_that_do_not_keep_in_step_have_their_wall_clocks_alone(tmp_path: Path) -> None:
    record(tmp_path, 0)
    record(tmp_path, 1, 37.0, in_step=False)
    report = reported(tmp_path)
    assert report.job is not None
    assert (report.job.nodes[1].clock_by, report.job.nodes[1].clock_error_ms) == ("wall", None)
    assert "wall clock alone" in " ".join(job_text.notes(report.job))


def test_what_is_missing_of_a_job_is_said(tmp_path: Path) -> None:
    record(tmp_path, 0, size=4, gpuwatch="0.0.9")
    lost = record(tmp_path, 2, size=4, ended_ns=None, exit_code=None, ids=IDS | {"round": "1"})
    for spool in (lost / "spool").iterdir():
        os.utime(spool, ns=(WALL, WALL + SECOND))
    report = reported(tmp_path)
    assert report.job is not None
    assert report.job.missing_ranks == (1, 3)
    said = "\n".join(job_text.notes(report.job))
    assert "one job on 2 nodes, by torchrun's run id run-7: node0, node2" in said
    assert "ranks 1, 3 of 4 left no recording" in said
    assert "node2: its recording stops before the end of its run" in said
    assert "their start number 2" in said
    assert "gpuwatch 0.0.9 and 0.1.0" in said
    assert to_dict(report)["job"]["missing_ranks"] == [1, 3]


def test_a_node_that_recorded_no_training_is_said_and_left_out(tmp_path: Path) -> None:
    record(tmp_path, 0, job="vision")
    FakeRun(tmp_path / "idle").write(host="idle", boot_id="b", job="vision", ended_ns=START + SECOND)
    report = reported(tmp_path)
    assert [rank.rank for rank in report.ranks] == [0]
    assert "idle recorded no training (idle)" in report.problems
