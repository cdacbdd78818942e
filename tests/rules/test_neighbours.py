"""Where two causes look alike: which one is named, and that advice which would win nothing is not given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuwatch.diagnosis.engine import judge
from gpuwatch.diagnosis.evidence import above
from gpuwatch.diagnosis.examples.parts import make_hot_line, make_operation, make_rank
from gpuwatch.diagnosis.examples.runs import (
    COLLATE,
    DATASET,
    SAMPLED,
    WORK_LINE,
    epochs,
    long_steps,
    run_of,
    sampler_run,
    with_operations,
)
from gpuwatch.diagnosis.image_sizes import entropy_share, usable_scale
from gpuwatch.model.findings import Finding
from gpuwatch.model.loader_profile import QueueProfile
from gpuwatch.model.measures import Interval, Place
from gpuwatch.rules import RULES
from gpuwatch.rules.expensive_decode.rule import RULE as expensive_decode
from gpuwatch.rules.transform_order.rule import RULE as transform_order
from gpuwatch.views.verdict_text import headline, reason


def ids(profile: object) -> list[str]:
    return [finding.id for finding in judge(profile, RULES).findings]  # type: ignore[arg-type]


def test_a_resize_is_moved_rather_than_the_crop_after_it() -> None:
    rotate = make_operation("RandomRotation", share=0.5, position=0, pixels_in=12e6, pixels_out=12e6)
    resize = make_operation("Resize", share=0.2, position=1, pixels_in=12e6, pixels_out=256.0 * 256)
    crop = make_operation("RandomCrop", share=0.01, position=2, pixels_in=256.0 * 256, pixels_out=64.0 * 64)
    found = transform_order.evaluate(with_operations(rotate, resize, crop))
    assert isinstance(found, Finding) and found.advice == "Put Resize before RandomRotation."


def test_a_scaled_decode_keeps_twice_the_size_used_where_it_can() -> None:
    photo = make_operation("decode", kind="decode", share=0.5, position=0, pixels_out=3e6, bytes_in=9e5)
    resize = make_operation("Resize", share=0.3, position=1, pixels_in=3e6, pixels_out=258.0 * 258)
    assert usable_scale(photo, resize) == 2
    assert usable_scale(replace(photo, pixels_out=12e6), resize) == 4
    assert usable_scale(replace(photo, pixels_out=300e3), resize) == 2
    assert usable_scale(replace(photo, pixels_out=200e3), resize) == 1


def test_files_of_many_bytes_gain_less_from_a_scaled_decode() -> None:
    small = make_operation("decode", kind="decode", pixels_out=1e6, bytes_in=1e5)
    assert entropy_share(small) < entropy_share(replace(small, bytes_in=6e5)) < 1


def test_a_picture_used_as_it_is_stored_is_not_to_be_stored_smaller() -> None:
    whole = make_operation("PIL.PngImageFile.load", kind="decode", share=0.7, position=0, pixels_out=1e6)
    used = expensive_decode.evaluate(with_operations(whole))
    assert isinstance(used, Finding) and used.advice.startswith("Keep what is decoded")
    shrink = make_operation("Resize", share=0.1, position=1, pixels_in=1e6, pixels_out=2e5)
    shrunk = expensive_decode.evaluate(with_operations(whole, shrink))
    assert isinstance(shrunk, Finding) and shrunk.advice.startswith("Store the images at the size")


def test_the_order_is_blamed_where_the_dataset_calls_its_own_transform() -> None:
    own = make_operation("Haze", share=0.6, position=0, pixels_in=1e6, pixels_out=1e6, where=Place("/d.py", 20, "Haze"))
    resize = make_operation("Resize", share=0.1, position=1, pixels_in=1e6, pixels_out=5e4)
    stack = (Place("/d.py", 56, "Fields.__getitem__"), Place("/d.py", 24, "Haze.__call__"))
    line = make_hot_line(file="/d.py", line=24, function="Haze.__call__", stack=stack)
    found = transform_order.evaluate(with_operations(own, resize, hot_lines=(line,)))
    assert isinstance(found, Finding) and found.where == Place("/d.py", 56, "Fields.__getitem__")
    composed = replace(line, stack=(Place("/d.py", 9, "Compose.__call__"), Place("/d.py", 24, "Haze.__call__")))
    found = transform_order.evaluate(with_operations(own, resize, hot_lines=(composed,)))
    assert isinstance(found, Finding) and found.where == Place("/d.py", 20, "Haze")


def test_a_share_that_another_run_would_put_on_the_other_side_is_borderline() -> None:
    assert above(Interval(0.104, 0.103, 0.106, 90), 0.10) == "borderline"
    assert above(Interval(0.097, 0.096, 0.0985, 90), 0.10) == "borderline"
    assert (
        above(Interval(0.12, 0.115, 0.125, 90), 0.10) == "yes" and above(Interval(0.08, 0.07, 0.085, 90), 0.10) == "no"
    )


def test_waiting_for_later_epochs_is_said_beside_the_steps() -> None:
    profile = epochs(5, 1.0, 20)
    assert "4 later epochs wait 1.0 s each for their first batch" in reason(judge(profile, RULES).verdict)


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


@pytest.mark.parametrize(("delay", "waits_for_core"), [(0.3, True), (0.01, False), (None, False)])
def test_a_wait_with_batches_ready_is_for_a_core_where_the_thread_had_none(
    delay: float | None, waits_for_core: bool
) -> None:
    ready = QueueProfile(ready_share=1.0, mean_ready=4.0, late_share=0.0, unmade_share=0.02)
    profile = run_of(
        30.0,
        10.0,
        fetch={"busy_share": 0.05, "bytes_per_batch": 1e4},
        loader={"queue": ready},
        ranks=(make_rank(run_queue_delay_share=delay),),
    )
    judged = judge(profile, RULES)
    assert (judged.verdict.bound != "input") == waits_for_core
    assert not (waits_for_core and judged.findings)


def test_the_verdict_follows_the_wait_for_a_sampler_though_batches_are_ready() -> None:
    judged = judge(sampler_run(), RULES)
    assert judged.verdict.bound == "input" and [found.id for found in judged.findings] == ["slow-sampler"]
    free = judged.verdict.speedup_if_input_free
    assert free is not None and free.predicted == pytest.approx(3.0, abs=0.1)
    assert headline(judged.verdict) == "Input-bound: 67% of the training loop is spent waiting for data"


def test_workers_win_nothing_where_the_sampler_is_all_that_is_waited_for() -> None:
    assert [found.id for found in judge(sampler_run(workers=0), RULES).findings] == ["slow-sampler"]


def test_the_steps_of_workers_that_deliver_together_are_no_pause() -> None:
    pauses = long_steps(period=4.0, count=50, cause="unknown", where=None)
    profile = run_of(8.0, 10.0, 4, ranks=(replace(make_rank(), long_steps=pauses),))
    assert "periodic-pause" not in ids(profile)
    drawing = replace(WORK_LINE, activity="long step")
    assert "periodic-pause" in ids(replace(profile, hot_lines=(drawing,), stacks=SAMPLED))
    assert "periodic-pause" in ids(
        replace(profile, ranks=(replace(make_rank(), long_steps=replace(pauses, period=5.0)),))
    )


def test_persistent_workers_are_never_advised_where_they_are_set() -> None:
    for changes in ({}, {"attributes": {"remade": True}}):
        profile = epochs(5, 1.0, 20, persistent=True, worker_starts=5, **changes)
        (found,) = [found for found in judge(profile, RULES).findings if found.id == "worker-restart"]
        assert "persistent_workers=True is set" in found.advice and found.verify is None


def test_advice_that_wins_nothing_is_not_given() -> None:
    profile = run_of(30.0, 10.0, 2, loader={"operations": (COLLATE,)}, fetch={"bytes_per_batch": 1e4}, cores=2.0)
    costs = profile.costs
    assert costs is not None and "expensive-collate" in ids(profile)
    hidden = replace(profile, costs=replace(costs, step_ms=costs.device_ms, work_ms=1.0, work_cpu_ms=1.0))
    assert "expensive-collate" not in ids(hidden)
