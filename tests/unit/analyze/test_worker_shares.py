"""What each worker of a loader did, from the events that they write of their epochs."""

from __future__ import annotations

from typing import Any

import pytest

from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.worker_profile import CpuMasks, WorkersProfile
from tests.spools import MS, FakeRun, primary_of, report_of

ITERABLE = {"dataset_kind": "iterable"}


def _digests(start: int, varied: int = 1, labels: int | None = None) -> list[list[Any]]:
    """Return the digests of three batches; of the same `start`, the same."""
    return [
        [batch, start + batch * varied, varied, None if labels is None else labels + batch, int(labels is not None)]
        for batch in (1, 2, 3)
    ]


def _train(
    run: FakeRun, workers: list[dict[str, Any]], epochs: int = 1, persistent: bool = True, **attributes: Any
) -> None:
    trainer = run.trainer()
    makers = {}
    for epoch in range(epochs):
        pids = [(n, 200 + n + (0 if persistent else 10 * epoch)) for n in range(len(workers))]
        for number, pid in pids:
            if pid not in makers:
                makers[pid] = run.worker(pid, number, at=trainer.now)
        total = sum(worker["batches"] for worker in workers)
        trainer.loop(batches=total, wait_ms=4, compute_ms=6, workers=pids, make_ms=1, **attributes)
        for number, pid in pids:
            values = {"exhausted": trainer.now, "rss_begin": 100, "rss_end": 160} | workers[number]
            makers[pid].add(
                "worker_epoch", t=trainer.now, worker=number, epoch=epoch, t0=trainer.now - 900 * MS, **values
            )


def loader_of(run: FakeRun) -> LoaderProfile:
    loader = primary_of(report_of(run))
    assert loader is not None
    return loader


def _seen(run: FakeRun) -> WorkersProfile:
    seen = loader_of(run).workers_seen
    assert seen is not None
    return seen


def test_workers_of_one_stream_hand_over_the_same(run: FakeRun) -> None:
    _train(run, [{"batches": 20, "digests": _digests(7)}] * 3, epochs=2, **ITERABLE)
    seen = _seen(run)
    assert (seen.passes_over, seen.passes_basis, seen.same_workers, seen.splits) == (3.0, "content", 3, False)
    assert (seen.compared, seen.same) == (18, 18)
    assert (seen.batches, seen.at_work, seen.epochs, seen.ended) == ((20, 20, 20), 3.0, 2, 2)
    assert seen.rss_growth_bytes == 60


def test_content_that_never_changes_says_nothing_but_the_count_does(run: FakeRun) -> None:
    _train(run, [{"batches": 20, "digests": _digests(7, varied=0)}] * 2, **ITERABLE)
    seen = _seen(run)
    assert (seen.compared, seen.passes_over, seen.passes_basis) == (0, 2.0, "count")


def test_equal_counts_of_workers_that_know_who_they_are_say_nothing(run: FakeRun) -> None:
    _train(run, [{"batches": 20, "digests": _digests(7, varied=0)}] * 2, worker_init=True, **ITERABLE)
    assert _seen(run).passes_over is None and _seen(run).splits is None


def test_a_worker_that_asked_takes_a_part(run: FakeRun) -> None:
    _train(run, [{"batches": 20, "digests": _digests(7)}, {"batches": 20, "digests": _digests(9)}], **ITERABLE)
    run.logs[1].add("meta", t=run.logs[1].now, key="worker_info", value=["/home/me/data.py", 9, "__iter__"])
    seen = _seen(run)
    assert (seen.asks, seen.splits, seen.passes_over) == (True, True, None)
    assert seen.asked_where is not None and seen.asked_where.line == 9


def test_other_content_in_each_worker_may_be_the_same_in_another_order(run: FakeRun) -> None:
    _train(run, [{"batches": 20, "digests": _digests(7)}, {"batches": 20, "digests": _digests(90)}], **ITERABLE)
    assert (_seen(run).splits, _seen(run).passes_over) == (None, None)


