"""Runs that nodes of one job recorded: compared as their common report does, each with its own row."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.fleet.collect import collect
from gpuwatch.fleet.dataset import Dataset
from gpuwatch.fleet.summary import Asked, summarise
from gpuwatch.fleet.tables import with_tables
from gpuwatch.model.fleet import Fleet
from tests.fleets import Inline, write_run
from tests.spools import SECOND, WALL
from tests.unit.test_build_job import record, reported

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")


def summary(runs: Path, dataset: Dataset, engine: Inline | None = None) -> Fleet:
    return summarise(dataset, [], Asked((str(runs),)), collect([str(runs)], dataset, engine or Inline()))


def asked(dataset: Dataset, query: str) -> list[dict[str, object]]:
    return with_tables(dataset, [], lambda tables: tables.ask(query))


def test_the_ranks_of_all_nodes_are_compared_and_each_run_has_its_own(tmp_path: Path) -> None:
    runs, dataset = tmp_path / "runs", Dataset(tmp_path / "data")
    record(runs, 0)
    record(runs, 1)
    report = reported(runs)
    straggler = next(finding for finding in report.findings if finding.rank is not None)
    fleet = summary(runs, dataset)
    assert fleet.runs == 2 and {group.key for group in fleet.nodes} == {"node0", "node1"}
    assert fleet.totals.rank_hours == pytest.approx(sum(rank.seconds for rank in report.ranks) / 3600)
    found = asked(dataset, f"SELECT finding, rank, host FROM findings WHERE finding = '{straggler.id}'")
    assert found == [{"finding": straggler.id, "rank": 1, "host": "node1"}]
    assert asked(dataset, "SELECT count(*) AS n FROM lines")[0]["n"] == len(report.hot_lines)
    assert asked(dataset, "SELECT host, rank FROM ranks ORDER BY rank") == [
        {"host": "node0", "rank": 0},
        {"host": "node1", "rank": 1},
    ]


def test_a_node_that_comes_later_is_read_with_those_that_were_there(tmp_path: Path) -> None:
    runs, dataset = tmp_path / "runs", Dataset(tmp_path / "data")
    record(runs, 0)
    assert summary(runs, dataset).runs == 1
    assert asked(dataset, "SELECT count(*) AS n FROM findings WHERE rank = 1")[0]["n"] == 0
    record(runs, 1)
    engine = Inline()
    assert summary(runs, dataset, engine).runs == 2
    assert engine.calls == 2, "the new run, and the job"
    assert asked(dataset, "SELECT count(*) AS n FROM findings WHERE rank = 1")[0]["n"] == 1
    again = Inline()
    assert summary(runs, dataset, again).unchanged == 2 and again.calls == 0


def test_jobs_that_follow_each_other_at_one_address_are_two(tmp_path: Path) -> None:
    runs, dataset = tmp_path / "runs", Dataset(tmp_path / "data")
    address = {"ids": {"address": "node0:29500"}}
    for name, later in (("monday", 0), ("tuesday", 86400 * SECOND)):
        for rank in (0, 1):
            record(runs / name, rank, started_wall_ns=WALL + later, **address)
    fleet = summary(runs, dataset)
    assert fleet.runs == 4
    assert asked(dataset, "SELECT count(DISTINCT run) AS n FROM findings WHERE rank = 1")[0]["n"] == 2


def test_a_job_whose_nodes_cannot_be_read_together_is_read_node_by_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, dataset = tmp_path / "runs", Dataset(tmp_path / "data")
    record(runs, 0)
    record(runs, 1)

    def fail(*given: object, **named: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr("gpuwatch.fleet.jobs.build_job", fail)
    fleet = summary(runs, dataset)
    assert (fleet.runs, fleet.unreadable) == (2, ())


def test_a_run_with_all_its_ranks_is_read_once(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a", gpus=4)
    engine = Inline()
    assert summary(tmp_path / "runs", Dataset(tmp_path / "data"), engine).runs == 1
    assert engine.calls == 1
