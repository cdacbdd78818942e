"""The throughput model against cases whose answer is known by arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuwatch.analyze import throughput
from gpuwatch.analyze.costs import measure_costs
from gpuwatch.diagnosis.examples.parts import interval, make_costs, make_fetch, make_loader, make_machine
from gpuwatch.model.profile import Costs


def exact(work: float, device: float, workers: int, cores: float = 64.0, cpu: float | None = None) -> Costs:
    """Return costs whose measured step is exactly the model's."""
    cpu = work if cpu is None else cpu
    step = device + work if workers == 0 else max(device, work / workers, cpu / cores)
    return make_costs(
        device_ms=device,
        work_ms=work,
        work_cpu_ms=cpu,
        workers=workers,
        cores=cores,
        step_ms=step,
        startup_s=0.0,
        seconds=step,
        batches=1000.0,
    )


def test_one_worker_overlaps_loading_with_compute() -> None:
    costs = exact(20.0, 20.0, 0)
    assert throughput.predict(costs, replace(costs, workers=1), "").predicted == pytest.approx(2.0)


def test_more_workers_stop_at_the_device() -> None:
    assert throughput.best_workers(exact(40.0, 10.0, 1)) == 4


def test_more_workers_stop_at_the_cores() -> None:
    costs = exact(40.0, 5.0, 2, cores=2.0)
    assert throughput.predict(costs, throughput.with_workers(costs, 8), "").predicted == pytest.approx(1.0)


def test_work_of_several_threads_takes_one_worker_longer_than_the_trainer() -> None:
    """Two threads make a batch in 40 ms; a worker has one: 80 ms, and only two of them are as fast."""
    costs = replace(exact(40.0, 10.0, 0, cores=2.0), threads_ms=40.0)
    assert throughput.predict(costs, throughput.with_workers(costs, 1), "").predicted == pytest.approx(
        50 / 80, abs=0.01
    )
    assert throughput.predict(costs, throughput.with_workers(costs, 2), "").predicted == pytest.approx(
        50 / 40, abs=0.01
    )
    assert throughput.best_workers(costs) == 2


def test_blocked_work_needs_no_core() -> None:
    costs = exact(40.0, 5.0, 2, cores=2.0, cpu=4.0)
    assert throughput.predict(costs, throughput.with_workers(costs, 8), "").predicted == pytest.approx(4.0)


def test_a_wait_that_is_none_of_the_workers_work_is_won_as_measured() -> None:
    """Batches of 2 ms that take 100 ms to be received: a free input leaves the 10 ms of the device."""
    costs = replace(exact(2.0, 10.0, 2), step_ms=100.0, seconds=100.0, handed_over=True)
    assert throughput.free_input(costs).predicted == pytest.approx(10.0, rel=0.02)
    # Of another wait it is not known what would end it.
    assert throughput.free_input(replace(costs, handed_over=False)).predicted == pytest.approx(1.0)


@pytest.mark.parametrize(("sent", "received", "handed_over"), [(3.0, 5.0, True), (0.1, 5.0, False), (2.0, 3.0, False)])
def test_batches_that_take_long_to_send_and_to_receive_are_handed_over(
    sent: float, received: float, handed_over: bool
) -> None:
    loader = make_loader(fetch=make_fetch(serialise_ms=sent))
    assert loader.queue is not None
    loader = replace(loader, queue=replace(loader.queue, receive_ms=received))
    costs = measure_costs(loader, make_machine(), 0.0)
    assert costs is not None and costs.handed_over is handed_over


def test_startup_dilutes_a_gain() -> None:
    costs = replace(exact(20.0, 10.0, 1), startup_s=10.0, seconds=30.0)
    faster = throughput.predict(costs, throughput.with_work(costs, 0.5), "")
    assert faster.predicted == pytest.approx(30.0 / 20.0, rel=1e-3)


def test_the_first_batch_of_each_epoch_is_made_faster_too() -> None:
    # 10 epochs of a batch made while nothing else goes on (0.6 s of 1 s), and 9 steps of 0.6 s each.
    costs = replace(exact(600.0, 10.0, 1), iterators=10.0, batches=90.0, startup_s=1.0, seconds=10 + 54.0)
    faster = throughput.predict(costs, throughput.with_work(costs, 0.5), "")
    assert faster.predicted == pytest.approx(64.0 / (10 * 0.7 + 90 * 0.3), rel=1e-3)


def test_a_first_batch_is_no_step_as_well() -> None:
    loader = make_loader(batches=100, first_batch_s=(0.5,) * 10, iterators=10, epoch_batches=10.0)
    costs = measure_costs(loader, make_machine(), 0.0)
    assert costs is not None and costs.batches == 90.0


def shared(device: float, work: float, trainer_cores: float, threads: int, cores: float = 2.0) -> Costs:
    """Return costs of a trainer that loads by itself and computes on the cores that workers would use."""
    return replace(
        exact(work, device, 0, cores), shared_cores=cores, trainer_cores=trainer_cores, trainer_threads=threads
    )


def test_trainer_and_workers_share_the_cores() -> None:
    # One thread computes for 20 ms, a batch takes 40 ms: 60 ms of CPU on 2 cores, however many workers.
    costs = shared(20.0, 40.0, 1.0, 1)
    assert throughput.predict(costs, throughput.with_workers(costs, 4), "").predicted == pytest.approx(2.0, rel=0.03)


def test_threads_that_compute_on_all_cores_may_win_nothing_from_workers() -> None:
    # Measured with 2 workers: 0.98 times as fast, and 0.8; without loss it would be 54.4 / ((33 + 40) / 2).
    costs = shared(14.4, 40.0, 33 / 14.4, 2)
    gain = throughput.predict(costs, throughput.with_workers(costs, 2), "")
    assert gain.low < 0.8 and gain.predicted == pytest.approx(1.08, abs=0.02)
    assert gain.high == pytest.approx(54.4 / 36.5, rel=0.01)


