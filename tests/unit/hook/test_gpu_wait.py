"""GPU wait against a GPU whose clock the test turns: CUDA's own rules for events, none of its hardware."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from gpuwatch.hook.event_log import spool
from gpuwatch.hook.trainer import accelerator, gpu_wait


class Gpu:
    """A stream that works off what is enqueued; `host` is the host's clock, both in ms."""

    def __init__(self) -> None:
        self.host = 0.0
        self.drained = 0.0
        self.capturing = False
        self.made = 0

    def enqueue(self, ms: float) -> None:
        self.drained = max(self.host, self.drained) + ms

    def is_current_stream_capturing(self) -> bool:
        return self.capturing

    def Event(self, enable_timing: bool = False) -> FakeEvent:  # noqa: N802 - torch's name
        assert enable_timing
        self.made += 1
        return FakeEvent(self)


class FakeEvent:
    """torch.cuda.Event: recording returns at once; its time is when the stream comes past it."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu, self.at = gpu, 0.0

    def record(self) -> None:
        assert not self.gpu.capturing, "recorded into a captured graph"
        self.at = max(self.gpu.host, self.gpu.drained)

    def query(self) -> bool:
        assert not self.gpu.capturing, "a query while a graph is captured breaks the capture"
        return self.at <= self.gpu.host

    def elapsed_time(self, later: FakeEvent) -> float:
        if not (self.query() and later.query()):
            raise RuntimeError("device not ready")
        return later.at - self.at

    def synchronize(self) -> None:
        raise AssertionError("never waited for")


def meter_of(gpu: Gpu) -> gpu_wait.Meter:
    return gpu_wait.Meter(
        accelerator.Accelerator("cuda", gpu, partial(gpu.Event, enable_timing=True), gpu.is_current_stream_capturing)
    )


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        spool, "later", lambda line, row, at_ns: rows.append((json.loads(line % (0, 0, 0, 0))[0], *row))
    )
    return rows


def train(gpu: Gpu, meter: gpu_wait.Meter, steps: int, input_ms: float, device_ms: float, host_ms: float = 0.1) -> None:
    for index in range(steps):
        meter.requested()
        gpu.host += input_ms
        meter.delivered(1, index)
        gpu.enqueue(device_ms)
        gpu.host += host_ms


def test_a_slow_loader_leaves_the_stream_empty_for_the_difference(written: list[tuple[Any, ...]]) -> None:
    gpu = Gpu()
    meter = meter_of(gpu)
    train(gpu, meter, 20, input_ms=10, device_ms=4, host_ms=1)
    gpu.host += 100
    meter.requested()
    meter.resolve()
    assert [row[:3] for row in written] == [("gpu_wait", 1, index) for index in range(20)]
    assert written[0][3] is None, "before the first batch there is no step to wait after"
    # The stream has 4 ms from the hand-over; the next batch comes after 1 + 10.
    assert [row[3] for row in written[1:]] == pytest.approx([7.0] * 19)
    assert [row[4] for row in written[:-1]] == pytest.approx([4.0] * 19)


def test_a_slow_device_never_waits(written: list[tuple[Any, ...]]) -> None:
    gpu = Gpu()
    meter = meter_of(gpu)
    train(gpu, meter, 20, input_ms=1, device_ms=4)
    gpu.host += 100
    meter.requested()
    meter.resolve()
    assert [row[3] for row in written[1:]] == pytest.approx([0.0] * 19)


def test_events_are_reused_and_bounded_when_the_device_is_far_behind(written: list[tuple[Any, ...]]) -> None:
    gpu = Gpu()
    meter = meter_of(gpu)
    train(gpu, meter, 500, input_ms=0.1, device_ms=1000)
    assert gpu.made <= 2 * gpu_wait._MAX_PENDING + 3
    gpu.host += 1e6
    made = gpu.made
    train(gpu, meter, 100, input_ms=5, device_ms=1)
    assert gpu.made <= made + 1
    assert written[-1][3] is not None


def test_nothing_is_touched_while_a_graph_is_captured(written: list[tuple[Any, ...]]) -> None:
    gpu = Gpu()
    meter = meter_of(gpu)
    train(gpu, meter, 3, input_ms=5, device_ms=1)
    gpu.capturing = True
    train(gpu, meter, 3, input_ms=5, device_ms=1)
    gpu.capturing = False
    train(gpu, meter, 5, input_ms=5, device_ms=1)
    assert meter.failures == 0
    assert written[-1][3] == pytest.approx(4.1)


def test_failures_stop_the_meter_and_are_written_once(
    written: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(spool, "meta", lambda key, value: said.append(key))
    gpu = Gpu()
    meter = meter_of(gpu)

    def lost(self: FakeEvent) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(FakeEvent, "record", lost)
    train(gpu, meter, 10, input_ms=1, device_ms=1)
    assert said == ["missing_seam"] and written == []


def test_steps_with_timestamps_only_leave_a_gap_and_no_wrong_wait(written: list[tuple[Any, ...]]) -> None:
    gpu = Gpu()
    meter = meter_of(gpu)
    for burst in range(50):
        for index in range(5):
            if index:
                meter.requested()
            gpu.host += 10
            meter.delivered(1, 100 * burst + index)
            gpu.enqueue(4)
            gpu.host += 1
        gpu.host += 500  # steps with timestamps only
        meter.skip()
    gpu.host += 100
    meter.resolve()
    waits = [row for row in written if row[3] is not None]
    assert [row[2] % 100 for row in waits] == [1, 2, 3] * 50
    assert [row[3] for row in waits] == pytest.approx([7.0] * 150)
    assert gpu.made <= 60


def test_devices_carry_the_uuid_that_nvml_knows() -> None:
    assert accelerator.nvml_uuid("01234567-89ab") == "GPU-01234567-89ab"
    assert accelerator.nvml_uuid("GPU-01234567-89ab") == "GPU-01234567-89ab"
