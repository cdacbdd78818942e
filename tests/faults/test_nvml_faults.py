"""GPUs and drivers that misbehave: the sampler goes on, says why, and asks no dead call twice."""

from __future__ import annotations

from pathlib import Path

from tests.doubles.nvml import state
from tests.doubles.nvml.fixtures import Double, nvml, nvml_library

__all__ = ["nvml", "nvml_library"]

OTHER_KINDS = ("cpu", "memory", "process", "tick")


def test_calls_that_the_gpu_refuses_are_remembered(nvml: Double) -> None:
    nvml.state.refuse("nvmlDeviceGetPowerUsage", "nvmlGpmQueryDeviceSupport")
    nvml.state.refuse("nvmlDeviceGetComputeRunningProcesses_v3", code=state.NO_PERMISSION)
    sampled = nvml.sampler()
    device = sampled.wait_for("device")
    reasons = device["why_unsupported"]
    assert device["unsupported"] == ["gpm", "power", "processes"] == list(reasons)
    assert reasons["power"] == reasons["gpm"] == "not supported by this GPU" and device["gpm"] is False
    first = sampled.wait_for("gpu")
    sampled.wait_for("gpu", lambda row: row["t"] > first["t"] + 1_000_000_000)
    sampled.stop()
    assert all(row["power_mw"] is None and row["busy"] == 0 for row in sampled.rows("gpu"))
    assert nvml.state.refused_calls == 2 * 3, "each refused call may be asked once per GPU"


def test_a_field_that_is_not_offered_leaves_the_other_fields(nvml: Double) -> None:
    nvml.state.device[0].nvlink_tx_kib = 2**64 - 1
    nvml.state.device[0].energy_mj = 5
    sampled = nvml.sampler()
    row = sampled.wait_for("gpu", lambda row: row["device"] == 0)
    assert row["nvlink_tx_bytes"] is None and row["energy_mj"] == 5
    device = sampled.wait_for("device", lambda row: row["device"] == 0)
    assert device["why_unsupported"] == {"nvlink_tx": "not supported by this GPU"}


def test_an_older_driver_answers_by_the_older_names(nvml: Double) -> None:
    nvml.state.device[0].reasons = 8
    nvml.state.refuse(
        "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetCurrentClocksEventReasons", code=state.FUNCTION_NOT_FOUND
    )
    sampled = nvml.sampler()
    row = sampled.wait_for("gpu", lambda row: row["device"] == 0)
    assert row["reasons"] == 8 and row["memory_used_bytes"] == 600 << 20  # the first version counts the reserve as used
    assert sampled.wait_for("device", lambda row: row["device"] == 0)["unsupported"] == []


def test_a_gpu_lost_mid_run_is_a_gap_until_it_is_back(nvml: Double) -> None:
    sampled = nvml.sampler()
    sampled.wait_for("gpu", lambda row: row["device"] == 0)
    nvml.state.device[0].error = state.LOST
    lost = sampled.wait_for("gpu", lambda row: row["error"] is not None)
    assert lost["device"] == 0 and "lost" in lost["error"] and lost["busy"] is None
    sampled.wait_for("gpu", lambda row: row["device"] == 1 and row["t"] > lost["t"])
    nvml.state.apply(0, {"error": 0, "busy": 33})
    gap = sampled.wait_for("gap")
    assert (
        gap["source"] == "nvml:0" and "lost" in gap["reason"] and gap["t0"] >= lost["t"] - 1 and gap["t1"] > gap["t0"]
    )
    assert len([row for row in sampled.rows("device") if row["device"] == 0]) == 2
    sampled.wait_for("gpu", lambda row: row["device"] == 0 and row["busy"] == 33 and row["t"] > lost["t"])


def test_a_gpu_still_lost_at_the_end_is_a_gap(nvml: Double) -> None:
    sampled = nvml.sampler()
    sampled.wait_for("gpu", lambda row: row["device"] == 1)
    nvml.state.device[1].error = state.LOST
    sampled.wait_for("gpu", lambda row: row["error"] is not None)
    assert sampled.stop() == 0
    assert [row["source"] for row in sampled.rows("gap")] == ["nvml:1"]


def test_a_gpu_lost_from_the_start_leaves_the_others(nvml: Double) -> None:
    nvml.state.device[0].error = state.LOST
    sampled = nvml.sampler()
    assert sampled.wait_for("gpu", lambda row: row["device"] == 1)["error"] is None
    assert "lost" in sampled.wait_for("gpu", lambda row: row["device"] == 0)["error"]


def test_an_odd_error_of_one_call_costs_one_value(nvml: Double) -> None:
    nvml.state.refuse("nvmlDeviceGetTemperature", code=state.UNKNOWN)
    row = nvml.sampler().wait_for("gpu")
    assert row["temperature_c"] is None and row["power_mw"] == 70_000 and row["error"] is None


def test_without_a_driver_one_reason_and_everything_else(nvml: Double) -> None:
    nvml.state.init_error = state.DRIVER_NOT_LOADED
    sampled = nvml.sampler()
    _goes_on_without_gpu(sampled, "the NVIDIA driver is not loaded")


def test_without_a_library_one_reason_and_everything_else(nvml: Double, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "libnvidia-ml.so.1").touch()
    sampled = nvml.sampler(LD_LIBRARY_PATH=str(empty))
    _goes_on_without_gpu(sampled, "libnvidia-ml.so.1 was not found: there is no NVIDIA driver here")


def test_a_driver_that_never_answers_stops_nobody(nvml: Double) -> None:
    sampled = nvml.sampler()
    sampled.wait_for("gpu")
    nvml.state.hang = 1
    hung = sampled.wait_for("tick", lambda row: row["t"] > sampled.rows("gpu")[-1]["t"] + 1_000_000_000)
    for kind in OTHER_KINDS:
        sampled.wait_for(kind, lambda row: row["t"] >= hung["t"] - 1_000_000_000)
    assert sampled.stop() == 0, "the sampler must end although the driver does not answer"
    gap = sampled.rows("gap")[-1]
    assert gap["source"] == "nvml" and "had not answered" in gap["reason"]


def test_a_driver_that_answers_late_is_noted(nvml: Double) -> None:
    sampled = nvml.sampler()
    sampled.wait_for("gpu")
    nvml.state.hang = 1
    last = sampled.rows("gpu")[-1]["t"]
    sampled.wait_for("tick", lambda row: row["t"] > last + 1_500_000_000)
    nvml.state.hang = 0
    gap = sampled.wait_for("gap")
    assert gap["source"] == "nvml" and "to answer" in gap["reason"] and gap["t1"] - gap["t0"] > 1_000_000_000
    sampled.wait_for("gpu", lambda row: row["t"] > gap["t1"])


def _goes_on_without_gpu(sampled: object, reason: str) -> None:
    meta = sampled.wait_for("meta", lambda row: row["key"] == "source" and row["value"]["name"] == "nvml")  # type: ignore[attr-defined]
    assert meta["value"]["unavailable"] == reason
    for kind in OTHER_KINDS:
        sampled.wait_for(kind)  # type: ignore[attr-defined]
    assert sampled.stop() == 0  # type: ignore[attr-defined]
    assert sampled.rows("gpu") == []  # type: ignore[attr-defined]
    assert sampled.process.returncode == 0  # type: ignore[attr-defined]
