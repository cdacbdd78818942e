"""Steps, fetches, queue and operations of a loader, against recordings whose numbers are known."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from gpuwatch.analyze.numbers.statistics import block_length, median_interval, percentiles, period, ratio_interval
from gpuwatch.diagnosis.evidence import splits_its_data, waited_share
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.views.card import prepare
from gpuwatch.words.units import percent
from tests.spools import MS, SECOND, START, FakeRun, primary_of, report_of

SITE = "/v/lib/python3.11/site-packages"
WORKERS = ((0, 201), (1, 202))


def loader_of(run: FakeRun) -> LoaderProfile:
    primary = primary_of(report_of(run))
    assert primary is not None
    return primary


def test_a_step_is_waiting_and_computing(run: FakeRun) -> None:
    run.trainer().loop(batches=100, wait_ms=5, compute_ms=15, first_ms=900, workers=WORKERS, make_ms=100)
    loader = loader_of(run)
    assert loader.step_ms is not None and loader.wait_ms is not None and loader.compute_ms is not None
    assert (loader.step_ms.median, loader.wait_ms.median, loader.compute_ms.median) == pytest.approx((20, 5, 15))
    assert loader.wait_share is not None
    assert loader.wait_share.median == pytest.approx(0.25)
    assert loader.steps == 100 - 1 - 4
    assert loader.batches == 100
    assert loader.steps_per_s == pytest.approx(50)
    assert loader.samples_per_s == pytest.approx(400)
    assert loader.startup_s == loader.first_batch_s == (1.0,)
    assert loader.wait_clock == "host"
    assert loader.gpu_wait_ms is None


def test_bursts_are_told_by_their_mean(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate(workers=[(n, 300 + n) for n in range(4)])
    for index in range(80):
        trainer.ask(number, index, 40.0 if index % 4 == 0 else 0.0).step(5)
    loader = loader_of(run)
    assert loader.wait_share is not None
    assert loader.wait_share.median == pytest.approx(2 / 3, abs=0.02)
    assert loader.wait_share.high - loader.wait_share.low < 0.05


def test_later_epochs_keep_their_start_apart(run: FakeRun) -> None:
    trainer = run.trainer()
    for _ in range(3):
        trainer.loop(batches=20, wait_ms=1, compute_ms=9, first_ms=300, make_ms=50, workers=WORKERS)
    loader = loader_of(run)
    assert loader.iterators == 3
    assert loader.epoch_batches == 20
    assert loader.first_batch_s == pytest.approx((0.35, 0.35, 0.35))
    assert loader.wait_ms is not None
    assert loader.wait_ms.median == pytest.approx(1.0)


def test_three_steps_are_told_as_three_steps(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(4):
        trainer.ask(number, index, 1.0).step(9)
    loader = loader_of(run)
    assert loader.steps == 2
    assert loader.step_ms is not None
    assert loader.step_ms.median == pytest.approx(10)


def test_one_batch_has_no_step(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.ask(trainer.iterate(), 0, 1.0).step(9)
    loader = loader_of(run)
    assert (loader.steps, loader.batches) == (0, 1)
    assert loader.step_ms is None and loader.wait_share is None and loader.fetch is None


def test_gpu_waits_speak_when_most_steps_have_one(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.loop(batches=50, wait_ms=5, compute_ms=5)
    for index in range(1, 50):
        trainer.add("gpu_wait", iterator=1, index=index, wait_ms=2.0, work_ms=8.0)
    loader = loader_of(run)
    assert loader.wait_clock == "cuda"
    assert loader.wait_share is not None and loader.gpu_wait_ms is not None
    assert loader.wait_share.median == pytest.approx(0.2)
    assert loader.gpu_wait_ms.median == pytest.approx(2.0)
    assert loader.wait_ms is not None
    assert loader.wait_ms.median == pytest.approx(5.0)


def test_a_loader_made_anew_each_epoch_is_one(run: FakeRun) -> None:
    trainer = run.trainer()
    for number in range(5):
        trainer.loop(batches=10, loader=number, line=30)
    assert [loader.iterators for loader in report_of(run).loaders] == [5]


@pytest.mark.parametrize("asked_at", [[30, 30, 30], [30, 31, 32]])
def test_a_loader_made_at_one_line_each_epoch_is_one_that_was_remade(run: FakeRun, asked_at: list[int]) -> None:
    trainer = run.trainer()
    for number, line in enumerate(asked_at):
        trainer.loop(batches=10, loader=number, line=line, made_line=12)
    (loader,) = report_of(run).loaders
    assert (loader.iterators, loader.attributes["remade"]) == (3, True)


def test_a_loader_that_is_kept_was_not_remade(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.loop(batches=10, made_line=12).loop(batches=10, made_line=12)
    (loader,) = report_of(run).loaders
    assert (loader.iterators, "remade" in loader.attributes) == (2, False)


def test_loaders_that_are_zipped_are_two_even_of_one_line(run: FakeRun) -> None:
    trainer = run.trainer()
    for epoch in range(3):
        pair = [trainer.iterate(loader=2 * epoch + n, line=30, made_line=12, length=None) for n in range(2)]
        for index in range(20):
            for iterator in pair:
                trainer.ask(iterator, index, 3)
            trainer.step(10)
        trainer.ask(pair[0], 20, 0.0, end=1)
    loaders = report_of(run).loaders
    assert [(loader.iterators, loader.batches) for loader in loaders] == [(3, 60), (3, 60)]


def with_workers(run: FakeRun, **fetch: object) -> None:
    """A loop of 100 steps of 15 ms, two workers that fetch for 20 ms and wait for 10 ms."""
    trainer = run.trainer()
    begun = trainer.now
    makers = [run.worker(pid, number, at=begun + MS) for number, pid in WORKERS]
    trainer.loop(batches=100, wait_ms=5, compute_ms=10, first_ms=25, workers=WORKERS, make_ms=2)
    for index in range(100):
        makers[index % 2].fetch(index, 20, idle_ms=10, **fetch)


def test_a_loader_is_where_it_was_constructed_else_where_it_was_iterated(run: FakeRun) -> None:
    trainer = run.trainer()
    for loader, made_line in enumerate([12, 15, None], 1):  # a helper loops over all three
        trainer.loop(batches=20, loader=loader, made_line=made_line)
    places = [loader.created_where for loader in report_of(run).loaders]
    assert [place and (place.file, place.line) for place in places] == [
        ("/home/me/data.py", 12), ("/home/me/data.py", 15), ("/home/me/train.py", 40),
    ]  # fmt: skip


def test_a_fetch_is_cpu_delay_and_blocked(run: FakeRun) -> None:
    with_workers(run, cpu_ns=12 * MS, delay_ns=3 * MS, process_cpu_ns=14 * MS, collate_ns=MS, read_bytes=1000)
    fetch = loader_of(run).fetch
    assert fetch is not None
    assert fetch.n == 98
    assert fetch.wall_ms.median == fetch.mean_wall_ms == fetch.max_wall_ms == 20
    assert (fetch.cpu_ms, fetch.delay_ms, fetch.process_cpu_ms, fetch.blocked_ms) == (12, 3, 14, 5)
    assert (fetch.collate_ms, fetch.index_wait_ms, fetch.serialise_ms) == (1, 10, 1)
    assert (fetch.bytes_per_batch, fetch.tensors_per_batch, fetch.float_bytes_share) == (4100, 2, 1)
    assert fetch.read_bytes_per_batch == 1000
    assert fetch.rchar_per_batch is None and fetch.gc_ms is None
    assert fetch.busy_share == pytest.approx(2 / 3, abs=0.02)


def test_delay_unknown_leaves_blocked_unknown(run: FakeRun) -> None:
    with_workers(run, delay_ns=None)
    fetch = loader_of(run).fetch
    assert fetch is not None
    assert fetch.delay_ms is None and fetch.blocked_ms is None


def test_a_pid_given_to_a_later_worker_is_not_mixed_up(run: FakeRun) -> None:
    trainer = run.trainer()
    for epoch, wall in enumerate((10.0, 30.0)):
        maker = run.worker(201, 0, at=trainer.now + MS)
        trainer.loop(
            batches=40,
            wait_ms=2,
            compute_ms=wall,
            train=True,
            workers=[(0, 201)],
            loader=epoch,
            line=30 + epoch,
            make_ms=2,
        )
        for index in range(40):
            maker.fetch(index, wall)
        maker.add("worker_end", t=maker.now, worker=0, batches=40)
    fetches = [loader.fetch for loader in report_of(run).loaders]
    assert [fetch.wall_ms.median for fetch in fetches if fetch] == [10, 30]


def test_the_trainers_own_fetches_go_to_the_loader_that_waited(run: FakeRun) -> None:
    trainer = run.trainer()
    for loader, wall in ((1, 5.0), (2, 8.0)):
        number = trainer.iterate(loader=loader, line=loader)
        for index in range(20):
            t0 = trainer.now
            trainer.ask(number, index, wall + 1).step(3, train=loader == 1)
            trainer.add("fetch", worker=-1, index=index, t0=t0, t1=t0 + int(wall * MS), cpu_ns=MS, samples=8)
    report = report_of(run)
    assert [loader.fetch.wall_ms.median for loader in report.loaders if loader.fetch] == [5, 8]
    assert all(loader.fetch.busy_share is None for loader in report.loaders if loader.fetch)


def test_operations_sum_to_the_whole_and_the_rest_is_the_datasets(run: FakeRun) -> None:
    rows = [[0, 8, 10 * MS, 8_000_000, 8_000_000, 80_000], [1, 8, 4 * MS, 8_000_000, 400_000, None]]
    with_workers(run, operations=rows, collate_ns=2 * MS)
    for log in run.logs[1:]:
        log.add("op", op=0, kind="decode", name="Image.load", file="a.py", line=3, function="f", position=0)
        log.add("op", op=1, kind="transform", name="Resize", file="a.py", line=4, position=9)
        log.add("op", op=1, kind="transform", name="Resize", file="a.py", line=4, position=1)
    found = {operation.name: operation for operation in loader_of(run).operations}
    assert {name: operation.kind for name, operation in found.items()} == {
        "Image.load": "decode",
        "Resize": "transform",
        "Photos.__getitem__": "dataset",
        "collate": "collate",
        "serialise": "serialise",
    }
    shares = [operation.share * 21 for operation in found.values()]
    assert shares == pytest.approx([10, 4, 4, 2, 1])
    resize = found["Resize"]
    assert (resize.position, resize.pixels_in, resize.pixels_out, resize.bytes_in) == (1, 1_000_000, 50_000, None)
    assert resize.ms_per_sample == pytest.approx(0.5)
    assert found["Image.load"].where is not None and found["Image.load"].where.line == 3


def late_run(run: FakeRun, slow: bool) -> None:
    """Two workers; in the slow case every batch of worker 0 is late while worker 1's next lies ready."""
    trainer = run.trainer()
    makers = [run.worker(pid, number, at=trainer.now + MS) for number, pid in WORKERS]
    number = trainer.iterate(workers=WORKERS, make_ms=2)
    for index in range(60):
        t0 = trainer.now
        wait = 20.0 if index % 2 == 0 else 0.0
        trainer.ask(number, index, wait, available=int(wait == 0), awaited=index % 2, ready=index % 2).step(5)
        done = t0 + int((wait - 1) * MS)
        early = t0 + int((1 if slow else wait - 2) * MS)
        if index % 2 == 0:
            makers[0].add("send", worker=0, index=index, t0=done - MS, t1=done)
            makers[1].add("send", worker=1, index=index + 1, t0=early - MS, t1=early)
        makers[index % 2].fetch(1000 + index, 1)


