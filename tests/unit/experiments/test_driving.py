"""Every way of writing a training can be driven, and agrees with what a person would measure by hand."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.experiments.session import Result, Window
from tests.unit.experiments.driving import PROGRAM, drive, truth

# Imports of torch take most of it, and many times as long on a loaded machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SHORT = [Window("e", "real", 0, 0.3), Window("d", "cached", 0, 0.3), Window("l", "loader", 0, 0.3, memory=True), Window("e", "real", 1, 0.3)]  # fmt: skip


def assert_plausible(results: list[Result]) -> None:
    """Every window measured something, in the limits that sleeps set: 10 ms a step, 16 ms a batch."""
    assert [r.note for r in results] == [None] * len(SHORT)
    ends, device, loader = results[0], results[1], results[2]
    assert device.step_ms is not None and loader.step_ms is not None and ends.step_ms is not None
    assert device.step_ms >= 10 and loader.step_ms >= 16 and ends.step_ms >= 16
    assert ends.samples == 4 * ends.steps


@pytest.mark.parametrize(
    ("way", "settings"),
    [
        ("plain", {"WORKERS": 0}),
        ("plain", {"WORKERS": 1}),
        ("plain", {"WORKERS": 1, "METHOD": "spawn"}),
        ("plain", {"WORKERS": 1, "PERSISTENT": 1, "LENGTH": 40}),
        ("plain", {"WORKERS": 1, "LENGTH": 40}),
        ("short_epochs", {"WORKERS": 1}),
        ("validates_first", {}),
        ("inference", {}),
        ("stateful", {}),
        ("accelerated", {}),
        ("lightning", {}),
        ("transformers", {}),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else " ".join(f"{k.lower()}={v}" for k, v in value.items()) or "-"
    ),
)
def test_a_training_can_be_driven(tmp_path: Path, way: str, settings: dict[str, Any]) -> None:
    driven, results = drive(tmp_path, way, SHORT, **settings)
    assert_plausible(results)
    assert driven.starts == 1
    assert driven.loop["num_workers"] == settings.get("WORKERS", 1)
    memory = results[2].memory_bytes
    assert (memory is None) if settings.get("WORKERS") == 0 else memory > 5e6


def test_windows_agree_with_hand_written_loops(tmp_path: Path) -> None:
    """Within 10 % of what the loops take by hand before and after: a busy machine disturbs those alike."""
    settings = {"ITEM": 0.015, "STEP": 0.04, "WORKERS": 1}
    kinds = {"device": "cached", "loader": "loader", "both": "real"}
    windows = [Window(name, kind, r, 1.0) for r in range(3) for name, kind in kinds.items()]
    before = truth(**settings)
    _, results = drive(tmp_path, "plain", windows, **settings)
    after = truth(**settings)
    for name in kinds:
        measured = statistics.median(1e3 / r.step_ms for r in results if r.arm == name and r.step_ms)
        slower, faster = sorted((before[name], after[name]))
        print(f"{name}: {measured:.2f} in windows, {slower:.2f} to {faster:.2f} by hand")
        assert 0.9 * slower <= measured <= 1.1 * faster


def test_restarting_workers_costs_an_epoch_its_start_and_persistent_ones_do_not(tmp_path: Path) -> None:
    windows = [
        Window("made anew", "real", 0, 0.5, epochs=True),
        Window("kept", "real", 0, 0.5, epochs=True, loader={"persistent_workers": True}),
    ]
    settings = {"ITEM": 0.0, "STEP": 0.002, "WORKERS": 2, "LENGTH": 24}
    driven, results = drive(tmp_path, "plain", windows * 3, **settings)
    made, kept = ([r for r in results if r.arm == arm] for arm in ("made anew", "kept"))
    assert all(r.steps % 6 == 0 for r in results), "windows of short epochs hold whole ones"
    faster = statistics.median((a.step_ms or 0) / (b.step_ms or 1) for a, b in zip(made, kept, strict=True))
    print(f"workers kept: {faster:.2f} times as fast")
    assert faster > 1.3, "starting two processes every six short steps is most of their time"
    assert driven.loop["length"] == 6


def test_a_script_that_ends_early_is_started_again(tmp_path: Path) -> None:
    windows = [Window("e", "real", number, 0.4) for number in range(4)]
    settings = {"ITEM": 0.001, "LENGTH": 120, "EPOCHS": 1}
    driven, results = drive(tmp_path, "plain", windows, **settings)
    assert all(r.step_ms for r in results) and len(results) == 4
    assert driven.starts >= 1


def test_a_schedule_that_runs_out_makes_the_experiment_respect_epochs(tmp_path: Path) -> None:
    windows = [Window("e", "real", number, 0.3) for number in range(6)]
    driven, results = drive(tmp_path, "one_cycle", windows, ITEM=0.001, LENGTH=120)
    assert driven.respect_epochs and driven.starts > 1
    steps = [r.step_ms or 0.0 for r in results]
    # A window with a start of the script in it would have steps of a quarter of a second, of 14 ms as they are.
    assert len(steps) == 6 and min(steps) >= 10 and max(steps) < 5 * statistics.median(steps)


def test_an_arm_that_fails_leaves_the_others_their_results(tmp_path: Path) -> None:
    windows = [
        Window("e", "real", 0, 0.3),
        Window("unsuitable", "real", 0, 0.3, remedies=(("shrink-first", {}),)),
        Window("fatal", "real", 0, 0.3, loader={"num_workers": 0}),
        Window("e", "real", 1, 0.3),
        Window("fatal", "real", 1, 0.3, loader={"num_workers": 0}),
    ]
    _, results = drive(tmp_path, "brittle", windows)
    by_arm = {arm: [r for r in results if r.arm == arm] for arm in ("e", "unsuitable", "fatal")}
    assert [r.step_ms is not None for r in by_arm["e"]] == [True, True]
    assert "no list of transforms" in str(by_arm["unsuitable"][0].note)
    assert len(by_arm["fatal"]) == 1 and "the training ended under it (status 7)" in str(by_arm["fatal"][0].note)


def test_a_change_of_the_step_acts_in_its_windows_and_says_what_it_does_to_the_losses(tmp_path: Path) -> None:
    fused = (("foreach-optimizer", {}),)
    windows = [
        Window("e", "real", 0, 0.3),
        Window("changed", "real", 0, 0.3, remedies=fused),
        Window("changed", "losses", remedies=fused),
        Window("misfit", "real", 0, 0.3, remedies=(("channels-last", {}),)),
        Window("e", "real", 1, 0.3),
    ]
    driven, results = drive(tmp_path, "plain", windows)
    assert [result.step_ms is not None for result in results] == [True, True, False, False, True]
    assert results[2].note == "compared" and "no convolution" in str(results[3].note)
    assert driven.outputs["changed"]["losses"]["losses"] == 4
    assert driven.outputs["changed"]["losses"]["max"] < 1e-4
    assert driven.loop["optimizers"] == ["SGD"] and PROGRAM in driven.code
