"""Each moment of a device's time is of one class, by what the device waited for; what is not idle is not called so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpuwatch.analyze.gpu_time.build import gpu_times
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.traces.kineto import read
from gpuwatch.words.gpu_trace import CLASS_KEYS
from tests.traces import FakeTrace, training

MS = 1000.0


def times_of(made: FakeTrace, folder: Path) -> list[GpuTime]:
    return list(gpu_times([read(made.write(folder / "t.json"))]))


def time_of(made: FakeTrace, folder: Path) -> GpuTime:
    (time,) = times_of(made, folder)
    assert time.share(*CLASS_KEYS) == pytest.approx(1.0)
    assert time.idle_share == pytest.approx(time.share(*CLASS_KEYS[3:]))
    return time


def ended(made: FakeTrace, at: float = 100 * MS) -> FakeTrace:
    """End a trace of one gap: 10 ms of work, the gap, 10 ms of work that a launch just before `at` begins."""
    made.launch(0.0, 20.0, 10 * MS - 20.0)
    return made.launch(at - 10.0, at, 10 * MS)


def gap_of(made: FakeTrace, folder: Path) -> dict[str, float]:
    """Return the classes of the 90 ms gap in such a trace, in milliseconds; those of less than 0.1 ms are left out."""
    time = time_of(ended(made), folder)
    found = {key: round(time.share(key) * time.span_ms, 1) for key in CLASS_KEYS[3:]}
    return {key: value for key, value in found.items() if value}


def test_a_gap_inside_the_loader_is_input(tmp_path: Path) -> None:
    made = FakeTrace().span("user_annotation", "enumerate(DataLoader)#_Iter.__next__", 5 * MS, 90 * MS)
    # 4.99 ms between the loader and the launch.
    assert gap_of(made, tmp_path) == {"input": 85.0, "host_code": 5.0}


@pytest.mark.parametrize(
    "name",
    [
        "torch/utils/data/dataloader.py(701): __next__",
        "[pl][profile][_TrainingEpochLoop].train_dataloader_next",
        "train.py(116): get_batch",
        "nvidia/dali/plugin/pytorch/__init__.py(222): __next__",
    ],
)
def test_other_loaders_are_input_too(tmp_path: Path, name: str) -> None:
    category = "python_function" if ".py(" in name else "user_annotation"
    assert gap_of(FakeTrace().span(category, name, 5 * MS, 94.9 * MS), tmp_path) == {"input": 89.9, "host_code": 0.1}


def test_a_loader_in_another_thread_counts_where_the_launching_thread_has_nothing_recorded(tmp_path: Path) -> None:
    name = "enumerate(DataLoader)#_Iter.__next__"
    made = FakeTrace().span("user_annotation", name, 5 * MS, 90 * MS, tid=2)
    assert gap_of(made, tmp_path)["input"] == 85.0
    made = FakeTrace().span("user_annotation", name, 5 * MS, 90 * MS, tid=2).span("cpu_op", "aten::x", 5 * MS, 94 * MS)
    assert "input" not in gap_of(made, tmp_path)


def test_memory_that_is_allocated(tmp_path: Path) -> None:
    made = FakeTrace().call("hipMalloc", 10 * MS, 50 * MS).call("hipFree", 60 * MS, 39.9 * MS)
    assert gap_of(made, tmp_path) == {"allocator": 89.9, "host_code": 0.1}


def test_code_that_launches_nothing(tmp_path: Path) -> None:
    assert gap_of(FakeTrace().span("cpu_op", "aten::sort", 9 * MS, 90 * MS), tmp_path) == {"host_code": 90.0}


def test_a_device_that_finds_its_queue_empty_after_a_wait(tmp_path: Path) -> None:
    made = FakeTrace()
    for step in range(20):
        at = step * 1.3 * MS
        made.launch(at, at + 10.0, 1 * MS).call("cudaStreamSynchronize", at + 20.0, 1 * MS)
    time = time_of(made, tmp_path)
    assert time.share("sync") == pytest.approx(0.223, abs=0.01) and time.share("launch") < 0.02


def test_kernels_shorter_than_their_launches(tmp_path: Path) -> None:
    made = FakeTrace()
    for number in range(100):
        at = number * 40.0
        made.span("cpu_op", "aten::add", at - 5.0, 30.0).launch(at, at + 10.0, 4.0)
    time = time_of(made, tmp_path)
    assert time.share("launch") == pytest.approx(0.9, abs=0.01)
    assert time.gain("launch").high == pytest.approx(10.0, rel=0.1)  # type: ignore[union-attr]


def test_a_copy_from_pageable_memory_is_staged_by_its_call(tmp_path: Path) -> None:
    made = FakeTrace().launch(0.0, 20.0, 10 * MS)
    made.copy(10 * MS + 20.0, 40 * MS, 5 * MS, "HtoD (Pageable -> Device)", 35 * MS, size=1 << 30)
    time = time_of(made, tmp_path)
    assert time.share("pageable_copy") * time.span_ms == pytest.approx(30.0, abs=0.1)
    assert time.share("copy") * time.span_ms == pytest.approx(5.0)
    assert time.counts.pageable_bytes == 1 << 30


def test_exposed_copies_and_communication_are_what_nothing_else_hides(tmp_path: Path) -> None:
    made = FakeTrace().launch(0.0, 10.0, 100.0)
    made.launch(1.0, 60.0, 100.0, "ncclDevKernel_AllReduce_Sum_f32_RING_LL", stream=20)
    made.copy(2.0, 100.0, 160.0, "HtoD (Pinned -> Device)", 5.0, stream=21)
    time = time_of(made, tmp_path)
    parts = {key: time.share(key) * time.span_ms * MS for key in ("compute", "communication", "copy")}
    assert parts == {key: pytest.approx(value, abs=0.1) for key, value in zip(parts, (100.0, 50.0, 100.0), strict=True)}
    assert time.idle_share == pytest.approx(0.0, abs=1e-6)


def test_a_copy_within_the_device_is_its_work(tmp_path: Path) -> None:
    made = FakeTrace().launch(0.0, 10.0, 100.0).copy(1.0, 110.0, 50.0, "DtoD (Device -> Device)", 5.0)
    assert time_of(made, tmp_path).shares.compute == pytest.approx(1.0)


def test_bubbles_between_queued_kernels_are_the_devices_own(tmp_path: Path) -> None:
    made = FakeTrace()
    for number in range(10):
        made.launch(number * 5.0, 100.0 + number * 12.0, 10.0)
    assert time_of(made, tmp_path).share("dependency") == pytest.approx(18 / 118, abs=1e-6)


def replaying(graphs: int, recorded: bool) -> FakeTrace:
    """Return a decode loop: each step copies its input, replays a graph of 20 ms, and reads a value."""
    made = FakeTrace().launch(0.0, 10.0, 5.0).call("cudaStreamSynchronize", 20.0, 5.0)
    for number in range(graphs):
        at = 100.0 + number * 21 * MS
        made.copy(at, at + 10.0, 5.0, "DtoD (Device -> Device)", 5.0)
        if recorded:
            made.launch(at + 20.0, at + 40.0, 20 * MS, by="cudaGraphLaunch", call_us=30.0)
        else:
            made.call("cudaGraphLaunch", at + 20.0, 30.0)
        made.copy(at + 60.0, at + 20.1 * MS, 5.0, "DtoH (Device -> Pageable)", 20.1 * MS)
    return made


def test_graphs_whose_kernels_were_not_recorded_are_not_idle_time(tmp_path: Path) -> None:
    time = time_of(replaying(10, recorded=False), tmp_path)
    assert time.unmeasured == "work not recorded" and time.shares.unknown > 0.9
    assert time.gains == ()
    time = time_of(replaying(10, recorded=True), tmp_path)
    assert time.unmeasured is None and time.idle_share < 0.1


def test_work_of_before_the_recording_is_not_idle_time(tmp_path: Path) -> None:
    # A kernel that was launched does not start for 400 ms; the first call that waits for the device returns after it.
    made = FakeTrace().launch(0.0, 10.0, 5.0).launch(20.0, 400 * MS, 5.0)
    made.copy(40.0, 400 * MS + 10.0, 5.0, "DtoH (Device -> Host)", 400 * MS)
    assert time_of(made, tmp_path).unmeasured == "work not recorded"


def test_dropped_activities_are_not_idle_time(tmp_path: Path) -> None:
    made = training(10)
    kernels = [event for event in made.events if event["cat"] == "kernel"]
    dropped = {id(event) for number, event in enumerate(kernels) if number % 10 in range(2, 9)}
    made.events = [event for event in made.events if id(event) not in dropped]
    assert time_of(made, tmp_path).unmeasured == "work not recorded"


def test_launches_into_a_graph_that_is_captured_are_no_dropped_activities(tmp_path: Path) -> None:
    made = FakeTrace().call("cudaStreamBeginCapture", 10 * MS, 10.0)
    for number in range(80):
        made.call("cudaLaunchKernel", 11 * MS + number * MS, 20.0)
    time = time_of(ended(made.call("cudaStreamEndCapture", 95 * MS, 100.0)), tmp_path)
    assert time.unmeasured is None and time.share("host_code", "launch") > 0.8


def test_a_drivers_call_inside_a_runtimes_is_no_dropped_activity(tmp_path: Path) -> None:
    made = training(5)
    for event in [event for event in made.events if event["name"] == "cudaLaunchKernel"]:
        inner = {"category": "cuda_driver", "name": "cuLaunchKernel", "at": event["ts"] + 1, "length": 3.0}
        made.span(**inner, correlation=event["args"]["correlation"])
    assert time_of(made, tmp_path).share("unknown") == 0.0


def test_copies_to_pinned_memory_are_waited_for_by_no_one(tmp_path: Path) -> None:
    made = training(5)
    for step in range(5):
        at = step * 10_070.0 + 550.0
        made.copy(at, at + 9_000.0, 5.0, "DtoH (Device -> Pinned)", 6.0, stream=8)
    assert time_of(made, tmp_path).counts.reads == 0


def test_copies_that_no_one_recorded_are_not_idle_time(tmp_path: Path) -> None:
    made = FakeTrace()
    for step in range(10):
        at = step * 20 * MS
        made.launch(at, at + 10.0, 8 * MS).call("cudaMemcpy", at + 20.0, 19.9 * MS)
    time = time_of(made, tmp_path)
    assert time.unmeasured == "copies not recorded" and time.shares.unknown > 0.5


def test_a_wait_for_nothing_that_was_recorded_is_not_idle_time(tmp_path: Path) -> None:
    made = ended(FakeTrace().call("cudaDeviceSynchronize", 5 * MS, 90 * MS))
    assert time_of(made, tmp_path).unmeasured == "work not recorded"


def test_a_trace_without_the_host_says_so(tmp_path: Path) -> None:
    made = FakeTrace()
    for number in range(10):
        made.launch(0.0, number * 1000.0, 100.0, by="")
    assert time_of(made, tmp_path).unmeasured == "host not recorded"


def test_a_device_whose_clock_runs_ahead_is_set_back(tmp_path: Path) -> None:
    made = training(10, loader_us=5 * MS)
    right = time_of(made, tmp_path)
    for event in made.events:
        if event["cat"] == "kernel":
            event["ts"] -= 3 * MS
    ahead = time_of(made, tmp_path)
    assert ahead.share("input") == pytest.approx(right.share("input"), abs=0.01)


def test_waiting_for_another_device_of_the_process_is_a_dependency(tmp_path: Path) -> None:
    made = FakeTrace().call("cudaStreamSynchronize", 0.0, 1.0)
    made.launch(10.0, 20.0, 10 * MS).launch(12.0, 10 * MS, 40 * MS, device=1)
    made.launch(14.0, 50 * MS + 10.0, 10 * MS)
    first = next(time for time in times_of(made, tmp_path) if time.device == 0)
    assert first.unmeasured is None and first.share("dependency") == pytest.approx(0.67, abs=0.02)


def test_a_second_device_is_judged_by_itself(tmp_path: Path) -> None:
    made = training(3)
    for number in range(30):
        made.launch(number * 1000.0, number * 1000.0 + 10.0, 500.0, device=1, stream=9, tid=4)
    one, two = times_of(made, tmp_path)
    assert (one.device, two.device) == (0, 1)
    assert one.idle_share < 0.1 and two.idle_share == pytest.approx(0.49, abs=0.02)


@pytest.mark.parametrize("hip", [False, True])
def test_cuda_and_hip_are_judged_alike(tmp_path: Path, hip: bool) -> None:
    made = training(5, loader_us=5 * MS)
    for event in made.events:
        if event["cat"] == "cuda_runtime" and hip:
            event["name"] = event["name"].replace("cuda", "hip")
    time = time_of(made, tmp_path)
    assert time.share("input") == pytest.approx(0.28, abs=0.02) and time.share("compute") > 0.69


def test_steps_by_what_marks_them(tmp_path: Path) -> None:
    made = training(6, loader_us=2 * MS)
    assert (time_of(made, tmp_path).steps, time_of(made, tmp_path).steps_by) == (6, "profiler steps")
    made.events = [event for event in made.events if "ProfilerStep" not in event["name"]]
    assert (time_of(made, tmp_path).steps, time_of(made, tmp_path).steps_by) == (6, "loader requests")
    for event in made.events:
        event["name"] = event["name"].replace("enumerate(DataLoader)#", "Optimizer.step#")
    assert (time_of(made, tmp_path).steps, time_of(made, tmp_path).steps_by) == (5, "optimizer steps")
    made.events = [event for event in made.events if event["cat"] != "user_annotation"]
    assert (time_of(made, tmp_path).steps, time_of(made, tmp_path).steps_by) == (0, "none")


def test_one_bad_step_is_not_hidden_by_the_others(tmp_path: Path) -> None:
    made = training(10)
    late = [event for event in made.events if event["ts"] >= 5 * 10_070.0]
    for event in late:
        event["ts"] += 200 * MS
    slow = next(event for event in late if event["name"] == "ProfilerStep#5")
    slow["ts"], slow["dur"] = slow["ts"] - 200 * MS, slow["dur"] + 200 * MS
    made.span("user_annotation", "enumerate(DataLoader)#_Iter.__next__", 5 * 10_075.0, 199 * MS)
    time = time_of(made, tmp_path)
    assert time.share("input") > 0.5 and time.in_largest_step["input"] > 0.9  # type: ignore[index]


def test_a_replay_without_the_loader_takes_what_is_left(tmp_path: Path) -> None:
    time = time_of(training(10, loader_us=10 * MS), tmp_path)
    gain = time.gain("input")
    # 10 ms of loader and 10.07 ms of the rest.
    assert gain is not None and gain.high == pytest.approx(20.07 / 10.07, rel=0.05)
    assert 1.0 < gain.low <= gain.predicted <= gain.high


def test_a_replay_does_not_win_what_the_device_hides(tmp_path: Path) -> None:
    made, free = FakeTrace(), 0.0
    for step in range(20):
        at = step * 10 * MS
        made.span("user_annotation", "enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__", at, 5 * MS)
        free = max(free, at + 5.1 * MS)
        made.launch(at + 5 * MS, free, 12 * MS)
        free += 12 * MS
    gain = time_of(made, tmp_path).gain("input")
    assert gain is not None and gain.predicted == pytest.approx(1.0, abs=0.03)


def test_a_long_trace_is_replayed_by_its_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = time_of(training(30, loader_us=10 * MS), tmp_path).gain("input")
    monkeypatch.setattr("gpuwatch.analyze.gpu_time.replay.MOST_ACTIVITIES", 150)
    middle = time_of(training(30, loader_us=10 * MS), tmp_path).gain("input")
    assert whole is not None and middle is not None and middle.high == pytest.approx(whole.high, rel=0.05)


def test_no_gain_is_a_loss(tmp_path: Path) -> None:
    made = FakeTrace()
    for number in range(200):
        at = number * 100.0
        made.span("user_annotation", "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", at, 5.0)
        made.launch(at + 20.0, at + 30.0, 10.0)
    gain = time_of(made, tmp_path).gain("input")
    assert gain is not None and gain.predicted == gain.low == 1.0 < gain.high


def test_the_function_that_holds_the_time_is_named(tmp_path: Path) -> None:
    made = FakeTrace().span("user_annotation", "enumerate(DataLoader)#_Iter.__next__", 5 * MS, 94.9 * MS)
    stack = (
        "train.py(10): main",
        "torch/utils/data/dataloader.py(701): __next__",
        "data.py(30): __getitem__",
        "scipy/ndimage/x.py(5): zoom",
        "<built-in function zoom_shift>",
    )
    for depth, name in enumerate(stack):
        made.span("python_function", name, 5 * MS + depth, 94.9 * MS - 2 * depth)
    place = time_of(ended(made), tmp_path).place("input")
    assert place is not None and (place.place.file, place.place.line, place.place.function) == (
        "data.py",
        30,
        "__getitem__",
    )
    assert place.callee == "zoom (scipy/ndimage/x.py)"


def test_the_innermost_function_is_named_where_an_outer_one_has_several_lines(tmp_path: Path) -> None:
    made, at = FakeTrace(), 0.0
    for number in range(10):
        made.launch(at, at + 10.0, 1 * MS)
        made.span("user_annotation", "enumerate(DataLoader)#_Iter.__next__", at + MS, 9 * MS)
        made.span("python_function", f"data.py({30 + number // 6}): __getitem__", at + MS, 9 * MS)
        made.span("python_function", "data.py(80): resize", at + MS + 1.0, 6 * MS)
        at += 10.1 * MS
    place = time_of(made, tmp_path).place("input")
    assert place is not None and (place.place.line, place.share) == (80, pytest.approx(0.67, abs=0.01))


def test_numbers_are_plain(tmp_path: Path) -> None:
    time = time_of(training(5, loader_us=3 * MS), tmp_path)
    assert type(time.shares.input) is float and all(type(gain.predicted) is float for gain in time.gains)
    assert not isinstance(time.device, np.integer)
