"""The rows of a run: its report's figures, in hours of the GPUs that it held."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.build_report import build
from gpuwatch.diagnosis.examples.parts import make_device, make_hot_line, make_profile, make_rank, make_run
from gpuwatch.fleet.columns import TABLES, phase_column
from gpuwatch.fleet.names import identity_of, script_of
from gpuwatch.fleet.rows import gpus_of, rows_of
from gpuwatch.model.measures import Place
from gpuwatch.store.reader import read
from tests.builders import make_finding, make_report
from tests.fleets import GPU, write_run


def test_every_row_has_the_declared_columns_and_no_other() -> None:
    rows = rows_of(make_report(), "/runs/a", "f")
    for table, made in rows.items():
        assert made, table
        assert all(set(row) | {"part"} <= set(TABLES[table]) | {"part"} for row in made)
    assert set(rows["runs"][0]) | {"part"} == set(TABLES["runs"])


@pytest.mark.parametrize(("gpus", "held"), [(0, 0), (1, 1), (4, 4)])
def test_hours_are_those_of_the_report_for_each_gpu(tmp_path: Path, gpus: int, held: int) -> None:
    path = write_run(tmp_path / "run", gpus=gpus, startup_ms=2000)
    report = build(read(path), with_timeline=False)
    (run,) = rows_of(report, str(path), "f")["runs"]
    whole = sum(rank.seconds for rank in report.ranks)
    waited = sum(p.seconds for rank in report.ranks for p in rank.phases if p.name in ("startup", "input wait"))
    assert run["rank_s"] == pytest.approx(whole)
    assert run["gpu_s"] == pytest.approx(whole if gpus else 0.0)
    assert run["lost_rank_s"] >= waited > 0
    assert run["lost_gpu_s"] == pytest.approx(run["lost_rank_s"] if gpus else 0.0)
    assert (run["gpus"], run["gpu"]) == (held, GPU if gpus else None)
    assert (run["user"], run["project"], run["script"], run["commit"]) == ("alice", "images", "train.py", "a" * 40)


def test_what_was_lost_sums_up_to_the_runs_and_the_ranks_loss() -> None:
    rows = rows_of(make_report(), "/runs/a", "f")
    lost = sum(row["rank_s"] for row in rows["losses"])
    assert rows["runs"][0]["lost_rank_s"] == pytest.approx(lost) == sum(row["lost_s"] for row in rows["ranks"])


def test_the_phases_of_a_rank_are_columns() -> None:
    rank = make_rank()
    (row,) = rows_of(make_report(make_profile(ranks=(rank,))), "/runs/a", "f")["ranks"]
    assert all(row[phase_column(phase.name)] == phase.seconds for phase in rank.phases)


def test_a_rank_on_several_devices_holds_them_all() -> None:
    rank = make_rank(device=GPU)
    report = make_report(devices=(make_device(index=0, ranks=(0,)), make_device(index=1, ranks=(0,))))
    assert (
        gpus_of(rank, report),
        gpus_of(make_rank(device="cpu"), report),
        gpus_of(make_rank(device=None), report),
    ) == (2, 0, 0)


def test_a_line_of_the_step_costs_only_where_a_finding_names_it() -> None:
    of_step = make_hot_line(
        process_role="trainer", activity="step", file="/home/me/project/train.py", line=70, cost_s=4.0
    )
    loads = make_hot_line(cost_s=3.0)
    named = make_finding("step-sync", where=Place(of_step.file, of_step.line), speedup=None)
    lost = {}
    for name, findings in (("bare", ()), ("named", (named,))):
        report = make_report(hot_lines=(of_step, loads), findings=findings)
        lost[name] = [row["lost_rank_s"] for row in rows_of(report, "/runs/a", "f")["lines"]]
    assert lost == {"bare": [0.0, 3.0], "named": [4.0, 3.0]}


def test_lines_are_named_as_seen_from_the_project() -> None:
    report = make_report(hot_lines=(make_hot_line(),), run=make_run(cwd="/home/me/project"))
    assert [row["path"] for row in rows_of(report, "/runs/a", "f")["lines"]] == ["data.py"]


def test_the_other_trainings_of_a_run_count_with_their_phases() -> None:
    report = make_report()
    shown = _training(report, 1, shown=True, seconds=20.0)
    other = _training(report, 2, shown=False, seconds=8.0)
    rows = rows_of(make_report(trainings=(shown, other)), "/runs/a", "f")
    assert [(row["training"], row["shown"], row["rank_s"]) for row in rows["runs"]] == [
        (1, True, 20.0),
        (2, False, 8.0),
    ]
    assert {row["training"] for row in rows["losses"]} == {1, 2}
    assert {row["training"] for row in rows["findings"]} == {1}


def _training(report: object, number: int, shown: bool, seconds: float) -> object:
    from gpuwatch.model.report import Report, Training

    assert isinstance(report, Report)
    return Training(
        number,
        100 + number,
        "train.py",
        0.0,
        seconds,
        1,
        50,
        report.verdict,
        report.phases,
        ("too-few-workers",),
        shown,
    )


@pytest.mark.parametrize(
    ("command", "script"),
    [
        (("python", "train.py", "--data", "x.py"), "train.py"),
        (("torchrun", "--nproc-per-node=8", "src/pretrain.py"), "pretrain.py"),
        (("bash", "scripts/run.sh"), "run.sh"),
        (("python", "-m", "torch.distributed.run", "-m", "lab.train"), "lab.train"),
        (("uv", "run", "yolo", "train"), "yolo"),
        (("/opt/bin/train",), "train"),
        ((), "?"),
    ],
)
def test_the_script_is_what_a_person_would_name(command: tuple[str, ...], script: str) -> None:
    assert script_of(command) == script


def test_whose_run_it_is_comes_from_the_scheduler_first() -> None:
    told = {
        "user": "root",
        "slurm_user": "bob",
        "slurm_array_job": "7",
        "slurm_array_index": "3",
        "slurm_job": "9",
        "kubernetes_node": "k1",
    }
    known = identity_of(make_run(identity=told))
    assert (known["user"], known["job"], known["host"]) == ("bob", "7_3", "k1")
    assert identity_of(make_run(identity=told, job="nightly"))["job"] == "nightly"
    assert identity_of(make_run(identity=None))["host"] == "node1"
