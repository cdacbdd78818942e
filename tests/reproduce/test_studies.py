"""Each study at its smallest size: all its parts run, and gpuwatch says something of its training."""

from __future__ import annotations

import pytest

from tests.reproduce.smallest import assert_whole, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_augmentation_order(tmp_path):
    result, page, printed = run("augmentation_order", tmp_path)
    assert_whole(result, page, printed)
    assert [table["title"] for table in result["tables"]] == ["128×85", "400×300", "600×1000"]
    cells = [cell for table in result["tables"] for row in table["rows"][:-1] for cell in row[1:]]
    assert len(cells) == 3 * 8 * 5 and all(float(cell) > 0 for cell in cells)
    assert result["named"][0]["bound"] in ("input", "compute")
    assert (tmp_path / "augmentation_order-timeline.html").stat().st_size > 10_000


def test_input_overhead(tmp_path):
    result, page, printed = run("input_overhead", tmp_path)
    assert_whole(result, page, printed)
    rates, by_hand = result["tables"]
    assert len(rates["rows"]) == 1 and float(rates["rows"][0][3].split()[0]) > 0
    assert [row[0] for row in by_hand["rows"]] == ["end to end", "Synthetic", "input only"]
    assert result["named"][0]["script"] == "classifier.py"


def test_joint_preprocessing(tmp_path):
    result, page, printed = run("joint_preprocessing", tmp_path)
    assert_whole(result, page, printed)
    stages, rates, devices, accuracies = result["tables"]
    assert all(float(row[2]) > 0 for row in stages["rows"])
    assert len(rates["rows"]) == 8 and all(float(row[2]) > 0 for row in rates["rows"])
    assert [row[0] for row in devices["rows"]] == ["8"]
    assert len(accuracies["rows"]) == 8 and any(row[5] for row in accuracies["rows"])
    assert [named["script"] for named in result["named"]] == ["inference.py"] * 2


def test_parallel_preprocessing(tmp_path):
    result, page, printed = run("parallel_preprocessing", tmp_path)
    assert_whole(result, page, printed)
    serving, training = result["tables"]
    assert len(serving["rows"]) == 6
    assert all(0 < float(row[5]) <= 64 for row in serving["rows"] if row[5] != "–")
    assert training["rows"][0][2] == "compute"


def test_foreground_augmentation(tmp_path):
    result, page, printed = run("foreground_augmentation", tmp_path)
    assert_whole(result, page, printed)
    losses = [float(row[1]) for row in result["tables"][0]["rows"]]
    assert len(losses) == 3 and all(0 < loss < 10 for loss in losses)
    assert result["named"][0]["script"] == "foreground.py"