def test_cores_for_threads_and_workers_leave_no_doubt() -> None:
    costs = shared(14.4, 40.0, 2.0, 2, cores=16.0)
    gain = throughput.predict(costs, throughput.with_workers(costs, 4), "", 0.0)
    assert gain.low == pytest.approx(gain.predicted - 0.01) and gain.predicted == pytest.approx(54.4 / 14.4, rel=0.03)


def test_an_input_that_costs_nothing_needs_no_core() -> None:
    costs = shared(14.4, 40.0, 2.0, 2)
    assert throughput.free_input(costs).predicted == pytest.approx(54.4 / 14.4, rel=0.01)


def test_the_trainers_other_threads_are_the_sampler_s_to_tell() -> None:
    loader = make_loader(workers=0, seconds=50.0, steps=1000, wait_seconds=35.0, compute_ms=interval(15.0))
    loader = replace(loader, compute_cpu_share=1.0, fetch=make_fetch(cpu_ms=35.0, process_cpu_ms=40.0))
    alone = measure_costs(loader, make_machine(), 0.0, trainer_cores=1.0, library_threads=8)
    assert alone is not None and alone.trainer_cores == pytest.approx(1.0) and alone.trainer_threads == 1
    # 1.3 cores over a step of 50 ms: 65 ms, of which the thread that made the batch used 35.
    several = measure_costs(loader, make_machine(), 0.0, trainer_cores=1.3, library_threads=8)
    assert several is not None and several.trainer_cores == pytest.approx(2.0) and several.trainer_threads == 8


def test_cores_needed_is_cpu_per_batch_over_the_step() -> None:
    assert throughput.cores_needed(exact(40.0, 10.0, 2, cores=2.0)) == pytest.approx(4.0)


def test_measured_costs_take_the_mean_step_and_subtract_the_run_queue() -> None:
    loader = make_loader()
    costs = measure_costs(loader, make_machine(), 1.0)
    assert costs is not None
    assert costs.step_ms == pytest.approx(1e3 * 15.0 / 990)
    assert costs.device_ms == pytest.approx(1e3 * 10.0 / 990)
    assert costs.work_ms == pytest.approx(30.0 - 0.2 + 0.5)
    assert costs.seconds == pytest.approx(15.0 + 0.2 + 1.0)


def test_freed_cores_shorten_the_step_too() -> None:
    # Two workers hold 1.6 of 2 cores; of a 40 ms step the trainer waits 20 ms for a core.
    costs = replace(exact(64.0, 40.0, 2, cores=1.6), queued_ms=20.0, load=1.6)
    assert throughput.step_ms(costs) == pytest.approx(40.0)
    assert throughput.free_input(costs).predicted == pytest.approx(2.0, rel=0.03)
    half = throughput.step_ms(throughput.with_work(costs, 0.5))
    # s = 20 + 20 * (32 / s) / 1.6
    assert half == pytest.approx(20.0 + 20.0 * (32.0 / half) / 1.6) and 30.0 < half < 40.0


def test_cores_held_by_other_programs_are_not_freed() -> None:
    alone = measure_costs(make_loader(), make_machine(other_cores=0.0), 0.0, 0.3)
    beside = measure_costs(make_loader(), make_machine(other_cores=4.0), 0.0, 0.3)
    assert alone is not None and beside is not None
    assert alone.queued_ms == pytest.approx(0.3 * alone.device_ms)
    assert 0 < beside.queued_ms < alone.queued_ms / 2


def test_stopping_the_workers_is_paid_in_each_epoch() -> None:
    costs = measure_costs(make_loader(first_batch_s=(0.2, 0.2), stop_s=(0.1, 0.1)), make_machine(), 0.0)
    assert costs is not None and costs.startup_s == pytest.approx(0.3)
    assert costs.seconds == pytest.approx(15.0 + 0.6)


def test_no_steps_no_costs() -> None:
    assert measure_costs(make_loader(steps=0), make_machine(), 0.0) is None


@given(st.floats(0.1, 500), st.floats(0.1, 500), st.integers(0, 16), st.floats(1, 64), st.floats(0.05, 1.0))
def test_cheaper_work_never_slows_and_never_beats_a_free_input(
    work: float, device: float, workers: int, cores: float, kept: float
) -> None:
    costs = exact(work, device, workers, cores)
    cheaper = throughput.predict(costs, throughput.with_work(costs, kept), "").predicted
    assert 1.0 - 1e-3 <= cheaper <= throughput.free_input(costs).predicted + 2e-3


def test_threads_that_spin_beyond_the_cores_leave_a_free_input_its_gain() -> None:
    # 3.2 cores in the step's own 3 ms, as threads spin on while the batch is made; two cores, one of them another program's.
    loader = make_loader(
        workers=0, seconds=17.0, steps=1000, wait_seconds=14.0, compute_ms=interval(3.0), wait_ms=interval(14.0)
    )
    loader = replace(
        loader,
        compute_cpu_share=1.0,
        fetch=make_fetch(cpu_ms=14.0, process_cpu_ms=14.0, mean_wall_ms=14.0, delay_ms=0.0),
    )
    for others in (0.0, 1.0):
        machine = make_machine(usable_cores=2.0, other_cores=others)
        costs = measure_costs(loader, machine, 0.0, trainer_cores=1.4, library_threads=2)
        assert costs is not None and costs.shared_cores == 2.0 - others and costs.trainer_threads == 2
        assert costs.trainer_cores == costs.shared_cores
        assert throughput.free_input(costs).predicted == pytest.approx(17.0 / 3.0, rel=0.1)