def test_labels_are_compared_where_augmentation_makes_the_rest_differ(run: FakeRun) -> None:
    workers = [{"batches": 20, "digests": _digests(start, labels=500)} for start in (7, 90)]
    _train(run, workers, **ITERABLE)
    assert (_seen(run).passes_over, _seen(run).passes_basis) == (2.0, "labels")


def test_equal_labels_of_workers_that_asked_are_chance(run: FakeRun) -> None:
    workers = [{"batches": 20, "digests": _digests(start, labels=500)} for start in (7, 90)]
    _train(run, workers, **ITERABLE)
    run.logs[1].add("meta", t=run.logs[1].now, key="worker_info", value=["/home/me/data.py", 9, "__iter__"])
    assert _seen(run).passes_over is None


def test_each_worker_delivers_what_the_dataset_says_it_has(run: FakeRun) -> None:
    workers = [{"batches": 20, "digests": _digests(start)} for start in (7, 90)]
    _train(run, workers, length_said=158, **ITERABLE)
    assert (_seen(run).passes_over, _seen(run).passes_basis) == (2.0, "length")


def test_a_dataset_with_indices_is_never_said_to_repeat(run: FakeRun) -> None:
    _train(run, [{"batches": 20, "digests": _digests(7)}] * 2, dataset_kind="map")
    assert _seen(run).passes_over is None and _seen(run).splits is None


def test_workers_that_have_nothing_to_read(run: FakeRun) -> None:
    _train(run, [{"batches": 40}, {"batches": 0}, {"batches": 20}], **ITERABLE)
    assert (_seen(run).batches, _seen(run).at_work) == ((40, 0, 20), 1.5)


def test_workers_that_were_killed_say_nothing_of_their_shares(run: FakeRun) -> None:
    row = {"exhausted": None, "last": 0, "digests": _digests(7)}
    _train(run, [{"batches": 65} | row, {"batches": 9} | row], **ITERABLE)
    assert (_seen(run).at_work, _seen(run).ended, _seen(run).passes_over) == (None, 0, 2.0)


def test_the_last_event_of_an_epoch_counts(run: FakeRun) -> None:
    _train(run, [{"batches": 20}, {"batches": 20}], **ITERABLE)
    maker = run.logs[1]
    maker.rows.insert(1, ["worker_epoch", maker.now, 0, 0, maker.now, None, 9, 1, 1, [], [], 0])
    assert (_seen(run).batches, _seen(run).epochs) == ((20, 20), 1)


def test_what_is_kept_is_counted_over_all_workers_and_epochs(run: FakeRun) -> None:
    kept = {"batches": 10, "kept": [["Tiles.kept", "dict", 0, 80], ["Tiles.log", "list", 0, 200]]}
    _train(run, [kept, kept], epochs=3, persistent=False, dataset_kind="map")
    seen = _seen(run)
    assert (seen.processes, seen.epochs) == (6, 3)
    assert seen.kept is not None
    assert (seen.kept.name, seen.kept.kind, seen.kept.grown, seen.kept.epochs) == ("Tiles.kept", "dict", 160, 3)


def test_a_recording_of_before_says_nothing_of_its_workers(run: FakeRun) -> None:
    trainer = run.trainer()
    run.worker(201, 0)
    trainer.loop(batches=40, workers=[(0, 201)])
    assert loader_of(run).workers_seen is None


def _passes(run: FakeRun, *lengths: int, **more: Any) -> LoaderProfile:
    trainer = run.trainer()
    for length in lengths:
        trainer.loop(batches=length, **more)
    return loader_of(run)


def test_passes_that_came_to_their_end_have_a_length(run: FakeRun) -> None:
    found = _passes(run, 40, 30, 40)
    assert (found.whole_passes, found.whole_passes_unit) == ((40, 30, 40), "batches")


