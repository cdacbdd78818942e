"""What a run's stamps say of its pace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.benchmarks.wild import pace

MS = 1_000_000


def training(steps: int = 12, number: int = 0, begins: int = 0, workers: int = 0) -> list[list[object]]:
    """Return a pass in which each batch is asked for 30 ms and used for 70 ms, the first one asked for after 500 ms."""
    events: list[list[object]] = [["i", number, workers, begins]]
    time = begins + 500 * MS
    for _ in range(steps):
        events.append(["b", number, time, time + 30 * MS])
        events.append(["k", time + 60 * MS])
        events.append(["o", time + 90 * MS])
        time += 100 * MS
    return [*events, ["e", number, time]]


def evaluation(number: int, begins: int, batches: int = 5) -> list[list[object]]:
    given = [["b", number, begins + at * MS, begins + at * MS] for at in range(batches)]
    return [["i", number, 0, begins], *given, ["e", number, begins + batches * MS]]


def test_a_step_goes_from_batch_to_batch_and_the_loop_from_the_iterators_making() -> None:
    found = pace.of_events(training(), "batches", began_ns=-2000 * MS)
    assert found is not None
    assert (found.steps, found.batches, found.workers, found.training) == (12, 12, 0, (0,))
    assert found.step_s == pytest.approx(0.1)
    assert found.wait_share == pytest.approx(0.3)
    assert found.loop_s == pytest.approx(1.7)
    assert found.epoch_s == (pytest.approx(1.7),)
    assert found.start_s == pytest.approx(2.0)


def test_an_iterator_without_updates_between_its_batches_does_not_train() -> None:
    events = training() + evaluation(1, 2000 * MS) + training(number=2, begins=4000 * MS) + evaluation(3, 6000 * MS)
    found = pace.of_events(events, "batches")
    assert found is not None and found.training == (0, 2)
    assert found.loop_s == pytest.approx(4.0 + 1.7)


def test_what_another_iterator_lies_in_is_no_step() -> None:
    events = training(steps=30)
    in_between = events[-30][-1]
    slow = [[kind, *[time + 3000 * MS if time > in_between else time for time in rest]] for kind, *rest in events[1:]]
    with_evaluation = [events[0], *slow, *evaluation(1, in_between + 1000 * MS)]
    found = pace.of_events(with_evaluation, "batches")
    assert found is not None and found.step_s == pytest.approx(0.1)


def test_batches_that_workers_made_ahead_are_left_out() -> None:
    events = training(steps=30, workers=2)
    events = [["b", 0, event[2], event[2]] if event[0] == "b" and at < 13 else event for at, event in enumerate(events)]
    found = pace.of_events(events, "batches")
    assert found is not None and found.wait_share == pytest.approx(0.3)


def test_backward_passes_count_where_no_torch_optimizer_steps() -> None:
    found = pace.of_events([event for event in training() if event[0] != "o"], "batches")
    assert found is not None and found.training == (0,)


def test_steps_set_the_pace_without_a_loader() -> None:
    found = pace.of_events([["o", at * 50 * MS] for at in range(20)], "steps")
    assert found is not None
    assert (found.steps, found.step_s, found.wait_share) == (20, pytest.approx(0.05), None)


def test_the_process_that_trained_is_read_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    for name, steps in (("1", 3), ("2", 9)):
        text = "\n".join(json.dumps(event) for event in training(steps))
        (tmp_path / f"{name}.jsonl").write_text(f'{text}\n["o", 12')
    found = pace.read(tmp_path, "batches")
    assert found is not None and found.steps == 9
    assert pace.read(tmp_path / "nothing", "batches") is None


def test_a_loader_alone_is_paced_by_its_batches(tmp_path: Path) -> None:
    batches = [["b", 4, at * 20 * MS, (at + 1) * 20 * MS] for at in range(10)]
    (tmp_path / "1.jsonl").write_text("\n".join(map(json.dumps, [["i", 4, 1, 0], *batches])))
    found = pace.read(tmp_path, "batches", alone=4)
    assert found is not None and found.step_s == pytest.approx(0.02)
