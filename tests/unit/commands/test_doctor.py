"""The doctor says what works, what does not and why; only what keeps gpuwatch from its work is an error."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gpuwatch.commands import machine_checks, python_checks
from gpuwatch.commands.doctor import command
from gpuwatch.words.patch_points import PATCH_POINTS
from gpuwatch.words.pipelines import PIPELINES
from tests.doubles.nvml import state
from tests.doubles.nvml.fixtures import Double, nvml, nvml_library

__all__ = ["nvml", "nvml_library"]


def _rows(*arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "gpuwatch", "doctor", "--json", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    assert answer["schema"] == "gpuwatch.doctor/1"
    return done.returncode, {row["name"]: row for row in answer["checks"]}


# Pipelines beside torch's loader are none of torch's, and are not imported to be looked at.
POINTS = [point for point in PATCH_POINTS if point.on not in {pipeline.on for pipeline in PIPELINES}]


def _is_here(module: str) -> bool:
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def test_this_python_has_the_hook_torch_and_all_seams(nvml: Double) -> None:
    pytest.importorskip("torch")
    nvml.state.device[1].gpm_supported = 0
    status, rows = _rows("--python", sys.executable, **nvml.environment)
    assert status == 0
    assert [rows[name]["state"] for name in ("python", "torch", "torch patch points", "py-spy")] == ["works"] * 4, rows
    # Libraries that this environment has none of are optional.
    absent = {point.on for point in POINTS if point.optional and point.on and not _is_here(point.on)}
    places = {place for point in POINTS if point.on not in absent for place in point.places}
    assert f"{len(places)} of {len(places)}" in rows["torch patch points"]["detail"]
    assert rows["NVML"]["state"] == "works" and "GPU 1 NVIDIA Double" in rows["NVML"]["detail"]
    assert rows["GPM"]["state"] == "missing" and "Hopper" in rows["GPM"]["detail"]


def test_no_gpu_is_no_error_and_a_missing_python_is(nvml: Double, tmp_path: Path) -> None:
    nvml.state.init_error = state.DRIVER_NOT_LOADED
    status, rows = _rows("--python", str(tmp_path / "none"), **nvml.environment)
    assert status == 1 and rows["python"]["state"] == "broken" and "--python" in rows["python"]["remedy"]
    assert rows["NVML"]["state"] == "missing" and "modprobe" in rows["NVML"]["remedy"]


def test_a_folder_that_cannot_be_written_to_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    assert machine_checks.run_folder(tmp_path / ".gpuwatch").state == "broken"
    assert not (tmp_path / ".gpuwatch").exists()


def test_little_shared_memory_comes_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpuwatch.sources import memory

    monkeypatch.setattr(memory, "shm_bytes", lambda: (64 << 20, 1 << 20))
    check = machine_checks.shared_memory()
    assert check.state == "limited" and "63 MB free of 64 MB" in check.detail and "--shm-size" in (check.remedy or "")


def test_the_table_names_every_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "gpuwatch.commands.python_checks.python_checks",
        lambda *_: [machine_checks.Check("python", "limited", "x [y]", "do z")],
    )
    shown = CliRunner().invoke(command, ["--python", "p", "--dir", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    for words in ("limited", "x [y]", "→ do z", "pressure", "/dev/shm", "run folder"):
        assert words in shown.output


def test_a_training_may_do_without_optional_libraries_but_not_without_what_the_loader_needs() -> None:
    kinds = {"iterator", "batch", "fetch"}
    found: dict[str, Any] = {"torch": "2.4", "cuda": False, "lacks": {"safetensors.torch:save_file": "module"}}
    places = {place for point in POINTS for place in point.places}
    _, seams = python_checks._torch(found, kinds, "")
    assert seams.state == "works"
    assert f"{len(places) - 1} of {len(places) - 1}" in seams.detail and "no safetensors.torch here" in seams.detail
    found["lacks"] = {"safetensors.torch:save_file": "name", "torch.autograd:backward": "name"}
    _, seams = python_checks._torch(found, kinds, "")
    assert seams.state == "limited"
    assert "no safetensors.torch.save_file" in seams.detail and "no torch.autograd.backward" in seams.detail
