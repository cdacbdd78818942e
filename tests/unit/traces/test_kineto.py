"""Traces of torch.profiler are read in every form that recorders have written, and broken ones as far as they go."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpuwatch.errors import GpuwatchError
from gpuwatch.model.trace import Events, Trace
from gpuwatch.traces import events
from gpuwatch.traces.kineto import read
from gpuwatch.traces.read import names_traces, read_traces
from gpuwatch.words import gpu_trace as words
from tests.traces import FakeTrace, training


def same(one: Trace, other: Trace) -> bool:
    """Say whether two traces hold the same events at the same times; those of one time have no order."""

    def rows(events: Events) -> list[tuple[float, ...]]:
        return sorted(zip(events.start, events.end, events.kind, events.correlation, strict=True))

    return rows(one.device) == rows(other.device) and rows(one.host) == rows(other.host)


@pytest.mark.parametrize("form", ["object", "list", "pretty"])
@pytest.mark.parametrize("name", ["t.json", "t.json.gz"])
def test_every_form_holds_the_same_events(tmp_path: Path, form: str, name: str) -> None:
    trace = read(training().write(tmp_path / name, form))
    assert len(trace.device) == 50 and not trace.lost
    assert trace.device.start[0] == 10.0 + 10.0 and set(trace.device.kind) == {words.KERNEL}
    assert trace.device_names == ({} if form == "list" else {0: "Test GPU"})
    assert same(trace, read(training().write(tmp_path / "other.json")))


def test_old_category_names_and_whole_microseconds(tmp_path: Path) -> None:
    old = read(training(loader_us=500.0).old().write(tmp_path / "old.json"))
    assert same(old, read(training(loader_us=500.0).old().write(tmp_path / "new.json")))
    kinds = dict(zip(*np.unique(old.host.kind, return_counts=True), strict=True))
    assert kinds == {words.CALL: 55, words.OPERATOR: 60}
    assert old.threads[old.host.thread[0]] == "1000/1"


def test_times_as_text_and_in_any_order(tmp_path: Path) -> None:
    made = training()
    random.Random(3).shuffle(made.events)
    for event in made.events[::2]:
        event["ts"], event["dur"] = str(event["ts"]), str(event["dur"])
    assert same(read(made.write(tmp_path / "a.json")), read(training().write(tmp_path / "b.json")))


def test_batches_are_cut_between_events_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = training(20)
    for event in made.events:
        event["name"] += '"},{"ph": "X"'
        event["args"]["nested"] = [{"a": [{"b": 1}, {"c": 2}]}, {"d": 3}]
    whole = read(made.write(tmp_path / "a.json"))
    monkeypatch.setattr(events, "BATCH", 900)
    monkeypatch.setattr("gpuwatch.traces.unpacked.PIECE", 700)
    assert same(whole, read(tmp_path / "a.json")) and len(whole.device) == 200


@pytest.mark.parametrize("number", ["NaN", "nan", "-nan", "inf", "Infinity", "-inf"])
def test_numbers_that_json_has_no_word_for(tmp_path: Path, number: str) -> None:
    text = training().text("pretty").replace('"stream": 7', f'"memory bandwidth (GB/s)": {number}, "stream": 7')
    (tmp_path / "a.json").write_text(text)
    trace = read(tmp_path / "a.json")
    assert len(trace.device) == 50 and not trace.lost


def test_bytes_that_are_no_utf8_and_stray_backslashes(tmp_path: Path) -> None:
    data = training().text().encode().replace(b'"gemm"', b'"ge\xff\xfemm C:\\Users"', 7)
    (tmp_path / "a.json").write_bytes(data)
    trace = read(tmp_path / "a.json")
    assert len(trace.device) == 50 and not trace.lost
    assert any("C:\\Users" in name for name in trace.names)


@pytest.mark.parametrize("packed", [False, True])
def test_a_torn_file_gives_what_came_before(tmp_path: Path, packed: bool) -> None:
    data = training(40).text("pretty").encode()
    data = gzip.compress(data) if packed else data
    path = tmp_path / ("a.json.gz" if packed else "a.json")
    path.write_bytes(data[: len(data) * 2 // 3])
    trace = read(path)
    assert 200 < len(trace.device) < 400
    assert trace.lost[0] == "the trace was cut off: what came later is missing"


def test_one_broken_event_costs_itself_alone(tmp_path: Path) -> None:
    made = training()
    text = made.text().replace('"name": "gemm"', '"name": gemm', 1)
    (tmp_path / "a.json").write_text(text)
    trace = read(tmp_path / "a.json")
    assert len(trace.device) == 49 and trace.lost == ("1 event of the trace could not be read",)


def test_times_that_cannot_be_are_counted(tmp_path: Path) -> None:
    made = training()
    for event, wrong in zip(made.events, (None, [], {}, "x", -1e308, 10**40, True), strict=False):
        event["ts"] = wrong
    made.events[20]["dur"] = -5
    trace = read(made.write(tmp_path / "a.json"))
    assert trace.lost == ("8 events of the trace could not be read",)
    assert len(trace.device) + len(trace.host) == len(made.events) - 8


@pytest.mark.parametrize("only", [True, False])
def test_a_time_that_is_a_list_costs_its_event_alone(tmp_path: Path, only: bool) -> None:
    made = FakeTrace().span("cpu_op", "aten::mm", 0.0, 5.0)
    made.events[0]["ts"] = [1, 2]
    if only:
        with pytest.raises(GpuwatchError, match="no event of it"):
            read(made.write(tmp_path / "a.json"))
    else:
        made.launch(0.0, 10.0, 20.0)
        assert read(made.write(tmp_path / "a.json")).lost == ("1 event of the trace could not be read",)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"hello", "is no trace"),
        (b"{}", "is no trace"),
        (b'{"traceEvents": 5}', "is no trace"),
        (b"[]", "is no GPU trace"),
        (b'[{"ph": "B", "name": "x"}]', "is no GPU trace"),
        (b"PK\x03\x04rest", "is a zip archive"),
        (b"\x80\x04rest", "is a pickle"),
        (b"\x1f\x8bbroken", "is empty"),
        (b"SQLite format 3\0rest", "cannot be read as an nsys export"),
    ],
)
def test_a_foreign_file_is_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(GpuwatchError, match=said) as error:
        read_traces([tmp_path / "a.json"])
    assert "\n" not in str(error.value)


def test_a_folder_gives_a_trace_for_each_rank(tmp_path: Path) -> None:
    for rank in (10, 2, 0):
        training(2).write(tmp_path / f"host_rank{rank}.pt.trace.json.gz")
    assert names_traces(tmp_path)
    assert [trace.rank for trace in read_traces([tmp_path])] == [0, 2, 10]
    (tmp_path / "run.json").write_text("{}")
    assert not names_traces(tmp_path)


def test_the_rank_that_a_trace_names_counts(tmp_path: Path) -> None:
    document = training(2).document() | {"distributedInfo": {"rank": 5, "world_size": 8}}
    (tmp_path / "rank0.json").write_text(json.dumps(document))
    (trace,) = read_traces([tmp_path / "rank0.json"])
    assert (trace.rank, trace.world_size) == (5, 8)


def test_keys_after_the_events_are_read(tmp_path: Path) -> None:
    document = training(2).document()
    document["deviceProperties"] = document.pop("deviceProperties")
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert read(tmp_path / "a.json").device_names == {0: "Test GPU"}


def test_other_makers_runtimes_are_calls(tmp_path: Path) -> None:
    made = FakeTrace()
    for category in ("cuda_driver", "xpu_runtime", "privateuse1_runtime"):
        made.span(category, "someLaunchKernel", 0.0, 5.0, correlation=3)
    made.launch(0.0, 10.0, 20.0)
    assert (read(made.write(tmp_path / "a.json")).host.kind == words.CALL).all()


def beside(other: FakeTrace, pid: int, first: int) -> FakeTrace:
    """Return a trace as of another process, on the next device; its calls are numbered from `first` on."""
    for event in other.events:
        event["pid"] = 1 if event["cat"] == "kernel" else pid
        arguments = event["args"]
        if "correlation" in arguments:
            arguments["correlation"] += first
        if "device" in arguments:
            arguments["device"] = 1
    return other


def test_several_processes_in_one_file_are_told_apart_or_refused(tmp_path: Path) -> None:
    apart, mixed = training(), training()
    apart.events += beside(training(), 2000, first=10_000).events
    mixed.events += beside(training(), 2000, first=0).events
    assert set(read(apart.write(tmp_path / "apart.json")).device.device) == {0, 1}
    with pytest.raises(GpuwatchError, match="several processes whose launches have the same numbers"):
        read(mixed.write(tmp_path / "mixed.json"))


_MEASURE = """
import resource, sys
from pathlib import Path
from gpuwatch.traces.kineto import read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
trace = read(Path(sys.argv[1]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, trace.bytes, len(trace.device))
"""


def test_a_large_trace_is_never_in_memory_as_objects(tmp_path: Path) -> None:
    path = training(1500).write(tmp_path / "large.json", "pretty")
    done = subprocess.run([sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, check=True)
    grown, size, activities = map(int, done.stdout.split())
    assert activities == 15_000 and size > 10_000_000
    assert grown <= 6 * size


_LOADED = """
import sys
from pathlib import Path
from gpuwatch.build_traced import build_traced
from gpuwatch.traces.read import read_traces
build_traced(read_traces([Path(sys.argv[1])]), with_timeline=False)
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def test_a_trace_is_judged_without_what_it_does_not_need(tmp_path: Path) -> None:
    path = training(6, loader_us=500.0).write(tmp_path / "a.json")
    heavy = ("numpy.random", "numpy.ma", "sqlite3", "gpuwatch.analyze.build", "gpuwatch.store.reader", "torch")
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, str(path), *heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
