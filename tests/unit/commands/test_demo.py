from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gpuwatch.commands.demo import NEEDS, TRAIN, explain
from tests.builders import make_finding, make_report

ROOT = Path(__file__).parents[3]


def _call(tmp_path: Path, *arguments: str, timeout: int = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gpuwatch", "demo", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=timeout)


def test_the_explanation_names_what_was_found_where_it_was_planted() -> None:
    lines = "\n".join(explain(make_report(findings=(make_finding("transform-order"),))))
    number = int(lines.partition(f"{TRAIN}:")[2].partition(":")[0])
    assert "RandomRotation" in TRAIN.read_text().splitlines()[number - 1]
    assert "`transform-order`" in lines
    assert "33%" in lines


def test_the_explanation_owns_up_when_it_was_not_found() -> None:
    assert "does not name it" in "\n".join(explain(make_report(findings=(), suppressed=())))


def test_a_python_without_torch_is_told_in_one_line(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    done = _call(tmp_path, "--python", str(tmp_path / "bare" / "bin" / "python"))
    assert done.returncode == 1
    assert all(name in done.stderr for name in NEEDS)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / ".gpuwatch").exists()


def test_a_python_that_does_not_exist_is_told_in_one_line(tmp_path: Path) -> None:
    done = _call(tmp_path, "--python", "/no/python")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_demo_finds_what_it_planted(tmp_path: Path) -> None:
    for module in NEEDS:
        pytest.importorskip(module)
    done = _call(tmp_path, "--epochs", "2", timeout=480)
    assert done.returncode == 0, done.stderr
    assert "epoch 2/2" in done.stdout
    assert "Input-bound" in done.stderr
    assert "gpuwatch says `transform-order`" in done.stderr
    assert (tmp_path / ".gpuwatch" / "demo" / "timeline.html").stat().st_size > 10_000
