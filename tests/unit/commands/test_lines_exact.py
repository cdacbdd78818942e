"""`gpuwatch lines --exact` as a person calls it; the commands are small Pythons, one of them with a real DataLoader."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gpuwatch.commands.exact import hot, named
from gpuwatch.diagnosis.examples.parts import make_hot_line
from gpuwatch.errors import GpuwatchError, RunNotFound, UsageError
from tests.builders import make_report

SCRIPT = """
import sys
from torch.utils.data import DataLoader, Dataset
class Numbers(Dataset):
    def __len__(self): return 12
    def __getitem__(self, index):
        value = index * 2
        return value
if __name__ == "__main__":
    print("sum", sum(int(batch.sum()) for batch in DataLoader(Numbers(), batch_size=2)))
    sys.exit(int(sys.argv[1]))
"""
BLOCKED = "raise ModuleNotFoundError(\"No module named 'line_profiler'\")\n"


def call(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GPUWATCH_")}
    return subprocess.run(
        [sys.executable, "-m", "gpuwatch", "lines", *arguments],
        cwd=folder,
        env={**env, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def test_json_is_data_alone_and_the_commands_status_is_passed_on(script):
    done = call(script, "--exact", "--json", "--sample", "1", "--function", "train.py:Numbers.__getitem__",
                "--function", "train:nothing", "--", sys.executable, "train.py", "7")  # fmt: skip
    assert done.returncode == 7, done.stderr
    told = json.loads(done.stdout)
    (function,) = told["functions"]
    assert [(line["hits"], line["source"].strip()) for line in function["lines"]] == [
        (12, "value = index * 2"),
        (12, "return value"),
    ]
    assert (function["process_role"], function["batches_measured"], function["batches"]) == ("trainer", 6, 6)
    assert told["unseen"] == ["train:nothing"]
    assert "sum 132" in done.stderr
    runs = list((script / ".gpuwatch").glob("*/run.json"))
    assert json.loads(runs[0].read_text())["experiment"], "a measured run is no run to compare with"


def test_a_training_without_line_profiler_is_not_started(script):
    (script / "blocked").mkdir()
    (script / "blocked" / "line_profiler.py").write_text(BLOCKED)
    python = script / "python3"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={script}/blocked exec {sys.executable} "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    done = call(script, "--exact", "--function", "train.py:Numbers.__getitem__", "--", str(python), "train.py", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"line_profiler is not in the training's environment ({python})" in done.stderr
    assert "uv pip install line_profiler" in done.stderr and "sum" not in done.stderr


def test_without_a_run_or_a_name_it_is_said_what_to_do(script):
    done = call(script, "--exact", "--", sys.executable, "train.py", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "gpuwatch run -- COMMAND" in done.stderr and "--function file.py:Class.method" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("--exact",), ("--function", "a:b"), ("--sample", "3"), ("one", "two"), ("--exact", "--function", "x", "--", "true")]
)  # fmt: skip
def test_wrong_calls_get_one_line(tmp_path, arguments):
    done = call(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gpuwatch: ") and done.stderr.count("\n") == 1


def test_names_of_functions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data.py").touch()
    assert named("data.py:Photos.read") == {"file": str(tmp_path / "data.py"), "function": "Photos.read"}
    assert named("pkg.data:read") == {"module": "pkg.data", "function": "read"}
    for wrong in ("data.py", "data.py:", ":read", "gone.py:read", "data.py:read()"):
        with pytest.raises(UsageError):
            named(wrong)


def test_nothing_hot_is_said():
    with pytest.raises(RunNotFound):
        hot(None)
    with pytest.raises(GpuwatchError, match="no function of your own that costs 5 %"):
        hot(make_report(hot_lines=()))
    report = make_report(hot_lines=(make_hot_line(file="/home/me/data.py", line=4, function="read", share=0.5),))
    assert [one["function"] for one in hot(report)] == ["read"]
