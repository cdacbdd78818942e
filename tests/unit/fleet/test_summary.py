"""The summary: hours by what runs have in common, what was lost to what, what got slower, and where."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.build_report import build
from gpuwatch.fleet.collect import Collected, collect
from gpuwatch.fleet.dataset import Dataset
from gpuwatch.fleet.filters import Condition, conditions, place_condition, since_condition
from gpuwatch.fleet.summary import Asked, summarise
from gpuwatch.model.fleet import Fleet
from gpuwatch.store.reader import read
from tests.fleets import Inline, write_run
from tests.unit.fleet.test_dataset import add, rows

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")
OLD, NEW = "a" * 40, "b" * 40


class Place:
    """A folder of runs and a dataset."""

    def __init__(self, folder: Path) -> None:
        self.runs, self.dataset = folder / "runs", Dataset(folder / "data")
        self.runs.mkdir()
        self.engine = Inline()

    def run(self, name: str, **told: Any) -> Path:
        return write_run(self.runs / name, **told)

    def collect(self) -> Collected:
        return collect([str(self.runs)], self.dataset, self.engine)

    def summary(self, wanted: list[Condition] | None = None, **asked: Any) -> Fleet:
        collected = self.collect()
        return summarise(self.dataset, wanted or [], Asked((str(self.runs),), **asked), collected)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_hours_of_all_runs_are_the_sum_of_their_reports(place: Place) -> None:
    paths = [place.run("a", gpus=1), place.run("b", gpus=4, user="bob"), place.run("c", gpus=0)]
    fleet = place.summary(price=2.0)
    reports = [build(read(path), with_timeline=False) for path in paths]
    hours = [sum(rank.seconds for rank in report.ranks) / 3600 for report in reports]
    assert fleet.totals.gpu_hours == pytest.approx(hours[0] + hours[1])
    assert fleet.totals.rank_hours == pytest.approx(sum(hours))
    assert fleet.totals.cost == pytest.approx(2.0 * fleet.totals.gpu_hours)
    assert fleet.totals.lost_gpu_hours == pytest.approx(sum(lost.gpu_hours for lost in fleet.totals.lost_to))
    assert (fleet.totals.users, fleet.totals.nodes, fleet.runs) == (2, 1, 3)
    waited = sum(
        p.seconds for report in reports for rank in report.ranks for p in rank.phases if p.name == "input wait"
    )
    assert sum(lost.rank_hours for lost in fleet.totals.lost_to if lost.to == "input wait") == pytest.approx(
        waited / 3600
    )


def test_groups_come_with_what_they_lost_most_to_and_those_that_lost_most_first(place: Place) -> None:
    place.run("a", user="alice", wait_ms=1, startup_ms=500)
    place.run("b", user="bob", wait_ms=50, startup_ms=500)
    fleet = place.summary()
    assert [group.key for group in fleet.users] == ["bob", "alice"]
    assert (fleet.users[0].lost_to[0].to, fleet.users[1].lost_to[0].to) == ("input wait", "startup")
    assert [group.key for group in place.summary(most=1).users] == ["bob"]
    by_cause = {group.key: group for group in fleet.causes}
    assert by_cause["no-worker-processes"].runs == 1
    assert by_cause["no-worker-processes"].gpu_hours == fleet.users[0].gpu_hours


def test_the_second_reading_reads_what_is_new_or_has_changed(place: Place) -> None:
    place.run("a")
    place.run("b")
    assert (first := place.collect()).read == 2 and first.unchanged == 0
    place.run("b", batches=80)
    place.run("c")
    assert (second := place.collect()).read == 2 and second.unchanged == 1
    assert place.engine.calls == 4
    assert place.summary().runs == 3


def test_a_run_counts_once_with_its_newest_reading(place: Place) -> None:
    place.run("a", user="old")
    place.collect()
    place.run("a", user="new")
    assert [(group.key, group.runs) for group in place.summary().users] == [("new", 1)]


def test_runs_that_cannot_be_read_are_named_and_tried_again(place: Place) -> None:
    place.run("good")
    broken = place.run("broken")
    (broken / "run.json").write_text('{"schema": "gpuwatch.run/99"}')
    place.engine = Inline("lost")
    place.run("lost")
    fleet = place.summary()
    assert [(Path(one.run).name, one.problem) for one in fleet.unreadable][1] == ("lost", "killed")
    assert "gpuwatch.run/99" in fleet.unreadable[0].problem
    assert (fleet.runs, fleet.read) == (1, 1)
    place.engine = Inline()
    assert place.summary().runs == 2


def test_a_run_whose_folder_is_gone_still_counts(place: Place) -> None:
    path = place.run("a")
    place.collect()
    shutil.rmtree(path)
    assert place.summary().runs == 1


def test_filters_by_identity_age_and_place(place: Place) -> None:
    place.run("x/a", user="alice", commit=OLD, day=0)
    place.run("y/b", user="bob", commit=NEW, day=5)
    place.collect()

    def users(*wanted: Condition) -> list[str | None]:
        return sorted(group.key or "" for group in place.summary(list(wanted)).users)

    assert users(*conditions(["user=b*"])) == users(*conditions([f"commit={NEW[:6]}"])) == ["bob"]
    assert users(*conditions(["user=alice", "commit=b"])) == []
    assert users(*place_condition([str(place.runs / "x")])) == ["alice"]
    assert users(*place_condition([str(place.runs / "x"), str(place.runs)])) == ["alice", "bob"]
    assert users(*place_condition([str(place.runs)[:-1]])) == []
    last = (
        place.summary().costliest[0].started
        if place.summary().costliest[0].user == "bob"
        else place.summary().costliest[1].started
    )
    assert users(*since_condition(last)) == ["bob"]


def test_a_value_with_a_quote_is_a_value(place: Place) -> None:
    place.run("a", user="o'hara")
    assert place.summary(conditions(["user=o'hara"])).runs == 1
    assert place.summary(conditions(["user=x' OR '1'='1"])).runs == 0


def test_an_experiment_of_gpuwatchs_own_is_left_out_and_counted(place: Place) -> None:
    place.run("a")
    place.run("b", experiment={"kind": "ceilings"})
    fleet = place.summary()
    assert (fleet.runs, fleet.experiments, fleet.totals.runs) == (1, 1, 1)


def test_a_workload_that_got_slower_is_found_with_what_it_waits_for(place: Place) -> None:
    for day in range(3):
        place.run(f"old{day}", commit=OLD, day=day, wait_ms=5, batches=80)
        place.run(f"new{day}", commit=NEW, day=day + 5, wait_ms=9, batches=80)
        place.run(f"else{day}", script="other.py", commit=(OLD, NEW)[day % 2], day=day, wait_ms=5)
    (found,) = place.summary(price=10.0).regressions
    assert (found.script, found.before, found.after, found.per) == ("train.py", OLD, NEW, "sample")
    assert found.ratio == pytest.approx(19 / 15, rel=0.02)
    assert (found.runs_before, found.runs_after, found.lost_to) == (3, 3, "input wait")
    assert found.cost == pytest.approx(10.0 * found.extra_gpu_hours) and found.extra_gpu_hours > 0


def test_a_commit_that_is_faster_or_as_uneven_as_before_is_none(place: Place) -> None:
    for day, wait in enumerate((5.0, 9.0, 5.0)):
        place.run(f"old{day}", commit=OLD, day=day, wait_ms=wait)
    place.run("new", commit=NEW, day=9, wait_ms=8.5)
    place.run("last", commit="c" * 40, day=10, wait_ms=1)
    assert place.summary().regressions == ()


def test_a_node_that_is_slow_for_everybody_is_found(place: Place) -> None:
    for number, script in enumerate(("a.py", "b.py")):
        for node in ("n1", "n2", "n3"):
            slow = 8.0 if node == "n3" else 2.0
            place.run(f"{script}{node}", script=script, node=node, wait_ms=slow, user=f"user{number}", batches=80)
    (found,) = place.summary().slow_nodes
    assert (found.node, found.workloads, found.users, found.runs, found.lost_to) == ("n3", 2, 2, 2, "input wait")
    assert found.ratio == pytest.approx(18 / 12, rel=0.03)


def test_a_node_that_is_slow_for_one_workload_alone_is_none(place: Place) -> None:
    for script, wait in (("a.py", 8.0), ("b.py", 2.0)):
        for node in ("n1", "n2", "n3"):
            place.run(f"{script}{node}", script=script, node=node, wait_ms=wait if node == "n3" else 2.0)
    assert place.summary().slow_nodes == ()


def test_lines_are_the_same_where_their_text_is_though_their_numbers_differ(tmp_path: Path) -> None:
    from gpuwatch.diagnosis.examples.parts import make_hot_line
    from gpuwatch.fleet.rows import rows_of
    from tests.builders import make_report

    dataset = Dataset(tmp_path / "data")
    for n, line in enumerate((48, 50)):
        report = make_report(
            hot_lines=(make_hot_line(line=line, cost_s=36.0), make_hot_line(line=9, source="x = 1", cost_s=1.0))
        )
        report = replace(report, run=replace(report.run, started_wall_ns=report.run.started_wall_ns + n * 10**9))
        add(dataset, rows_of(report, f"/runs/{n}", "f"))
    first, second = summarise(dataset, [], Asked(()), Collected(0, 0)).lines
    assert (first.path, first.line, first.runs) == ("data.py", 50, 2)
    assert first.rank_hours == pytest.approx(2 * 36 / 3600)
    assert second.source == "x = 1"


def test_an_empty_dataset_is_an_empty_summary(place: Place) -> None:
    fleet = place.summary(price=1.0)
    assert (fleet.runs, fleet.users, fleet.totals.gpu_hours, fleet.totals.cost) == (0, (), 0.0, 0.0)


def test_files_of_another_version_that_lack_a_column_give_null(tmp_path: Path) -> None:
    import pyarrow.parquet

    dataset = Dataset(tmp_path / "data")
    add(dataset, rows("/runs/a"))
    file = dataset.parts()[0] / "runs.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(file).drop(["report", "user"]), file)
    add(dataset, rows("/runs/b"))
    assert summarise(dataset, [], Asked(()), Collected(0, 0)).runs == 2


def test_a_part_that_is_merged_meanwhile_is_read_as_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpuwatch.fleet import dataset as module

    monkeypatch.setattr(module, "MOST_SMALL_PARTS", 0)
    dataset = Dataset(tmp_path / "data")
    add(dataset, rows("/runs/a"))
    add(dataset, rows("/runs/b"))
    listed, calls = dataset.parts(), []

    def parts(self: Dataset) -> list[Path]:
        calls.append(1)
        return listed if len(calls) == 1 else sorted(self.folder.glob(module.PARTS))

    dataset.merge()
    monkeypatch.setattr(Dataset, "parts", parts)
    fleet = summarise(dataset, [], Asked(()), Collected(0, 0))
    assert (fleet.runs, len(calls)) == (2, 2)
    assert fleet.totals.lost_to
