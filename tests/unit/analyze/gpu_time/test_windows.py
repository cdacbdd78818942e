"""A run's own windows of torch.profiler: joined to its steps and its workers, and left out of its figures."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gpuwatch.model.measures import Place
from gpuwatch.model.report import Report
from gpuwatch.traces.windows import files_of, make_small, read_windows
from gpuwatch.views import traced_windows
from gpuwatch.views.card import prepare
from gpuwatch.views.html import render
from gpuwatch.views.json import dumps, schema, to_dict
from gpuwatch.views.perfetto import to_trace
from tests.spools import MS, START, FakeRun, FakeTrainer, report_of
from tests.traces import FakeTrace

LOADER = "enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__"
USUAL, TRACED, LATE = 42, 4, 42
# The recorder's clock is none of ours.
BASE_US = 5_000_000_000.0


def us(now_ns: int) -> float:
    return BASE_US + (now_ns - START) / 1e3


def traced_step(trainer: FakeTrainer, trace: FakeTrace, number: int, index: int, wait_ms: float, device: bool) -> None:
    """Run one step of 40 ms in the window, as the hook and torch.profiler see it."""
    began = us(trainer.now)
    trainer.ask(number, index, wait_ms, awaited=1)
    got = us(trainer.now)
    trainer.step(40)
    ended = us(trainer.now)
    trace.span("user_annotation", f"ProfilerStep#{index - 40}", began, ended - began - 1.0)
    trace.span("user_annotation", LOADER, began, got - began)
    trace.span("cpu_op", "aten::linear", got + 100, 8000).span("cpu_op", "aten::addmm", got + 200, 7000)
    trace.span("cpu_op", "autograd::engine::evaluate_function: AddmmBackward0", got + 10_000, 10_000, tid=2)
    trace.span("cpu_op", "aten::mm", got + 10_500, 9000, tid=2)
    trace.span("user_annotation", "Optimizer.step#Adam.step", got + 21_000, 3000)
    trace.span("cpu_op", "aten::add_", got + 21_100, 2000)
    if device:
        trace.launch(got + 300, got + 310, ended - got - 320)


def traced_run(folder: Path, device: bool = True, late_by: int = 202, **row: Any) -> FakeRun:
    """Record 64 steps of 20 ms of which four are traced; in the third of these, batch 42 is 15 ms late."""
    run = FakeRun(folder / "run")
    trainer = run.trainer()
    number = trainer.iterate(workers=[(0, 201), (1, 202)])
    for index in range(40):
        trainer.ask(number, index, 0.5).step(20)
    opened, marks, trace, asked = trainer.now, [], FakeTrace(), 0
    trainer.do("other", 30)
    for index in range(40, 44):
        marks.append(trainer.now)
        asked = trainer.now if index == LATE else asked
        traced_step(trainer, trace, number, index, 15.0 if index == LATE else 0.5, device)
    marks.append(trainer.now)
    trainer.do("other", 50)
    told = {
        "state": "closed",
        "file": "100-1.json",
        "t0": opened,
        "t1": trainer.now,
        "why": "steps",
        "iterator": number,
    }
    told |= {"open_ns": 30 * MS, "close_ns": 50 * MS, "marks": marks, "activities": ["CPU", "CUDA"][: 1 + device]} | row
    trainer.add("gpu_trace", t=trainer.now, **told)
    for index in range(44, 64):
        trainer.ask(number, index, 0.5).step(20)
    worker = run.worker(late_by, number=late_by - 201, at=START)
    worker.add("op", op=1, kind="transform", name="Blur", file="/home/me/data.py", line=12, function="blur", position=0)
    worker.now = asked - 10 * MS
    worker.fetch(LATE, 24.0, operations=[[1, 8, 21 * MS], [2, 8, 1 * MS]])
    (run.path / "traces").mkdir(parents=True)
    trace.write(run.path / "traces" / "100-1.json")
    return run


def report(run: FakeRun, **changes: Any) -> Report:
    return report_of(run, gpu_trace="auto", **changes)


def test_traced_steps_are_left_out_of_the_figures_and_what_a_window_took_is_a_phase(tmp_path: Path) -> None:
    found = report(traced_run(tmp_path))
    (rank,) = found.ranks
    assert rank.step_ms and rank.step_ms.median == pytest.approx(20.5, abs=0.01)
    phases = {phase.name: phase.seconds for phase in rank.phases}
    assert phases["tracing"] == pytest.approx(0.08, abs=1e-6)
    assert sum(phases.values()) == pytest.approx(rank.seconds)
    assert rank.steps + rank.warmup_steps + TRACED + 1 == 63  # the step after the window has its closing in it
    assert found.traced and found.traced.cost_s == pytest.approx(0.08 + (3 * 40.5 + 55 - 4 * 20.5) / 1e3, abs=1e-6)
    assert "GPU trace 174 ms" in prepare(found).cost


def test_operators_by_their_own_time_in_each_part(tmp_path: Path) -> None:
    found = report(traced_run(tmp_path, device=False))
    assert found.traced and not found.gpu_time
    (window,) = found.traced.windows
    parts = {part.part: part for part in window.parts}
    assert list(parts) == ["forward", "backward", "optimizer"]
    assert [(each.name, round(each.share, 3)) for each in parts["forward"].operators] == [
        ("aten::addmm", 0.875), ("aten::linear", 0.125),
    ]  # fmt: skip
    assert parts["forward"].ms == pytest.approx(8.0) and parts["forward"].operators[0].calls == 1.0
    assert parts["backward"].operators[0].name == "aten::mm" and parts["backward"].ms == pytest.approx(10.0)
    assert [(each.name, each.ms) for each in parts["optimizer"].operators] == [("aten::add_", pytest.approx(2.0))]
    assert (window.steps, window.activities, window.ended_by) == (4, ("CPU",), "steps")
    assert window.step_ms == pytest.approx(44.125) and window.usual_ms == pytest.approx(20.5)
    lines = {fact.label: fact.text for fact in prepare(found).traced}
    assert lines["forward"] == "8 ms in operators: aten::addmm 88%, aten::linear 12%"
    assert "Traced steps" in render(found) and "aten::addmm" in render(found)


def test_a_gap_of_the_device_names_the_worker_the_batch_the_operation_and_the_line(tmp_path: Path) -> None:
    found = report(traced_run(tmp_path))
    assert found.traced
    (window,) = found.traced.windows
    longest = max(window.late, key=lambda late: late.gap_ms)
    assert (longest.batch, longest.worker, longest.doing, longest.device) == (LATE, 1, "making it", 0)
    assert longest.gap_ms == pytest.approx(15.0, abs=0.1) and longest.making_ms == pytest.approx(24.0)
    assert (longest.operation, longest.operation_ms) == ("Blur", pytest.approx(21.0))
    assert longest.where == Place("/home/me/data.py", 12, "blur")
    said = traced_windows.late_text(longest, "/home/me")
    assert said == (
        "the GPU stood idle 15 ms for batch 42 of worker 1, which was being made (24 ms); 21 ms in Blur, data.py:12"
    )
    (time,) = found.gpu_time
    assert (time.device, time.rank, time.steps, time.steps_by) == (0, 0, 4, "profiler steps")
    jsonschema.validate(json.loads(dumps(to_dict(found))), schema())


def test_events_of_a_window_are_on_the_clock_of_the_run(tmp_path: Path) -> None:
    from gpuwatch.traces.windows import events_of

    run = traced_run(tmp_path)
    found = report(run)
    assert found.traced
    (window,) = found.traced.windows
    assert window.clock_us == pytest.approx(-BASE_US)
    recorded = list(events_of(run.path / "traces" / window.file, window.clock_us))
    exported = [e for e in to_trace(found, recorded)["traceEvents"] if e["name"] == "ProfilerStep#0"]
    lines = (run.path / "spool" / f"100-{START}.jsonl").read_text().splitlines()[1:]
    (row,) = (row for row in map(json.loads, lines) if row[0] == "gpu_trace")
    assert exported[0]["ts"] == pytest.approx((row[9][0] - START) / 1e3)
    assert exported[0]["pid"] == "torch.profiler 1000"


@pytest.mark.parametrize(
    ("row", "missing", "said"),
    [
        ({"state": "open", "t1": None}, "killed", "ended while its steps were traced"),
        ({"state": "failed", "why": "RuntimeError: no"}, "failed", "torch.profiler failed (RuntimeError: no)"),
        ({"state": "none", "file": None, "t0": None, "why": "profiler"}, "profiler", "a profiler of its own"),
        ({"state": "none", "file": None, "t0": None, "why": "injection"}, "injection", "nsys"),
    ],
)
def test_why_there_is_no_window(tmp_path: Path, row: dict[str, Any], missing: str, said: str) -> None:
    found = report(traced_run(tmp_path, **row))
    assert found.traced and not found.traced.windows and found.traced.missing == missing
    assert any(said in note for note in prepare(found).notes)


def test_a_run_that_ended_before_a_window_was_due_says_so(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run")
    run.trainer().loop(8)
    found = report(run)
    assert found.traced and found.traced.missing == "ended before"
    assert report_of(run).traced is None


def test_a_small_trace_says_the_same_and_a_torn_one_is_named(tmp_path: Path) -> None:
    run = traced_run(tmp_path)
    before = report(run)
    make_small(run.path)
    (small,) = (run.path / "traces").iterdir()
    assert small.name == "100-1.json.gz" and json.loads(gzip.decompress(small.read_bytes()))["deviceProperties"]
    after = report(run)
    assert before.traced and after.traced and before.traced.windows == after.traced.windows
    small.write_bytes(small.read_bytes()[:-40])
    torn = report(run)
    assert any("the trace was cut off" in note for note in prepare(torn).notes)
    small.write_bytes(b"\x1f\x8bnothing")
    nothing = report(run)
    assert nothing.traced and not nothing.traced.windows
    assert any("100-1.json.gz cannot be read" in problem for problem in nothing.problems)


def test_what_is_kept_of_traces_has_a_limit(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "traces").mkdir(parents=True)
    for number in range(2):
        made = FakeTrace()
        for at in range(60_000):
            made.span(
                "cpu_op", f"aten::op{at * 7919 % 60_000}", float(at), 0.5, **{"External id": at, "Input Dims": [at]}
            )
        made.write(run / "traces" / f"7-{number}.json")
    make_small(run, 400_000)
    assert sum(path.stat().st_size for path in (run / "traces").iterdir()) <= 400_000
    assert set(files_of(run)) == {"7-0.json", "7-1.json"}
    traces, problems = read_windows(run)
    assert not problems and all(0 < len(trace.host) < 60_000 and trace.lost for trace in traces.values())
