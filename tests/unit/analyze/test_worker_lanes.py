"""What the timeline says of each loader worker: its work, its CPU, the batch in hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpuwatch.build_report import build
from gpuwatch.model.timeline import Lane
from gpuwatch.store.reader import read
from tests.spools import MS, SECOND, START, FakeRun

WORKERS = [(0, 200), (1, 201)]


def lanes(
    path: Path, handed: int, made: tuple[int, int], end: bool = False, again: bool = False, **attributes: object
) -> list[Lane]:
    """Return the lanes of a run that goes on: `handed` batches taken, and the last batch that each worker made."""
    run = FakeRun(path)
    trainer = run.trainer()
    iterator = trainer.iterate(workers=WORKERS, **attributes)
    for number, pid in WORKERS:
        worker = run.worker(pid, number, at=START + 10 * MS)
        for index in range(number, made[number] + 1, 2):
            worker.fetch(index, 5.0, 2.0)
    for index in range(handed):
        trainer.ask(iterator, index, 5.0)
        trainer.step(3.0)
    if end:
        trainer.ask(iterator, handed, 1.0, end=1)
    if again:
        trainer.ask(trainer.iterate(workers=WORKERS, **attributes), 0, 5.0)
    sampler = run.sampler()
    for second in range(4):
        for _, pid in WORKERS:
            told = {"t": START + second * SECOND, "pid": pid, "ppid": 100, "role": "tree", "cpu_ns": second * 900 * MS}
            sampler.add("process", **told)
    recording = read(run.write(ended=False))
    report = build(replace(recording, run=replace(recording.run, state="running")))
    assert report.timeline
    return list(report.timeline.lanes)


def notes(found: list[Lane]) -> list[str]:
    return [lane.note for lane in found if lane.name.startswith("worker ")]


def test_a_worker_makes_the_next_number_that_was_given_out(tmp_path: Path) -> None:
    # Ten handed over, two workers and a prefetch of two: numbers up to 9 + 4 were given out.
    assert notes(lanes(tmp_path, 10, (10, 13))) == ["batch 12", "waits"]


def test_before_its_first_batch_of_an_epoch_a_worker_makes_its_own_number(tmp_path: Path) -> None:
    assert notes(lanes(tmp_path, 10, (8, 9), end=True, again=True)) == ["batch 0", "batch 1"]


@pytest.mark.parametrize(
    ("length", "drop_last", "last"), [(44, False, "batch 10"), (44, True, "batch 10"), (43, True, "waits")]
)
def test_nothing_is_given_out_after_the_end(tmp_path: Path, length: int, drop_last: bool, last: str) -> None:
    assert notes(lanes(tmp_path, 9, (8, 9), length=length, batch_size=4, drop_last=drop_last)) == [last, "waits"]


def test_between_loops_and_where_numbers_have_no_order(tmp_path: Path) -> None:
    assert notes(lanes(tmp_path / "a", 10, (8, 9), end=True)) == ["waits"] * 2
    assert notes(lanes(tmp_path / "b", 10, (8, 9), in_order=False)) == ["", ""]


def test_a_worker_has_its_cpu(tmp_path: Path) -> None:
    told = [lane for lane in lanes(tmp_path, 10, (8, 9)) if lane.name == "process CPU"]
    assert [lane.group for lane in told] == ["rank 0 worker 0", "rank 0 worker 1"]
    assert told[0].values == pytest.approx((0.9, 0.9, 0.9)) and told[0].t_s == pytest.approx((1.0, 2.0, 3.0))
