"""What the throughput model's parameters are of a recording: the cores that a training uses by itself."""

from __future__ import annotations

from typing import Any

import pytest

from gpuwatch.analyze import throughput
from gpuwatch.model.profile import Costs
from tests.spools import MS, SECOND, START, FakeRun, primary_of, report_of


def costs_of(run: FakeRun, trainer_cores: float, others_ms: float = 0.0, **facts: Any) -> Costs:
    """Return the costs of a training that makes its batches itself, in 40 of 100 ms; two cores, two threads.

    `others_ms`: CPU time of its other threads while a batch is made."""
    trainer = run.trainer()
    for key, value in ({"affinity": 2, "torch": "2.8", "threads": {"torch": 2}} | facts).items():
        trainer.add("meta", t=trainer.now, key=key, value=value)
    number = trainer.iterate()
    for index in range(100):
        t0 = trainer.now
        trainer.ask(number, index, 40, cpu_ns=100 * MS)
        made = {"worker": -1, "index": index, "idle_t0": t0, "t0": t0, "t1": t0 + 40 * MS, "samples": 8}
        made |= {"cpu_ns": 40 * MS, "process_cpu_ns": int((40 + others_ms) * MS)}
        trainer.add("fetch", **made, delay_ns=0, collate_ns=0, operations=[]).step(60)
    trainer.ask(number, 100, 0.0, end=1)
    sampler = run.sampler()
    for second in range(11):
        t = START + second * SECOND
        used = int(trainer_cores * second * SECOND)
        sampler.add("cpu", t=t, interval_ns=SECOND, busy=[1.0, trainer_cores - 1.0])
        sampler.add("tick", t=t, late_ns=0, cpu_ns=0, rss_bytes=1)
        sampler.add("process", t=t, pid=100, role="tree", cpu_ns=used, delay_ns=0, rss_bytes=1, threads=3)
    costs = report_of(run).costs
    assert costs is not None
    return costs


def test_a_training_of_one_thread_uses_one_core(run: FakeRun) -> None:
    costs = costs_of(run, 1.0)
    assert costs.trainer_threads == 1 and costs.trainer_cores == pytest.approx(1.0, abs=0.02)


def test_a_training_of_several_threads_uses_what_making_the_batch_left(run: FakeRun) -> None:
    # 160 ms of CPU in 100 ms, 40 of them for the batch.
    costs = costs_of(run, 1.6)
    assert costs.trainer_threads == 2 and costs.trainer_cores == pytest.approx(2.0, abs=0.05)
    assert costs.shared_cores == pytest.approx(2.0, abs=0.05)


def test_with_a_gpu_the_other_threads_are_not_the_models(run: FakeRun) -> None:
    costs = costs_of(run, 1.6, cuda_devices=[[0, "abc", "NVIDIA H200"]])
    assert costs.trainer_threads == 1 and costs.trainer_cores <= 1.0


def test_a_worker_does_with_one_thread_what_the_trainer_does_with_several(run: FakeRun) -> None:
    # Both cores for the 40 ms of a batch, one for the step: 140 ms of CPU in 100 ms.
    costs = costs_of(run, 1.4, others_ms=40.0)
    assert costs.threads_ms == pytest.approx(40.0)
    assert costs.trainer_threads == 1 and costs.trainer_cores == pytest.approx(1.0, abs=0.05)
    assert throughput.input_ms(costs) == pytest.approx(40.0)
    assert throughput.input_ms(costs, 1) == pytest.approx(80.0)


def test_threads_that_spin_after_the_step_do_no_work_on_the_batch(run: FakeRun) -> None:
    assert costs_of(run, 1.1, others_ms=7.0).threads_ms == 0.0


def test_the_cpu_time_of_making_a_batch_is_none_of_the_steps(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(100):
        t0 = trainer.now
        trainer.ask(number, index, 40, cpu_ns=46 * MS)
        made = {"worker": -1, "index": index, "idle_t0": t0, "t0": t0, "t1": t0 + 40 * MS, "samples": 8}
        trainer.add("fetch", **made, cpu_ns=40 * MS, delay_ns=0, collate_ns=0, operations=[]).step(60)
    loader = primary_of(report_of(run))
    assert loader is not None and loader.compute_cpu_share == pytest.approx(0.1, abs=0.01)


def test_a_batch_costs_what_all_steps_waited_for_it_not_only_those_with_a_recorded_fetch(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(6):
        trainer.ask(number, index, 1.0).step(10)
    trainer.only_timed(number, 6, 74, 1.0, 10.0)
    for index in range(80, 100):
        t0 = trainer.now
        trainer.ask(number, index, 41.0)
        made = {"worker": -1, "index": index, "idle_t0": t0, "t0": t0, "t1": t0 + 40 * MS, "samples": 8}
        trainer.add("fetch", **made, cpu_ns=20 * MS, delay_ns=0, collate_ns=0, operations=[])
        trainer.step(10)
    trainer.ask(number, 100, 0.0, end=1)
    costs = report_of(run).costs
    assert costs is not None
    assert costs.work_ms == pytest.approx(10.5, rel=0.15) and costs.work_cpu_ms == pytest.approx(5.2, rel=0.15)