def test_a_late_batch_holds_ready_ones_back(run: FakeRun) -> None:
    late_run(run, slow=True)
    queue = loader_of(run).queue
    assert queue is not None
    assert queue.late_share == pytest.approx(0.95, abs=0.02)
    assert queue.ready_share == pytest.approx(0.5, abs=0.02)
    assert queue.awaited_skew == 1.0


def test_batches_that_come_together_hold_nothing_back(run: FakeRun) -> None:
    late_run(run, slow=False)
    queue = loader_of(run).queue
    assert queue is not None
    assert queue.late_share == pytest.approx(0.1, abs=0.02)


def test_regular_checkpoints_are_long_steps_with_period_and_line(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(200):
        trainer.ask(number, index, 1.0).step(10)
        if index % 25 == 24:
            begun = trainer.now
            trainer.do("other", 80)
            trainer.add(
                "span", name="checkpoint", t0=begun, t1=trainer.now, file="/home/me/train.py", line=77, function="main"
            )
    trainer.ask(number, 200, 0, end=1)
    long = report_of(run).ranks[0].long_steps
    assert long is not None
    assert (long.count, long.period, long.regular, long.cause) == (7, 25, True, "checkpoint")
    assert long.excess_s == pytest.approx(0.56)
    assert long.median_ms == pytest.approx(10)
    assert long.where is not None and long.where.line == 77


def test_evaluation_inside_the_loop_is_called_so(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(100):
        trainer.ask(number, index, 1.0).step(10)
        if index % 20 == 19:
            trainer.loop(batches=5, wait_ms=2, compute_ms=10, train=False, loader=2, line=50)
    long = report_of(run).ranks[0].long_steps
    assert long is not None
    assert (long.count, long.cause, long.regular) == (4, "evaluation", True)


def test_even_steps_have_no_long_ones(run: FakeRun) -> None:
    noise, trainer = Random(1), run.trainer()
    number = trainer.iterate()
    for index in range(200):
        trainer.ask(number, index, 1.0).step(noise.gauss(10, 0.5))
    assert report_of(run).ranks[0].long_steps is None


def test_only_the_loops_collections_count(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.activity = {"gc_ns": 900 * MS, "gc_n": 50}
    number = trainer.iterate()
    for index in range(20):
        trainer.ask(number, index, 1.0).step(10)
        trainer.activity |= {"gc_ns": MS, "gc_n": 1}
    rank = report_of(run).ranks[0]
    assert (rank.gc_seconds, rank.gc_collections) == (pytest.approx(0.019), 19)


def test_intervals_hold_the_truth_and_are_the_same_each_time() -> None:
    noise = np.random.default_rng(3)
    wait, step = noise.exponential(2.0, 500), np.full(500, 10.0)
    interval = ratio_interval(wait, step, group=4)
    assert interval == ratio_interval(wait, step, group=4)
    assert interval is not None
    assert interval.low < 0.2 < interval.high
    assert interval.high - interval.low < 0.08
    assert median_interval(np.zeros(0)) is None
    assert ratio_interval(np.zeros(0), np.zeros(0)) is None


def test_blocks_keep_bursts_whole() -> None:
    assert block_length(1000, 4) == 16
    assert block_length(20, 4) == 1


def test_a_period_survives_missed_events_and_is_not_seen_in_noise() -> None:
    assert period(np.array([10.0, 20, 30, 50, 60, 70])) == (10.0, True)
    assert period(np.array([3.0, 10, 40, 45, 90, 200]))[1] is False
    assert period(np.array([3.0])) == (None, False)


def test_the_verdict_is_about_the_longest_of_several_trainings(run: FakeRun) -> None:
    run.trainer(pid=100).loop(batches=10)
    run.now += 10**9
    run.trainer(pid=101).loop(batches=50)
    report = report_of(run)
    assert [rank.pid for rank in report.ranks] == [101]
    assert primary_of(report) is not None
    assert (primary_of(report).id, primary_of(report).batches) == ("r0.l0", 50)


def test_a_loop_without_a_loader_has_steps_but_no_wait(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate(own_loop=True, dataset=None, batch_size=None)
    for index in range(40):
        trainer.do("other", 12.0).do("backward", 6.0).do("optimizer", 2.0)
        trainer.ask(number, index, 0.0, forward_ns=None)
    trainer.pass_ms(20.0).only_timed(number, 40, 10, 0.0, 20.0).tail(number)
    report = report_of(run)
    (loader,) = report.loaders
    assert loader is primary_of(report) and loader.own_loop and loader.role == "training"
    assert (loader.wait_ms, loader.wait_share, loader.fetch) == (None, None, None)
    assert loader.step_ms is not None and loader.step_ms.median == pytest.approx(20.0)
    seconds = {phase.name: phase.seconds for phase in report.ranks[0].phases if phase.seconds}
    assert sum(seconds.values()) == pytest.approx(report.ranks[0].seconds)
    assert seconds["backward"] == pytest.approx(49 * 0.006, rel=0.05) and "input wait" not in seconds
    assert seconds["other in-step"] == pytest.approx(49 * 0.012, rel=0.05)


def test_stack_samples_say_what_a_loop_without_a_loader_waits_for(run: FakeRun, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("def train():\n    for x in batches():\n        model(x).backward()\n        save(x)\n")
    trainer = run.trainer()
    number = trainer.iterate(own_loop=True, dataset=None, batch_size=None)
    for index in range(500):
        trainer.do("other", 12.0).do("backward", 6.0).do("optimizer", 2.0)
        trainer.ask(number, index, 0.0, forward_ns=None)
    trainer.tail(number)
    log, train = run.stacks(), ["train", str(script), 3]
    log.add("burst", t0=START, t1=START + 10 * SECOND, hz=10, why="steady", ok=True, began=START)
    header, backward = ["train", str(script), 2], ["Tensor.backward", f"{SITE}/torch/_tensor.py", 623]
    module = ["Module._call_impl", f"{SITE}/torch/nn/modules/module.py", 1798]
    runs: dict[str, tuple[list[Any], list[list[int]]]] = {
        "feed": ([header, ["batches", str(script), 2]], [[at, 4] for at in range(0, 100, 10)]),
        "forward": ([train, module], [[at + 4, 2] for at in range(0, 100, 10)]),
        "backward": ([train, backward], [[at + 6, 3] for at in range(0, 100, 10)]),
        "other": ([["train", str(script), 4]], [[at + 9, 1] for at in range(0, 100, 10)]),
    }
    for frames, places in runs.values():
        weight = sum(count for _, count in places)
        log.add(
            "stack", t0=START, t1=START + 10 * SECOND, pid=100, tid="MainThread", frames=frames, weight=weight, runs=places
        )  # fmt: skip
    report = report_of(run)
    (loader,), share = report.loaders, report.verdict.input_wait_share
    assert loader.wait_share is not None and loader.wait_share == share
    assert share is not None and share.median == pytest.approx(0.4) and share.n == 100
    assert loader.wait_ms is not None and loader.wait_ms.median == pytest.approx(8.0)
    assert loader.compute_ms is not None and loader.compute_ms.median == pytest.approx(12.0)
    seconds = {phase.name: phase.seconds for phase in report.ranks[0].phases if phase.seconds}
    assert seconds["input wait"] == pytest.approx(499 * 0.008, rel=0.05)
    assert sum(seconds.values()) == pytest.approx(report.ranks[0].seconds)
    assert (report.verdict.bound, report.findings[0].id) == ("input", "slow-dataset-code")
    assert {line.activity for line in report.hot_lines if line.line == 2} == {"input"}


def test_an_iterator_for_each_step_is_one_loop_that_waits_for_their_starts(run: FakeRun) -> None:
    trainer = run.trainer()
    for _ in range(40):
        number = trainer.iterate(make_ms=30.0, workers=[(0, 201)])
        trainer.ask(number, 0, 10.0).pass_ms(15.0).tail(number).step(25.0)
    trainer.ask(trainer.iterate(make_ms=30.0, workers=[(0, 201)]), 0, 10.0).tail()
    report = report_of(run)
    (loader,) = report.loaders
    assert loader.steps >= 38 and loader.iterators == 41
    assert loader.compute_ms is not None and loader.compute_ms.median == pytest.approx(25.0)
    assert loader.first_batch_s == pytest.approx([0.04] * 41) and loader.stop_s == pytest.approx([0.015] * 40)
    waited = waited_share(loader)
    assert waited is not None and waited.median == pytest.approx(40 / 65, abs=0.02)
    assert sum(phase.seconds for phase in report.ranks[0].phases) == pytest.approx(report.ranks[0].seconds)


def test_of_ranks_that_train_together_it_is_about_the_lowest(run: FakeRun) -> None:
    run.trainer(pid=101, rank=1, local_rank=1, world_size=2).loop(batches=50, wait_ms=9)
    run.trainer(pid=100, rank=0, local_rank=0, world_size=2).loop(batches=50)
    report = report_of(run)
    assert [rank.pid for rank in report.ranks] == [100, 101]
    assert primary_of(report) is not None
    assert primary_of(report).rank == 0
    assert report.machine.local_ranks == 2


def test_cpu_time_read_now_and_then_stands_for_the_steps_since_the_last_reading(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(8):
        trainer.ask(number, index, 0.0, cpu_ns=MS).step(2.0)
    for index in range(8, 400, 28):
        trainer.only_timed(number, index, 24, 0.0, 2.0)
        trainer.ask(number, index + 24, 0.0, cpu_ns=25 * MS).step(2.0)
        for more in range(25, 28):
            trainer.ask(number, index + more, 0.0, cpu_ns=MS).step(2.0)
    trainer.ask(number, 400, 0.0, end=1)
    loader = primary_of(report_of(run))
    assert loader is not None and loader.compute_cpu_share == pytest.approx(0.5, rel=0.02)


def endless(run: FakeRun, save_ms: float) -> None:
    """Three epochs, each with an evaluation by an iterator that is never exhausted, and a save; then a final evaluation."""
    trainer = run.trainer()
    training, evaluation = trainer.iterate(line=40), trainer.iterate(loader=2, line=60, length=40)
    done = [0, 0]
    for _ in range(3):
        for _ in range(20):
            trainer.ask(training, done[0], 1.0).step(9)
            done[0] += 1
        for _ in range(5):
            trainer.ask(evaluation, done[1], 1.0).step(4, train=False)
            done[1] += 1
        trainer.do("other", save_ms)
    trainer.ask(training, done[0], 1.0).step(9)
    for _ in range(5):
        trainer.ask(evaluation, done[1], 1.0).step(4, train=False)
        done[1] += 1


def test_an_iterator_without_an_end_evaluates_once_for_each_pass(run: FakeRun) -> None:
    endless(run, save_ms=0)
    assert [(loader.role, loader.iterators, loader.passes) for loader in report_of(run).loaders] == [
        ("training", 1, 1), ("evaluation", 1, 4),
    ]  # fmt: skip


def test_what_follows_such_an_evaluation_is_no_part_of_it(run: FakeRun) -> None:
    endless(run, save_ms=300)
    seconds = {phase.name: phase.seconds for phase in report_of(run).phases}
    # Twice the usual time after a batch is left to the evaluation.
    assert seconds["between loops"] == pytest.approx(3 * 0.296, abs=0.001)
    assert seconds["evaluation"] == pytest.approx(20 * 0.005 + 3 * 0.004, abs=0.006)


def test_an_iterator_that_gives_no_batch_is_no_evaluation(run: FakeRun) -> None:
    trainer = run.trainer()
    for epoch in range(3):
        trainer.iterate(loader=10 + epoch, line=28)
        trainer.loop(batches=10, loader=20 + epoch, line=28)
    (loader,) = report_of(run).loaders
    assert (loader.role, loader.iterators, loader.batches, loader.epoch_batches) == ("training", 3, 30, 10)


def test_a_sanity_check_of_the_evaluation_is_start_up_and_no_pass(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate(loader=2, made_line=30, dataset="Held")
    for index in range(2):
        trainer.ask(number, index, 300.0).step(700.0, train=False)
    trainer.tail(number)
    for _ in range(2):
        trainer.loop(batches=50, wait_ms=1.0, compute_ms=9.0)
        trainer.loop(batches=20, wait_ms=5.0, compute_ms=5.0, train=False, loader=2, made_line=30, dataset="Held")
    report = report_of(run)
    (held,) = (loader for loader in report.loaders if loader.role == "evaluation")
    assert (held.passes, held.batches, held.iterators) == (2, 40, 2)
    seconds = {phase.name: phase.seconds for phase in report.phases}
    assert seconds["evaluation"] == pytest.approx(0.4, abs=0.02)
    assert seconds["startup"] == pytest.approx(2.0, abs=0.02) and seconds["unexplained"] == pytest.approx(0.0, abs=0.01)


def test_a_whole_evaluation_before_the_training_is_a_pass(run: FakeRun) -> None:
    trainer = run.trainer()
    for _ in range(2):
        trainer.loop(batches=20, wait_ms=5.0, compute_ms=5.0, train=False, loader=2, made_line=30, dataset="Held")
        trainer.loop(batches=50, wait_ms=1.0, compute_ms=9.0)
    (held,) = (loader for loader in report_of(run).loaders if loader.role == "evaluation")
    assert (held.passes, held.batches) == (2, 40)


def test_batches_for_each_backward_pass_are_counted(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(40):
        trainer.ask(number, 2 * index, 1.0).ask(number, 2 * index + 1, 1.0).step(10.0)
    trainer.ask(number, 80, 0.0, end=1)
    (rank,) = report_of(run).ranks
    assert rank.batches_per_backward == pytest.approx(2.0, abs=0.1)


def test_the_share_of_waiting_is_one_figure_in_verdict_rank_and_loader(run: FakeRun) -> None:
    trainer = run.trainer()
    for _ in range(5):
        trainer.loop(batches=40, wait_ms=2, compute_ms=8, first_ms=200, workers=WORKERS)
    report = report_of(run)
    loader, (rank,) = report.primary_loader, report.ranks
    assert loader is not None and loader.waited_share is not None and report.verdict.input_wait_share is not None
    assert loader.waited_share == rank.wait_share == report.verdict.input_wait_share
    assert loader.waited_share.median > 0.3
    assert prepare(report).loaders[0].cells[-1] == percent(loader.waited_share.median)


def test_values_of_the_dataset_that_change_between_passes_are_named(run: FakeRun) -> None:
    trainer = run.trainer()
    for epoch in range(3):
        trainer.loop(batches=20, workers=WORKERS, dataset_values={"epoch": epoch, "size": 7})
    attributes = loader_of(run).attributes
    assert attributes["changed_values"] == ["epoch"] and "dataset_values" not in attributes


@pytest.mark.parametrize("asks", [True, False])
def test_an_iterable_dataset_splits_its_data_where_its_code_asks_for_its_worker(run: FakeRun, asks: bool) -> None:
    trainer, worker = run.trainer(), run.worker(201)
    if asks:
        worker.add("meta", t=worker.now, key="worker_info", value=["/home/me/data.py", 7, "__iter__"])
    for index in range(20):
        worker.fetch(index, 40.0)
    trainer.loop(batches=20, workers=[[0, 201]], dataset_kind="iterable")
    assert splits_its_data(loader_of(run)) is asks


@pytest.mark.parametrize("count", [1, 2, 3, 10, 400])
def test_percentiles_are_those_of_numpy(count: int) -> None:
    values = np.sin(np.arange(count) * 7.3)
    assert percentiles(values, 1, 2.5, 25, 97.5) == pytest.approx(np.percentile(values, (1, 2.5, 25, 97.5)).tolist())
