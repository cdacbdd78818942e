"""Each need on a profile that has it, one that lacks it, and one where it is not the case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gpuwatch.diagnosis import needs
from gpuwatch.diagnosis.examples.parts import (
    interval,
    make_device,
    make_machine,
    make_profile,
    make_rank,
    make_state,
    make_trend,
)
from gpuwatch.diagnosis.examples.runs import (
    BLOCKED,
    FEW_STEPS,
    HIDDEN,
    LONE,
    SAMPLED,
    STARVED,
    no_loader,
    own_loop,
    ranks,
    run_of,
)
from gpuwatch.diagnosis.rule import NOT_SO, Missing, Need
from gpuwatch.diagnosis.thresholds import comparisons
from gpuwatch.model.hot_lines import StackQuality
from gpuwatch.model.loader_profile import QueueProfile
from gpuwatch.model.process_state import Compilations
from gpuwatch.model.profile import Profile
from gpuwatch.rules.rank_zero_work.cases import INDEX
from gpuwatch.rules.rotating_straggler.cases import TURNS

NO_LOADER = "no DataLoader was seen in use"
NO_LOOP = "a measured loop over a DataLoader"
RESTING = run_of(fetch={"busy_share": 0.3})
READY = run_of(
    fetch={"busy_share": 0.05, "bytes_per_batch": 1e4},
    loader={"queue": QueueProfile(ready_share=1.0, mean_ready=4.0, late_share=0.0, unmade_share=0.02)},
    ranks=(make_rank(run_queue_delay_share=0.3),),
)
ALL = [value for value in vars(needs).values() if isinstance(value, Need)]
HAS: list[tuple[Need, Profile]] = [
    (needs.STARVED_LOADER, STARVED),
    (needs.STARVED_LOOP, STARVED),
    (needs.WORKING_LOOP, STARVED),
    (needs.WORKING_LOOP, LONE),
    (needs.MEASURED_LOOP, STARVED),
    (needs.LOADER, FEW_STEPS),
    (needs.WORKERS, STARVED),
    (needs.SEVERAL_WORKERS, STARVED),
    (needs.COSTS, STARVED),
    (needs.BUSY_WORKERS, STARVED),
    (needs.IDLE_CORES, STARVED),
    (needs.IDLE_CORES, run_of(fetch=BLOCKED, machine=make_machine(spare_cores=None))),
    (needs.CPU_SAMPLES, STARVED),
    (needs.QUEUE, STARVED),
    (needs.OPERATIONS, STARVED),
    (needs.RANKS, STARVED),
    (needs.SEVERAL_RANKS, run_of(ranks=ranks((15.0, 5.0), (15.0, 5.0)))),
    (needs.RANK_STEPS, replace(STARVED, rank_steps=TURNS)),
    (needs.RANK_WORK, replace(STARVED, rank_work=(INDEX,))),
    (needs.STACKS, run_of(stacks=SAMPLED)),
    (needs.MEMORY_SAMPLES, run_of(devices=(make_device(),))),
    (needs.DEVICE_EVENTS, run_of(devices=(make_device(),), loader={"gpu_wait_ms": interval(1.0)})),
    (needs.PROCESS_STATE, run_of(state=make_state())),
    (needs.COMPILATIONS, run_of(state=make_state(compilations=Compilations(4, 0, 0.0, 10.0, 2, 8)))),
    (needs.TREND, run_of(trend=make_trend())),
]
LACKS: list[tuple[Need, Profile, str]] = [
    (needs.STARVED_LOADER, no_loader(), NO_LOADER),
    (needs.STARVED_LOADER, FEW_STEPS, "only 3 steps after the warm-up (8 needed)"),
    (needs.STARVED_LOADER, own_loop(), "the training's loop is not over a DataLoader"),
    (needs.STARVED_LOADER, run_of(loader={"wait_share": None}), "the share of input wait"),
    (needs.STARVED_LOOP, no_loader(), NO_LOADER),
    (
        needs.STARVED_LOOP,
        run_of(loader={"fetch": None}),
        "events of the fetches (the hook did not reach the loader's workers)",
    ),
    (needs.WORKING_LOOP, no_loader(), NO_LOADER),
    (needs.MEASURED_LOOP, FEW_STEPS, NO_LOOP),
    (needs.LOADER, no_loader(), NO_LOADER),
    (needs.COSTS, no_loader(), "the cost of making a batch"),
    (needs.BUSY_WORKERS, run_of(fetch={"busy_share": None}), "what the workers did"),
    (needs.IDLE_CORES, run_of(machine=make_machine(spare_cores=None)), "the machine's idle cores"),
    (needs.CPU_SAMPLES, run_of(machine=make_machine(usable_cores=None)), "CPU samples of the machine"),
    (needs.QUEUE, run_of(loader={"queue": None}), "the state of the loader's queue"),
    (needs.OPERATIONS, run_of(loader={"operations": ()}), "times of the operations in a fetch"),
    (needs.RANKS, FEW_STEPS, NO_LOOP),
    (needs.SEVERAL_RANKS, STARVED, "steps of at least two ranks"),
    (needs.RANK_STEPS, STARVED, "steps that were measured in full on at least two ranks"),
    (needs.RANK_WORK, STARVED, "when each of at least two ranks waited for the others"),
    (needs.STACKS, run_of(stacks=StackQuality("none", 0, "none", "")), "stack samples of the training process"),
    (needs.MEMORY_SAMPLES, run_of(devices=(make_device(memory_peak_bytes=None),)), "NVML's memory samples"),
    (needs.DEVICE_EVENTS, STARVED, "CUDA events of the training process"),
]
NOT: list[tuple[Need, Profile]] = [
    (needs.STARVED_LOADER, HIDDEN),
    (needs.STARVED_LOADER, READY),
    (needs.STARVED_LOOP, HIDDEN),
    (needs.WORKING_LOOP, RESTING),
    (needs.WORKERS, LONE),
    (needs.SEVERAL_WORKERS, run_of(workers=1)),
    (needs.RANK_WORK, replace(STARVED, rank_work=())),
]


@pytest.mark.parametrize(("need", "profile"), HAS, ids=lambda value: getattr(value, "what", ""))
def test_a_need_that_is_met_gives_its_value(need: Need, profile: Profile) -> None:
    value = need.read(profile)
    assert value is not NOT_SO and value is not None and not isinstance(value, Missing)


@pytest.mark.parametrize(("need", "profile", "missing"), LACKS, ids=lambda value: getattr(value, "what", ""))
def test_a_need_says_what_is_missing(need: Need, profile: Profile, missing: str) -> None:
    value = need.read(profile)
    assert isinstance(value, Missing) and value.what == missing


@pytest.mark.parametrize(("need", "profile"), NOT, ids=lambda value: getattr(value, "what", ""))
def test_a_need_that_is_measured_and_not_so_says_that(need: Need, profile: Profile) -> None:
    assert need.read(profile) is NOT_SO


def test_every_need_is_tested_and_has_a_text_of_its_own() -> None:
    assert {need.what for need in ALL} == {need.what for need, _ in HAS} and len({n.what for n in ALL}) == len(ALL)


def test_the_values_are_what_the_profile_has() -> None:
    def read(need: Need, profile: Profile = STARVED) -> Any:
        return need.read(profile)

    assert read(needs.WORKERS) == 2 and read(needs.CPU_SAMPLES) == 8.0 and read(needs.BUSY_WORKERS) == 1.0
    assert read(needs.STARVED_LOOP).loader is STARVED.primary and read(needs.STARVED_LOOP).state == "yes"
    assert read(needs.MEASURED_LOOP).costs is STARVED.costs
    assert read(needs.IDLE_CORES, run_of(fetch=BLOCKED, machine=make_machine(spare_cores=None))) == 0.0
    two = ranks((15.0, 5.0), (15.0, 5.0))
    unknown = make_rank(step_ms=None, world_size=3)
    assert read(needs.SEVERAL_RANKS, run_of(ranks=(*two, unknown))) == two


def test_a_starved_loop_is_explained_by_its_numbers() -> None:
    with comparisons() as made:
        needs.STARVED_LOADER.read(READY)
    assert [(c.threshold.name, c.holds) for c in made] == [
        ("input_wait", "yes"),
        ("unmade_share", "no"),
        ("loader_busy_share", "no"),
        ("heavy_tensors", "no"),
        ("heavy_bytes", "no"),
        ("unexplained_wait", "no"),
    ]
    with comparisons() as made:
        needs.WORKING_LOOP.read(replace(make_profile(), primary=RESTING.primary))
    (rests,) = [compared for compared in made if compared.threshold.name == "working_share"]
    assert rests.value == 0.3 and rests.holds == "yes"