def test_a_pass_that_was_left_has_none(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.loop(batches=40)
    number = trainer.iterate()
    for index in range(9):
        trainer.ask(number, index, 5).step(10)
    assert loader_of(run).whole_passes == (40,)


def _masks(run: FakeRun) -> CpuMasks | None:
    return report_of(run).machine.masks


def _masked(run: FakeRun, trainer_cpus: list[int], *workers: tuple[list[int], list[int]]) -> None:
    trainer = run.trainer()
    trainer.add("cpus", t=trainer.now, moment="start", cpus=trainer_cpus, pid=trainer.pid)
    trainer.add("meta", t=trainer.now, key="cpu_count", value=4)
    pids = [(number, 201 + number) for number in range(len(workers))]
    makers = [run.worker(pid, number, at=trainer.now) for number, pid in pids]
    trainer.loop(batches=40, workers=pids, make_ms=1)
    for maker, (begun, ended) in zip(makers, workers, strict=True):
        maker.add("cpus", t=maker.now, moment="worker", cpus=begun, pid=maker.pid)
        maker.add(
            "cpus", t=maker.now, moment="set", cpus=ended, pid=maker.pid, file="/home/me/d.py", line=5, function="f"
        )


def _sampler(run: FakeRun, given: list[int], allowed: list[int], busy: list[float]) -> None:
    sampler = run.sampler()
    for key, value in (("cpus", given), ("allowed_cpus", allowed)):
        sampler.add("meta", t=sampler.now, key=key, value=value)
    for _ in range(10):
        sampler.pass_ms(50).add("cpu", t=sampler.now, busy=busy)


def test_workers_on_fewer_cores_than_the_trainer_were_narrowed_inside(run: FakeRun) -> None:
    _masked(run, [0, 1, 2, 3], ([0, 1, 2, 3], [0]), ([0, 1, 2, 3], [0]))
    _sampler(run, [0, 1, 2, 3], [0, 1, 2, 3], [1.0, 0.25, 0.0, 0.0])
    masks = _masks(run)
    assert masks is not None
    assert (masks.narrowed_by, masks.workers, masks.trainer) == ("worker", 1, 4)
    assert masks.set_where is not None and masks.set_where.line == 5
    assert masks.used_inside == 1.0 and masks.idle_outside == pytest.approx(2.75)


def test_workers_on_a_core_each_are_not_narrow_together(run: FakeRun) -> None:
    _masked(run, [0, 1], ([0, 1], [0]), ([0, 1], [1]))
    _sampler(run, [0, 1], [0, 1], [0.5, 0.5])
    assert (masks := _masks(run)) is not None and masks.workers == 2 and masks.narrowed_by == "cpuset"


@pytest.mark.parametrize(
    ("started", "given", "allowed", "by"),
    [
        ([0], [0, 1, 2, 3], [0, 1, 2, 3], "command"),
        ([0], [0], [0, 1, 2, 3], "launcher"),
        ([0], [0], [0], "cpuset"),
        ([0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3], None),
    ],
)
def test_who_narrowed_the_training(
    run: FakeRun, started: list[int], given: list[int], allowed: list[int], by: str | None
) -> None:
    _masked(run, started, (started, started))
    _sampler(run, given, allowed, [1.0, 0.0, 0.0, 0.0])
    assert (masks := _masks(run)) is not None and masks.narrowed_by == by
    assert masks.set_where is None


def test_a_mask_that_the_training_sets_for_itself(run: FakeRun) -> None:
    _masked(run, [0, 1, 2, 3], ([0], [0]))
    trainer = run.logs[0]
    trainer.add(
        "cpus", t=trainer.now, moment="set", cpus=[0], pid=trainer.pid, file="/home/me/t.py", line=3, function="m"
    )
    _sampler(run, [0, 1, 2, 3], [0, 1, 2, 3], [1.0, 0.0, 0.0, 0.0])
    assert (masks := _masks(run)) is not None and masks.narrowed_by == "trainer"
    assert masks.set_where is not None and masks.set_where.line == 3
