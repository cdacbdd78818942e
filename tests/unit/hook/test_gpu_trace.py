"""Windows of torch.profiler: where they open and close, who they give way to, and that the training cannot tell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.gpu_trace.plan import Plan

from .hooked import Log, Run, environment, read_logs, run

MS = 1_000_000

SCRIPT = """
import os, signal, sys, torch, warnings
from torch.utils.data import DataLoader, Dataset

warnings.simplefilter("error")
torch.manual_seed(0); torch.set_num_threads(1)
story, steps = sys.argv[1], int(sys.argv[2])
enabled = torch.autograd._profiler_enabled

class Rows(Dataset):
    def __len__(self): return steps * 2
    def __getitem__(self, index):
        if index == 0 and story == "nested":  # a loader of the dataset's own is no boundary
            sum(1 for _ in DataLoader(list(range(20)), batch_size=1))
        return torch.randn(8, generator=torch.Generator().manual_seed(index))

def profiler(**more): return torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], **more)

def validated(batches, model):
    rest = DataLoader(list(range(10)), batch_size=2)
    for number, batch in enumerate(batches):
        yield batch
        if number % 7 == 3: sum(1 for _ in rest)

def train():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters())
    own = profiler() if story == "made before" else None
    losses, seen, theirs = [], 0, None
    if story == "raises":
        def start_trace(self): raise RuntimeError("no tracing today")
        torch.profiler._KinetoProfile.start_trace = start_trace
    if story == "stop raises":
        def stop_trace(self): raise RuntimeError("it does not stop")
        torch.profiler._KinetoProfile.stop_trace = stop_trace
    if story == "no backward":  # as in a step that is compiled as a whole
        torch.autograd.backward = lambda *a, **k: None
        batches = DataLoader(Rows(), batch_size=2)
        for batch in batches:
            with torch.no_grad(): losses.append(model(batch).sum().item())
        print(losses)
        return
    if story == "two loaders":
        first, second = (DataLoader(Rows(), batch_size=2) for _ in range(2))
        batches = (a + b for a, b in zip(first, second))
    elif story == "validates":
        batches = validated(DataLoader(Rows(), batch_size=2), model)
    elif story == "own loop":
        batches = (torch.randn(2, 8) for _ in range(steps))
    else:
        batches = DataLoader(Rows(), batch_size=2, shuffle=True)
    for batch in batches:
        if enabled() and theirs is None:
            seen += 1
            if seen == 3 and story == "killed": os.kill(os.getpid(), signal.SIGKILL)
            if seen == 3 and story == "fork":
                pid = os.fork()
                if not pid: os._exit(enabled())
                assert os.waitpid(pid, 0)[1] == 0, "the child records"
            if seen == 3 and story == "starts one":
                theirs = profiler(); theirs.start()
        optimizer.zero_grad(); loss = model(batch).sum(); loss.backward(); optimizer.step()
        losses.append(loss.item())
        if theirs is not None and seen == 3:
            theirs.stop(); seen = 4
            print(sum(event.count for event in theirs.key_averages() if event.key == "aten::addmm"))
    if own is not None: own.start(); model(batch); own.stop(); print(len(own.events()) > 3)
    print(losses, enabled())

