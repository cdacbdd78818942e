"""The throughput model against cases whose answer is known by arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.examples.parts import make_costs, make_loader, make_machine
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


def test_blocked_work_needs_no_core() -> None:
    costs = exact(40.0, 5.0, 2, cores=2.0, cpu=4.0)
    assert throughput.predict(costs, throughput.with_workers(costs, 8), "").predicted == pytest.approx(4.0)


def test_startup_dilutes_a_gain() -> None:
    costs = replace(exact(20.0, 10.0, 1), startup_s=10.0, seconds=30.0)
    faster = throughput.predict(costs, throughput.with_work(costs, 0.5), "")
    assert faster.predicted == pytest.approx(30.0 / 20.0)


def test_cores_needed_is_cpu_per_batch_over_the_step() -> None:
    assert throughput.cores_needed(exact(40.0, 10.0, 2, cores=2.0)) == pytest.approx(4.0)


def test_measured_costs_take_the_mean_step_and_subtract_the_run_queue() -> None:
    loader = make_loader()
    costs = throughput.measure_costs(loader, make_machine(), 1.0)
    assert costs is not None
    assert costs.step_ms == pytest.approx(1e3 * 15.0 / 990)
    assert costs.device_ms == pytest.approx(1e3 * 10.0 / 990)
    assert costs.work_ms == pytest.approx(30.0 - 0.2 + 0.5)
    assert costs.seconds == pytest.approx(15.0 + 0.2 + 1.0)


def test_freed_cores_shorten_the_step_too() -> None:
    # Two workers hold 1.6 of 2 cores; of a 40 ms step the trainer waits 20 ms for a core.
    costs = replace(exact(64.0, 40.0, 2, cores=1.6), queued_ms=20.0, load=1.6)
    assert throughput.step_ms(costs) == pytest.approx(40.0)
    assert throughput.free_input(costs).predicted == pytest.approx(2.0, rel=0.01)
    half = throughput.step_ms(throughput.with_work(costs, 0.5))
    # s = 20 + 20 * (32 / s) / 1.6
    assert half == pytest.approx(20.0 + 20.0 * (32.0 / half) / 1.6) and 30.0 < half < 40.0


def test_cores_held_by_other_programs_are_not_freed() -> None:
    alone = throughput.measure_costs(make_loader(), make_machine(other_cores=0.0), 0.0, 0.3)
    beside = throughput.measure_costs(make_loader(), make_machine(other_cores=4.0), 0.0, 0.3)
    assert alone is not None and beside is not None
    assert alone.queued_ms == pytest.approx(0.3 * alone.device_ms)
    assert 0 < beside.queued_ms < alone.queued_ms / 2


def test_stopping_the_workers_is_paid_in_each_epoch() -> None:
    costs = throughput.measure_costs(make_loader(first_batch_s=(0.2, 0.2), stop_s=(0.1, 0.1)), make_machine(), 0.0)
    assert costs is not None and costs.startup_s == pytest.approx(0.3)
    assert costs.seconds == pytest.approx(15.0 + 0.6)


def test_no_steps_no_costs() -> None:
    assert throughput.measure_costs(make_loader(steps=0), make_machine(), 0.0) is None


@given(st.floats(0.1, 500), st.floats(0.1, 500), st.integers(0, 16), st.floats(1, 64), st.floats(0.05, 1.0))
def test_cheaper_work_never_slows_and_never_beats_a_free_input(
    work: float, device: float, workers: int, cores: float, kept: float
) -> None:
    costs = exact(work, device, workers, cores)
    cheaper = throughput.predict(costs, throughput.with_work(costs, kept), "").predicted
    assert 1.0 - 1e-3 <= cheaper <= throughput.free_input(costs).predicted + 2e-3
