"""`report`, `check` and `diff` take a GPU trace where they take a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gpuwatch.views.json import schema
from gpuwatch.words.gpu_trace import CLASS_KEYS
from tests.traces import FakeTrace, training

MS = 1000.0


@pytest.fixture
def slow(tmp_path: Path) -> str:
    training(8, loader_us=10 * MS).write(tmp_path / "slow.json.gz")
    return "slow.json.gz"


@pytest.fixture
def fast(tmp_path: Path) -> str:
    training(8, loader_us=10.0, loader="_MultiProcessingDataLoaderIter").write(tmp_path / "fast.json")
    return "fast.json"


def test_the_card_of_a_trace(call: Any, slow: str) -> None:
    result = call("report", slow)
    assert result.code == 0 and result.err == ""
    assert "Input-bound  The GPU idles 47% of its time because the next batch is not there" in result.out
    assert "num_workers=" in result.out and "idle: input" in result.out and "Test GPU" in result.out


def test_json_of_a_trace_fits_the_schema(call: Any, slow: str) -> None:
    for options in (("report", slow, "--json"), ("report", "--json", slow)):
        found = call(*options).json
        jsonschema.validate(found, schema())
        (time,) = found["gpu_time"]
        assert set(time["shares"]) == set(CLASS_KEYS) and sum(time["shares"].values()) == pytest.approx(1.0)
        assert (time["device"], time["rank"], time["steps"], time["steps_by"]) == (0, 0, 8, "profiler steps")
        assert time["span_ms"] == pytest.approx(150.5, abs=0.1) and found["run"]["devices"] == ["Test GPU"]
        assert found["verdict"]["bound"] == "input" and found["findings"][0]["id"] == "no-worker-processes"


def test_a_run_has_no_gpu_time_without_a_trace(call: Any) -> None:
    from tests.unit.commands.test_reading_verbs import add_run

    add_run("20261120-120000")
    assert "gpu_time" not in call("report", "--json").json


def test_markdown_of_a_trace(call: Any, slow: str) -> None:
    assert call("report", slow, "--markdown").out.startswith("### gpuwatch: Input-bound.")


def test_a_folder_and_several_files_are_the_ranks_of_one_training(call: Any, tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    for rank in range(3):
        training(3, loader_us=rank * MS).write(tmp_path / "traces" / f"rank{rank}.json")
    folder = call("report", "traces", "--json").json
    assert [time["rank"] for time in folder["gpu_time"]] == [0, 1, 2]
    files = call("report", *(f"traces/rank{rank}.json" for rank in (0, 1)), "--json").json
    assert [time["rank"] for time in files["gpu_time"]] == [0, 1]
    assert "rank 2 GPU 0" in call("report", "traces").out


def test_a_rank_without_its_gpu_is_said(call: Any, tmp_path: Path) -> None:
    folder = tmp_path / "ranks"
    folder.mkdir()
    training(6).write(folder / "rank0.json")
    FakeTrace().span("cpu_op", "aten::mm", 0.0, 100.0).write(folder / "rank1.json")
    found = call("report", "ranks", "--json").json
    assert [time["rank"] for time in found["gpu_time"]] == [0]
    assert found["problems"] == ["rank1.json: no GPU activity: the profiler recorded the host alone"]


def test_a_trace_and_a_run_are_no_one_report(call: Any, slow: str) -> None:
    result = call("report", slow, "two")
    assert result.code == 2 and "traces and runs are no one report" in result.err


def test_a_gate_on_a_trace(call: Any, slow: str, fast: str) -> None:
    expression = "gpu_idle>20% or gpu_time_input>10% or input_wait>10%"
    assert call("check", slow, "--fail-on", expression).code == 3
    assert call("check", fast, "--fail-on", expression).code == 0
    assert call("check", slow, "--fail-on", "finding:no-worker-processes").code == 3
    assert call("check", fast, "--fail-on", "bound:input").code == 0


def test_two_traces_side_by_side(call: Any, slow: str, fast: str) -> None:
    found = call("diff", slow, fast, "--json").json
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["step"]["outcome"] == "better" and rows["step"]["change"]["median"] == pytest.approx(0.5, abs=0.02)
    assert rows["idle: input"]["a"] == pytest.approx(0.46, abs=0.02) and rows["idle: input"]["b"] < 0.01
    assert "no-worker-processes" in found["findings_gone"] and not found["findings_new"]
    assert found["headline"].startswith("B's steps are faster: 1.99×")


def test_a_trace_that_does_not_hold_what_ran(call: Any, tmp_path: Path) -> None:
    made = FakeTrace()
    for step in range(10):
        at = step * 20 * MS
        made.launch(at, at + 10.0, 100.0).call("cudaGraphLaunch", at + 20.0, 30.0)
        made.copy(at + 60.0, at + 19 * MS, 5.0, "DtoH (Device -> Pageable)", 19 * MS)
    made.write(tmp_path / "t.json")
    result = call("report", "t.json")
    assert "Idle time is not measurable from this trace" in result.out
    assert "Record again without CUDA graphs" in result.out
    assert call("report", "t.json", "--json").json["findings"] == []


def test_a_trace_of_the_host_alone_says_what_to_record(call: Any, tmp_path: Path) -> None:
    FakeTrace().span("cpu_op", "aten::mm", 0.0, 10.0).write(tmp_path / "t.json")
    result = call("report", "t.json")
    assert result.code == 1 and result.err.count("\n") == 1
    assert "t.json has no GPU activity" in result.err and "ProfilerActivity.CUDA" in result.err


def test_a_torn_trace_says_so_on_its_card(call: Any, slow: str, tmp_path: Path) -> None:
    data = (tmp_path / slow).read_bytes()
    (tmp_path / "torn.json.gz").write_bytes(data[: len(data) * 3 // 4])
    assert "the trace was cut off: what came later is missing" in call("report", "torn.json.gz").out


def test_input_of_workers_says_what_names_the_line(call: Any, tmp_path: Path) -> None:
    training(8, loader_us=10 * MS, loader="_MultiProcessingDataLoaderIter").write(tmp_path / "t.json")
    result = call("report", "t.json")
    assert "Input-bound" in result.out and "gpuwatch run -- COMMAND" in result.out and "num_workers" not in result.out


def test_a_device_at_work_gets_no_advice(call: Any, fast: str) -> None:
    found = call("report", fast, "--json").json
    assert (found["verdict"]["bound"], found["findings"]) == ("compute", [])
    assert found["verdict"]["leave_input_alone"]


def test_the_page_of_a_trace_has_its_lanes(call: Any, slow: str, tmp_path: Path) -> None:
    assert call("report", slow, "--html", "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    for words in ("idle: input", "launch queue", "launching thread", "150 ms from its first to its last activity"):
        assert words in page
    assert "No training process was measured" not in page and "1970" not in page


def test_the_lanes_of_a_trace_are_its_streams_gaps_queue_and_host(tmp_path: Path) -> None:
    from gpuwatch.build_traced import build_traced
    from gpuwatch.traces.read import read_traces

    timeline = build_traced(read_traces([training(3, loader_us=10 * MS).write(tmp_path / "t.json")])).timeline
    assert timeline is not None
    lanes = {lane.of.key: lane for lane in timeline.lanes}
    assert lanes["stream"].name == "stream 7" and lanes["stream"].group == "GPU 0"
    # From the device's first activity on: the first request came before it.
    idle = sum(end - start for start, end, _ in lanes["idle_input"].spans)
    assert idle == pytest.approx(0.02, abs=1e-4)
    assert max(value for value in lanes["launch_queue"].values if value is not None) == 10
    assert {label for _, _, label in lanes["host_thread"].spans} == {
        "launching",
        "waiting for the GPU",
        "in the loader",
    }


def test_a_rule_explains_itself_on_a_trace(call: Any, slow: str) -> None:
    result = call("explain", "no-worker-processes", "--run", slow)
    assert result.code == 0 and "batches are made in the training process" in result.out
    assert "a GPU trace that holds all that ran" in result.out


def test_the_function_that_holds_the_idle_time_is_on_the_card(call: Any, tmp_path: Path) -> None:
    made = training(8, loader_us=10 * MS)
    for event in [event for event in made.events if "DataLoader" in event["name"]]:
        made.span("python_function", "data.py(30): __getitem__", event["ts"], event["dur"])
        made.span("python_function", "scipy/ndimage/x.py(5): zoom", event["ts"] + 1, event["dur"] - 2)
    made.write(tmp_path / "t.json")
    said = " ".join(call("report", "t.json").out.split())
    assert "of input in __getitem__, data.py:30, most of that in zoom (scipy/ndimage/x.py)" in said


def test_steps_that_are_longer_than_the_devices_span_are_said(call: Any, tmp_path: Path) -> None:
    made = FakeTrace().span("user_annotation", "ProfilerStep#1", 0.0, 30 * MS).call("cudaStreamSynchronize", 0.0, 1.0)
    for number in range(10):
        made.launch(20 * MS + number, 20 * MS + 10.0 + number * MS, MS)
    made.write(tmp_path / "t.json")
    said = " ".join(call("report", "t.json").out.split())
    assert "30 ms on average; 20 ms of the steps lie before its first or after its last activity" in said


def test_a_bound_without_a_finding_has_a_next_step(call: Any, tmp_path: Path) -> None:
    made = FakeTrace()
    for step in range(20):
        at = step * 10 * MS
        made.copy(at, at + 10.0, 4 * MS, "HtoD (Pinned -> Device)", 6.0).launch(at + 10.0, at + 4.02 * MS, 5.9 * MS)
    made.write(tmp_path / "t.json")
    result = call("report", "t.json")
    assert "Transfer-bound" in result.out and "Copy the next batch on a stream of its own" in result.out
