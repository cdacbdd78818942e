"""Where two causes look alike: which one is named, and that advice which would win nothing is not given."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze.engine import judge
from gpuwatch.analyze.rules import transform_order
from gpuwatch.model import Finding, QueueProfile
from tests.builders import make_operation
from tests.rules.cases import COLLATE, DATASET, run_of, with_operations


def ids(profile: object) -> list[str]:
    return [finding.id for finding in judge(profile).findings]  # type: ignore[arg-type]


def test_a_resize_is_moved_rather_than_the_crop_after_it() -> None:
    rotate = make_operation("RandomRotation", share=0.5, position=0, pixels_in=12e6, pixels_out=12e6)
    resize = make_operation("Resize", share=0.2, position=1, pixels_in=12e6, pixels_out=256.0 * 256)
    crop = make_operation("RandomCrop", share=0.01, position=2, pixels_in=256.0 * 256, pixels_out=64.0 * 64)
    found = transform_order.check(with_operations(rotate, resize, crop))
    assert isinstance(found, Finding) and found.advice == "Put Resize before RandomRotation."


def test_resting_workers_are_not_told_to_work_less() -> None:
    late = QueueProfile(ready_share=0.3, mean_ready=2.0, late_share=0.7)
    profile = run_of(fetch={"work_spread": 9.0, "busy_share": 0.3}, loader={"queue": late, "operations": (DATASET,)})
    assert ids(profile) == ["slow-sample"]


def test_workers_that_would_hide_the_input_come_before_cheaper_code() -> None:
    found = ids(run_of(20.0, 20.0, workers=0, loader={"operations": (DATASET,)}))
    assert found == ["no-worker-processes"]


def test_code_comes_first_where_workers_cannot_hide_it() -> None:
    found = ids(run_of(200.0, 5.0, workers=0, cores=2.0, loader={"operations": (DATASET,)}))
    assert found[0] == "slow-dataset-code" and "no-worker-processes" in found


def test_a_wait_for_batches_that_are_ready_is_no_input_wait() -> None:
    ready = QueueProfile(ready_share=1.0, mean_ready=4.0, late_share=0.0, unmade_share=0.02)
    judged = judge(run_of(30.0, 10.0, fetch={"busy_share": 0.05, "bytes_per_batch": 1e4}, loader={"queue": ready}))
    assert judged.verdict.bound != "input" and not judged.findings


def test_advice_that_wins_nothing_is_not_given() -> None:
    profile = run_of(30.0, 10.0, 2, loader={"operations": (COLLATE,)}, fetch={"bytes_per_batch": 1e4}, cores=2.0)
    costs = profile.costs
    assert costs is not None and "expensive-collate" in ids(profile)
    hidden = replace(profile, costs=replace(costs, step_ms=costs.device_ms, work_ms=1.0, work_cpu_ms=1.0))
    assert "expensive-collate" not in ids(hidden)
