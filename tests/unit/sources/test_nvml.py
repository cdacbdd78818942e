"""What the sampler writes of GPUs, through the real pynvml in a process of its own, against the double."""

from __future__ import annotations

import ctypes
from pathlib import Path

from tests.doubles.nvml import state
from tests.doubles.nvml.fixtures import Double, nvml, nvml_library

__all__ = ["nvml", "nvml_library"]


def test_the_c_and_the_python_side_of_the_double_agree(nvml_library: Path) -> None:
    library = ctypes.CDLL(str(nvml_library / "libnvidia-ml.so.1"))
    library.nvml_double_state_size.restype = ctypes.c_uint64
    assert library.nvml_double_state_size() == ctypes.sizeof(state.State)


def test_reads_every_column_of_a_gpu(nvml: Double) -> None:
    nvml.state.apply(1, {"busy": 97, "memory_busy": 40, "memory_used": 30 << 30, "power_mw": 512_345, "energy_mj": 77,
                         "temperature_c": 66, "sm_mhz": 1755, "reasons": 4, "pcie_tx_bytes": 10_000, "pcie_rx_bytes": 20_000,
                         "nvlink_tx_kib": 3, "nvlink_rx_kib": 4, "gpm": {2: 41.5, 3: 20.0, 5: 18.25, 10: 33.0}})  # fmt: skip
    sampled = nvml.sampler()
    row = sampled.wait_for("gpu", lambda row: row["device"] == 1 and row["sm_active"] is not None)
    wanted = {"busy": 97, "memory_busy": 40, "memory_used_bytes": 30 << 30, "power_mw": 512_345, "energy_mj": 77,
              "temperature_c": 66, "sm_mhz": 1755, "memory_mhz": 2619, "reasons": 4, "sm_active": 41.5, "occupancy": 20.0,
              "tensor_active": 18.25, "dram_active": 33.0, "pcie_tx_bytes": 10_000, "pcie_rx_bytes": 20_000,
              "nvlink_tx_bytes": 3072, "nvlink_rx_bytes": 4096, "error": None}  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted
    device = sampled.wait_for("device", lambda row: row["device"] == 1)
    assert (
        device["uuid"].endswith("0001")
        and device["name"] == "NVIDIA Double"
        and device["bus_id"].startswith("00000000:02")
    )
    assert (
        device["memory_total_bytes"] == 80 << 30
        and device["power_limit_mw"] == 700_000
        and device["sm_mhz_max"] == 1980
    )
    assert (
        device["driver"] == "999.0-double"
        and device["gpm"] is True
        and device["mig"] is False
        and device["unsupported"] == []
    )
    assert sampled.stop() == 0
    assert sampled.rows("gap") == []


def test_a_change_is_seen_at_the_next_tick(nvml: Double) -> None:
    sampled = nvml.sampler()
    assert sampled.wait_for("gpu", lambda row: row["device"] == 0)["busy"] == 0
    nvml.state.device[0].busy = 64
    sampled.wait_for("gpu", lambda row: row["device"] == 0 and row["busy"] == 64)


def test_drains_the_drivers_busy_samples_once_each(nvml: Double) -> None:
    nvml.state.device[0].busy = 55
    nvml.state.device[1].samples_empty = 1
    sampled = nvml.sampler()
    began = sampled.wait_for("gpu")["t"]
    row = sampled.wait_for("gpu_busy")
    sampled.wait_for("gpu", lambda row: row["t"] > began + 1_500_000_000)
    sampled.stop()
    rows = sampled.rows("gpu_busy")
    assert row["interval_ns"] == 166_667_000 and set(row["busy"]) == {55}
    assert {row["device"] for row in rows} == {0}  # the other one's buffer is empty: NOT_FOUND is no error
    drained = sum(len(row["busy"]) for row in rows)
    span_s = (rows[-1]["t"] - began) / 1e9
    assert drained <= span_s * 6 + 2, "samples were counted twice"


def test_names_the_processes_on_a_gpu(nvml: Double) -> None:
    nvml.state.run_process(0, 4321, 5 << 30, 61)
    row = nvml.sampler().wait_for("gpu_process")
    assert (row["device"], row["pid"], row["memory_bytes"], row["sm_percent"]) == (0, 4321, 5 << 30, 61)


def test_reports_an_xid_with_its_gpu(nvml: Double) -> None:
    sampled = nvml.sampler()
    sampled.wait_for("gpu")
    nvml.state.device[1].xid = 79
    row = sampled.wait_for("xid")
    assert (row["device"], row["xid"]) == (1, 79)


def test_gpm_samples_too_close_together_are_not_taken(nvml: Double) -> None:
    nvml.state.apply(0, {"gpm": {2: 50.0}})
    sampled = nvml.sampler("--rate", "20")  # 50 ms apart: below what GPM answers for
    sampled.wait_for("gpu", lambda row: row["device"] == 0 and row["sm_active"] is not None)
    sampled.stop()
    seen = {row["sm_active"] for row in sampled.rows("gpu") if row["device"] == 0}
    assert seen == {50.0, None}


def test_never_asks_for_the_blocking_pcie_throughput(nvml: Double) -> None:
    sampled = nvml.sampler()
    sampled.wait_for("gpu")
    sampled.stop()
    assert nvml.state.calls > 20 and nvml.state.pcie_throughput_calls == 0


def test_mig_has_no_busy_but_the_rest(nvml: Double) -> None:
    nvml.state.device[0].mig = 1
    nvml.state.device[0].memory_used = 3 << 30
    sampled = nvml.sampler()
    device = sampled.wait_for("device", lambda row: row["device"] == 0)
    assert (
        device["mig"] is True
        and "busy" in device["unsupported"]
        and device["why_unsupported"]["busy"] == "not supported by this GPU"
    )
    row = sampled.wait_for("gpu", lambda row: row["device"] == 0)
    assert row["busy"] is None and row["memory_used_bytes"] == 3 << 30


def test_replays_a_recorded_trace(nvml: Double, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text('[0.0, 0, {"busy": 10}]\n[0.5, 0, {"busy": 90, "gpm": {"2": 12.5}}]\n')
    sampled = nvml.sampler()
    for _, device, values in state.trace(trace):
        nvml.state.apply(device, values)
        sampled.wait_for("gpu", lambda row, busy=values["busy"]: row["device"] == 0 and row["busy"] == busy)
    sampled.wait_for("gpu", lambda row: row["sm_active"] == 12.5)