train()
"""


def trained(folder: Path, story: str, steps: int = 40, wanted: str = "6") -> Run:
    pytest.importorskip("torch")
    return run(SCRIPT + f"\n# {story}", folder, story, str(steps), GPUWATCH_GPU_TRACE=wanted, KINETO_LOG_LEVEL="99")


def windows(log: Log) -> list[dict[str, Any]]:
    return [row for row in log.of("gpu_trace") if row["state"] != "open"]


def annotations(folder: Path, row: dict[str, Any]) -> list[str]:
    document = json.loads((folder / "traces" / row["file"]).read_text())
    return [
        e["name"]
        for e in document["traceEvents"]
        if str(e["name"]).startswith("ProfilerStep") and e["ph"] == "X" and "ts" in e
    ]


def test_a_window_has_the_steps_that_were_asked_for_and_the_training_cannot_tell(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", "nested")
    (row,) = windows(found.trainer)
    assert (row["state"], row["why"], row["activities"]) == ("closed", "steps", ["CPU"])
    assert len(row["marks"]) == 7 and row["marks"] == sorted(row["marks"])
    assert row["t0"] <= row["marks"][0] and row["marks"][-1] <= row["t1"] and row["open_ns"] and row["close_ns"]
    assert set(annotations(tmp_path / "run", row)) == {f"ProfilerStep#{number}" for number in range(6)}
    # Each mark is at the request that ends a step: all batches of the window lie between the first and the last one.
    asked = [b["t0"] for b in found.trainer.of("batch") if b["iterator"] == row["iterator"] and b["index"] >= 0]
    for mark in row["marks"][:-1]:
        assert min(at - mark for at in asked if at >= mark) < 50 * MS
    assert not list((tmp_path / "run" / "traces").glob("*.part"))
    assert found.done.stderr == ""
    bare = run(SCRIPT, tmp_path / "bare", "nested", "40")
    assert bare.done.stdout == found.done.stdout
    assert not bare.trainer.of("gpu_trace") and not (tmp_path / "bare" / "traces").exists()


def test_a_loop_of_few_steps_ends_its_window(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", "few", steps=13, wanted="20")
    (row,) = windows(found.trainer)
    assert (row["state"], row["why"]) == ("closed", "loop")
    assert 2 <= len(row["marks"]) - 1 <= 7


def test_a_loop_without_a_loader_has_windows_too(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", "own loop")
    (row,) = windows(found.trainer)
    assert (row["state"], row["why"], len(row["marks"])) == ("closed", "steps", 7)


@pytest.mark.parametrize("story", ["two loaders", "validates", "no backward"])
def test_which_requests_end_a_step(tmp_path: Path, story: str) -> None:
    found = trained(tmp_path / "run", story, steps=80)
    (row,) = windows(found.trainer)
    assert (row["state"], row["why"], len(row["marks"])) == ("closed", "steps", 7)
    # The loop's own, and not those of the validation, which has an iterator for each time.
    assert row["iterator"] == 1


def test_a_window_closes_before_a_fork(tmp_path: Path) -> None:
    (row,) = windows(trained(tmp_path / "run", "fork").trainer)
    assert (row["state"], row["why"]) == ("closed", "fork")


def test_a_profiler_of_the_scripts_that_starts_in_a_window_gets_all_of_its_events(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", "starts one")
    (row,) = windows(found.trainer)
    assert (row["state"], row["why"]) == ("closed", "profiler")
    assert found.done.stdout.splitlines()[0] == "2" and found.done.stderr == ""


def test_where_the_script_has_a_profiler_there_is_no_window(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", "made before")
    (row,) = found.trainer.of("gpu_trace")
    assert (row["state"], row["why"]) == ("none", "profiler")
    assert found.done.stdout.splitlines()[0] == "True"


def test_a_profiler_that_fails_ends_the_windows_and_not_the_training(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", "raises")
    (row,) = windows(found.trainer)
    assert row["state"] == "failed" and "no tracing today" in row["why"]
    assert found.done.stderr == "" and found.done.stdout.startswith("[")


def test_a_profiler_that_does_not_stop_is_stopped_all_the_same(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", "stop raises")
    (row,) = windows(found.trainer)
    assert row["state"] == "failed" and row["file"] and "it does not stop" in row["why"]
    assert found.done.stdout.rstrip().endswith("False")


def test_a_process_that_is_killed_in_its_window_has_told_of_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    env = environment(tmp_path / "run", GPUWATCH_GPU_TRACE="6")
    done = subprocess.run([sys.executable, str(script), "killed", "40"], env=env, cwd=tmp_path, timeout=300)
    assert done.returncode == -signal.SIGKILL
    (log,) = (log for log in read_logs(tmp_path / "run") if log.of("batch"))
    (row,) = log.of("gpu_trace")
    assert row["state"] == "open" and row["t1"] is None
    assert os.listdir(tmp_path / "run" / "traces") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("KINETO_USE_DAEMON", "1"), ("NSYS_PROFILING_SESSION_ID", "7"), ("CUDA_INJECTION64_PATH", "/x.so")],
)
def test_other_tools_own_the_profiler(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    from gpuwatch.hook.gpu_trace import owners

    monkeypatch.setattr(owners, "_is_enabled", lambda: False)
    assert owners.Owners().others() is None
    monkeypatch.setenv(name, value)
    assert owners.Owners().others() in (owners.DAEMON, owners.INJECTED)


def passed(plan: Plan, lengths_ms: list[float], at_ns: int = 0) -> list[bool]:
    """Let steps pass, and say after which of them a window is due."""
    due = []
    for length in [0.0, *lengths_ms]:
        at_ns += int(length * MS)
        plan.passed(at_ns)
        due.append(plan.is_due(at_ns))
    return due[1:]


def test_a_window_is_due_after_the_warm_up_once_steps_are_alike(tmp_path: Path) -> None:
    asked = str(tmp_path / "asked")
    assert passed(Plan(5, asked), [900, 500, 10, 10, 11, 10, 10]).index(True) == 4
    plan = Plan(5, asked)
    plan.queued(8)  # four workers have two batches each ready
    assert passed(plan, [10] * 20).index(True) == 12
    growing = [10.0 * 3**number for number in range(50)]
    assert passed(Plan(None, asked), growing).index(True) == 44  # patience ends


def test_later_windows_come_late_or_when_asked_for_and_never_cost_much(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    plan = Plan(None, str(asked))
    assert any(passed(plan, [100] * 10))
    plan.closed(1_000 * MS, 20 * MS)
    late = passed(plan, [100] * 150, 1_000 * MS)
    assert late.index(True) == 99  # 10 s after the first one
    plan.closed(12_000 * MS, 20 * MS)
    assert not any(passed(plan, [100] * 300, 12_000 * MS))
    asked.touch()
    plan.passed(50_000 * MS)
    assert plan.is_due(50_000 * MS) and not asked.exists()
    costly = Plan(None, str(asked))
    costly.closed(1_000 * MS, 2_000 * MS)
    assert not any(passed(costly, [100] * 500, 1_000 * MS))
    once = Plan(5, str(asked))
    once.closed(1_000 * MS, 20 * MS)
    assert not any(passed(once, [100] * 500, 1_000 * MS))


def test_how_long_an_automatic_window_lasts(tmp_path: Path) -> None:
    plan = Plan(None, "")
    assert not plan.is_long_enough(4, 4_000 * MS) and plan.is_long_enough(5, 400 * MS)
    assert not plan.is_long_enough(19, 100 * MS) and plan.is_long_enough(20, 100 * MS)
    assert plan.is_long_enough(2, 6_000 * MS) and not plan.is_long_enough(1, 60_000 * MS)
