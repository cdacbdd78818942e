"""scripts/gpu_check: what of it can be held without a GPU, and all of it where there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.nvml import state
from tests.doubles.nvml.fixtures import Double, nvml, nvml_library  # noqa: F401
from tests.gpu import idle, outcome, runs

SCRIPT = runs.ROOT / "scripts" / "gpu_check"
DRIVER = "import json, dataclasses; from tests.gpu import driver; print(json.dumps([dataclasses.asdict(one) for one in driver.check_driver()]))"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, **environment}, cwd=runs.ROOT, capture_output=True, text=True, timeout=280,
    )  # fmt: skip


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def test_without_a_gpu_it_says_so_and_that_is_no_failure(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path / "out.json"), CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no GPU here: nothing was checked")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_on_the_cpu_it_trains_bare_and_wrapped_and_names_what_it_could_not_check(tmp_path: Path) -> None:
    done = run("--cpu", "--seconds", "1", "--rounds", "1", "--pairs", "6", "--out", str(tmp_path))
    (file,) = tmp_path.glob("*-cpu.json")
    result = json.loads(file.read_text())
    # A busy machine may well miss the budgets; the status says what the table says.
    assert done.returncode == any(one["status"] == "differs" for one in result["checks"]), done.stderr
    assert result["whole"] is True
    with tarfile.open(next(tmp_path.glob("*.runs.tar.gz"))) as kept:
        assert sum(name.endswith("/run.json") for name in kept.getnames()) == 2
    checks = {(one["part"], one["name"]): one for one in result["checks"]}
    assert result["format"] == outcome.FORMAT and result["machine"]["torch"]
    for bound in ("device", "loader"):
        part = f"{bound}-bound training"
        assert checks[part, "throughput wrapped / bare"]["values"]["wrapped_step_ms"]
        assert checks[part, "input wait by the host's clock"]["values"]["steps"] > 0
        assert checks[part, "verdict"]["values"]["verdicts"]
    assert {part for part, one in ((key[0], value) for key, value in checks.items()) if one["status"] == "not checked"} == {
        "GPU wait by CUDA events", "NVML and GPM", "NVML trace",
    }  # fmt: skip
    assert not any("ran to its end" in name for _, name in checks), done.stdout
    assert "no GPU here" in done.stdout and "not checked" in done.stdout


def test_every_assumption_holds_of_the_double_itself(nvml: Double) -> None:  # noqa: F811
    nvml.state.device[0].gpm[2] = 55.0
    nvml.state.device[0].energy_mj = 5_000_000
    found = driver_on(nvml)
    assert {one["status"] for one in found if "torch" not in one["name"]} == {"ok"}, found
    assert len(found) == 16


def test_an_answer_that_the_double_does_not_know_is_shown(nvml: Double) -> None:  # noqa: F811
    nvml.state.device[0].reasons = 1 << 40
    nvml.state.device[0].busy = 250
    nvml.state.refuse("nvmlDeviceGetMigMode", code=state.NO_PERMISSION)
    by_status: dict[str, list[str]] = {}
    for one in driver_on(nvml):
        by_status.setdefault(one["status"], []).append(one["name"])
    assert {name.split()[0] for name in by_status["differs"]} == {"Clock", "Utilization", "GetSamples"}
    assert any(name.startswith("MIG") for name in by_status["not checked"])


def driver_on(double: Double) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        env={**os.environ, **double.environment}, cwd=runs.ROOT, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_recorded_trace_is_one_that_the_double_replays(tmp_path: Path) -> None:
    from gpuwatch.sources.columns import COLUMNS
    from tests.gpu import driver

    row = dict.fromkeys(COLUMNS["gpu"]) | {
        "t": 5_000_000_000,
        "device": 0,
        "busy": 0,
        "power_mw": 70_500,
        "sm_active": 12.5,
    }
    later = row | {"t": 5_200_000_000, "memory_used_bytes": 1 << 30, "nvlink_tx_bytes": 4096}
    assert driver.write_trace([row, later], tmp_path / "trace.jsonl") == 2
    (first, second) = state.trace(tmp_path / "trace.jsonl")
    assert first == (0.0, 0, {"busy": 0, "power_mw": 70_500, "gpm": {"2": 12.5}})
    assert (second[0], second[2]["memory_used"], second[2]["nvlink_tx_kib"]) == (0.2, 1 << 30, 4)
    double = state.create(tmp_path / "state", 1)
    double.apply(second[1], second[2])
    assert (double.device[0].memory_used, double.device[0].gpm[2], double.device[0].power_mw) == (1 << 30, 12.5, 70_500)


def trace_of(*events: tuple[str, str, float, float]) -> dict[str, Any]:
    return {"traceEvents": [{"cat": cat, "name": name, "ts": ts, "dur": dur} for cat, name, ts, dur in events]}


def test_idle_time_is_what_no_kernel_and_no_copy_covers() -> None:
    wait = ("user_annotation", idle.NEXT)
    trace = trace_of(
        ("kernel", "late one of the step before", 0, 4000), ("kernel", "overlaps it", 1000, 3500), (*wait, 3000, 7000),
        ("gpu_memcpy", "in the middle", 6000, 1000), ("gpu_user_annotation", idle.NEXT, 0, 9), ("cpu_op", "add", 8000, 500),
        (*wait, 20000, 100),
    )  # fmt: skip
    trace["traceEvents"].append({"cat": "kernel", "name": "no length", "ts": 1})
    assert idle.waits_ms(trace) == pytest.approx([4.5, 0.1])


def wrapped(tmp_path: Path, waits: list[float], idle_ms: list[float]) -> runs.Trained:
    (tmp_path / "spool").mkdir()
    header = {"columns": {"gpu_wait": ["iterator", "index", "wait_ms", "work_ms"]}}
    rows = [["gpu_wait", 1, index, wait, 5.0] for index, wait in enumerate(waits)]
    (tmp_path / "spool" / "1-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (header, *rows)))
    truth = {"first": 2, "idle_ms": idle_ms, "seconds": 0.01 * len(idle_ms), "step_ms": [10.0] * len(idle_ms)}
    return runs.Trained(truth, tmp_path)


def test_the_gpu_wait_is_judged_step_by_step(tmp_path: Path) -> None:
    good = runs.judge_gpu_wait("loader", wrapped(tmp_path, [9, 9, 3.0, 4.0, 5.0], [3.1, 4.1, 5.1]))
    assert good.status == "ok" and good.values["median_off_ms"] == pytest.approx(0.1)
    assert good.values["profiler_ms"] == pytest.approx(4.1)


@pytest.mark.parametrize(
    ("waits", "idle_ms"), [([9, 9, 3.0, 4.0], [1.0, 2.0]), ([9, 9], [1.0])], ids=["off", "none told"]
)
def test_a_gpu_wait_that_is_not_the_profilers_differs(tmp_path: Path, waits: list[float], idle_ms: list[float]) -> None:
    assert runs.judge_gpu_wait("loader", wrapped(tmp_path, waits, idle_ms)).status == "differs"


def test_the_table_names_what_was_expected_where_it_differs() -> None:
    rows = [
        outcome.judge("a", "x", True, "1", "1"),
        outcome.judge("a", "y", False, "2", "1"),
        outcome.skipped("b", "z", "no GPU"),
    ]
    lines = outcome.table(rows).splitlines()
    assert [line for line in lines if "expected" in line] == ["  differs      y  2   (expected: 1)"]
    assert lines[-1] == "1 ok, 1 differs, 1 not checked"


@pytest.mark.timeout(660)
@pytest.mark.skipif(not has_gpu(), reason="no NVIDIA GPU here: run scripts/gpu_check on a machine that has one")
def test_on_a_gpu_everything_is_checked(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = subprocess.run([sys.executable, str(SCRIPT), "--out", str(out)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {one["status"] for one in json.loads(out.read_text())["checks"]} <= {"ok", "not checked"}


def plan(folder: Path, rounds: int, until: float = float("inf")) -> runs.Plan:
    return runs.Plan("cpu", 1.0, rounds, folder, lambda line: None, until)


def pretended(waits: float = 1.0) -> runs.Trained:
    truth = {"first": 0, "seconds": 1.0, "step_ms": [10.0] * 100, "wait_ms": [waits] * 100}
    return runs.Trained(truth)


def test_a_training_that_fails_is_an_outcome_and_the_other_kind_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(plan: runs.Plan, bound: str, wrap: bool, profile: bool = False) -> runs.Trained:
        if bound == "device":
            raise RuntimeError("out of memory")
        return pretended()

    monkeypatch.setattr(runs, "train", train)
    monkeypatch.setattr(
        runs, "_judge_verdict", lambda part, bound, wrapped: outcome.skipped(part, "verdict", "pretended")
    )
    found = runs.check_trainings(plan(tmp_path, 2))
    (failed,) = [one for one in found if one.part == "device-bound training"]
    assert failed.status == "differs" and "out of memory" in failed.seen
    ratio = next(one for one in found if one.name.startswith("throughput"))
    assert len(ratio.values["ratios"]) == 2


def test_rounds_that_no_longer_fit_are_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "train", lambda *arguments, **named: pretended())
    monkeypatch.setattr(
        runs, "_judge_verdict", lambda part, bound, wrapped: outcome.skipped(part, "verdict", "pretended")
    )
    found = runs.check_trainings(plan(tmp_path, 3, until=time.monotonic()))
    assert [one.seen for one in found if one.name == "more rounds"] == ["1 of 3 were run: no time is left for more"] * 2


def test_a_torch_that_sees_no_gpu_is_named_and_the_driver_checked(nvml: Double, tmp_path: Path) -> None:  # noqa: F811
    for name in ("torch", "torchvision"):
        (tmp_path / f"{name}.py").write_text(
            "__version__ = '2.15.0+cpu'\nclass cuda:\n    is_available = staticmethod(lambda: False)\n"
        )
    done = run("--out", str(tmp_path), **{**nvml.environment, "PYTHONPATH": str(tmp_path)})
    (file,) = tmp_path.glob("*.json")
    checks = json.loads(file.read_text())["checks"]
    assert "sees no GPU" in next(one["seen"] for one in checks if one["name"] == "trainings"), done.stderr
    assert sum(one["part"] == "NVML and GPM" for one in checks) == 16


def test_without_torch_the_driver_is_still_checked(nvml: Double, tmp_path: Path) -> None:  # noqa: F811
    for name in ("torch", "torchvision"):
        (tmp_path / f"{name}.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')\n")
    environment = {**nvml.environment, "PYTHONPATH": str(tmp_path)}
    done = run("--out", str(tmp_path), **environment)
    assert done.returncode in (0, 1), done.stderr
    (file,) = tmp_path.glob("*.json")
    checks = json.loads(file.read_text())["checks"]
    assert "libcudart" in next(one["seen"] for one in checks if one["name"] == "trainings")
    assert sum(one["part"] == "NVML and GPM" for one in checks) == 16
