"""Advice has a sign: each sentence states what was measured that makes it right, and is not given where that is not so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gpuwatch.diagnosis.examples.parts import interval, make_hot_line, make_loader, make_machine, make_rank
from gpuwatch.diagnosis.examples.runs import (
    BLOCKED,
    DECODE,
    JITTER,
    SAMPLED,
    epochs,
    long_steps,
    phases,
    run_of,
)
from gpuwatch.model.findings import Finding
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile, Rollout
from gpuwatch.rules import RULES

RULE = {rule.id: rule for rule in RULES}


def advice(id: str, profile: Profile) -> str:
    outcome = RULE[id].evaluate(profile)
    assert isinstance(outcome, Finding), outcome
    return outcome.advice


def test_workers_beyond_the_cores_are_advised_where_they_wait_only() -> None:
    waits = advice("too-few-workers", run_of(60.0, 5.0, cores=2.0, fetch=BLOCKED | {"cpu_ms": 2.0, "blocked_ms": 58.0}))
    assert "more than there are cores: they mostly wait, and waiting needs no core" in waits
    alone = {"fetch": BLOCKED | {"cpu_ms": 2.0, "blocked_ms": 58.0}}
    assert "They may be more than the cores" in advice("no-worker-processes", run_of(60.0, 5.0, 0, 2.0, **alone))
    assert "more than the cores" not in advice("no-worker-processes", run_of(60.0, 30.0, 0, 2.0))
    computes = advice("too-few-workers", run_of(60.0, 5.0, workers=1, cores=3.0))
    assert computes.startswith("Raise num_workers from 1 to 3") and "cores for no more" in computes


def test_a_worker_gets_as_many_library_threads_as_there_are_cores_for_it() -> None:
    crowded: dict[str, Any] = {"fetch": {"process_cpu_ms": 90.0}}
    one = advice(
        "thread-oversubscription", run_of(machine=make_machine(usable_cores=2.0, library_threads=8), **crowded)
    )
    assert one.startswith("Give each worker one library thread") and "OMP_NUM_THREADS=1." in one
    alone = run_of(workers=1, machine=make_machine(usable_cores=4.0, library_threads=16), **crowded)
    assert "Give each worker 4 library threads" in advice("thread-oversubscription", alone)
    assert "fewer threads would leave some idle" in advice("thread-oversubscription", alone)


def test_a_stream_that_does_not_split_its_data_gets_one_worker() -> None:
    stream = {"dataset_kind": "iterable"}
    said = advice("no-worker-processes", run_of(10.0, 12.0, workers=0, loader=stream))
    assert said.startswith("Load in 1 worker process: ") and "each worker hands over all of it" in said
    reads = {"fetch": BLOCKED | {"rchar_per_batch": 3e6}}
    assert "raise num_workers" in advice("storage-wait", run_of(**reads))
    assert "raise num_workers" not in advice("storage-wait", run_of(loader=stream, **reads))


def evaluating(**changes: Any) -> Profile:
    profile = run_of(8.0, ranks=phases(startup=3.0, input_wait=1.0, forward=3.0, evaluation=6.0))
    loader = make_loader(**({"role": "evaluation", "id": "r0.l1", "persistent": False} | changes))
    return replace(profile, loaders=(*profile.loaders, loader))


def test_evaluating_less_often_is_no_advice_for_one_evaluation() -> None:
    twice = advice("evaluation-share", evaluating(passes=2, iterators=2, workers=0, first_batch_s=(0.1, 0.1)))
    assert twice.startswith("Evaluate less often") and "persistent" not in twice
    assert "it ran once" in advice("evaluation-share", evaluating(passes=1, iterators=1, workers=0))


def test_an_evaluation_that_mostly_waits_is_to_be_fed_faster_not_to_run_less() -> None:
    waiting = evaluating(
        passes=3, iterators=3, workers=0, wait_share=Interval(0.86, 0.8, 0.9, 100), first_batch_s=(0.1,) * 3
    )
    said = RULE["evaluation-share"].evaluate(waiting)
    assert isinstance(said, Finding) and said.where == waiting.loaders[-1].created_where
    assert said.advice == "Make its batches faster, not fewer: it waits for data 86% of its time, without workers."


def test_workers_of_an_evaluation_are_kept_where_starting_them_takes_a_good_part_of_it() -> None:
    slow = {"passes": 3, "iterators": 3, "first_batch_s": (3.0, 3.0, 3.0)}
    assert "persistent_workers=True" in advice("evaluation-share", evaluating(**slow))
    assert "persistent" not in advice("evaluation-share", evaluating(**slow, persistent=True))
    quick = slow | {"first_batch_s": (0.1, 0.1, 0.1)}
    assert "persistent" not in advice("evaluation-share", evaluating(**quick))


def test_environments_get_processes_only_where_they_compute_here() -> None:
    def said(handed: float) -> str:
        long = long_steps(cause="rollout", rollout=Rollout(12.0, 0.6, 0.1, 0.8, handed))
        return advice("periodic-pause", run_of(8.0, ranks=(make_rank(long_steps=long),)))

    assert "processes of their own: they compute here" in said(0.0)
    assert "in the training process" in said(0.7) and "processes of their own" not in said(0.7)


@pytest.mark.parametrize(("period", "behind"), [(100.0, False), (20.0, True)])
def test_saving_in_the_background_is_advised_where_it_ends_before_the_next(period: float, behind: bool) -> None:
    # 0.4 s each; 15 ms a step.
    ranks = (make_rank(long_steps=long_steps(period=period)),)
    said = advice("periodic-pause", run_of(8.0, ranks=ranks))
    assert ("would fall behind" in said) is behind and said.startswith(
        "Write checkpoints in the background"
    ) is not behind


def test_work_beside_the_training_needs_an_idle_core() -> None:
    def said(spare: float) -> str:
        ranks = (make_rank(long_steps=long_steps(cause="unknown")),)
        return advice("periodic-pause", run_of(8.0, machine=make_machine(spare_cores=spare), ranks=ranks))

    assert "beside the training (logs, plots, simulations): 3 cores are idle" in said(3.0)
    assert "take a core from it" in said(0.1)


def test_what_moves_to_the_device_is_in_the_step_that_is_predicted() -> None:
    ((device, gain), (cpu, free)) = (
        (outcome.advice, outcome.speedup.predicted)
        for share in (0.1, 0.9)
        if isinstance(outcome := RULE["expensive-transform"].evaluate(jittered(share)), Finding) and outcome.speedup
    )
    assert "on the device, where it makes the step a little longer" in device
    assert "device" not in cpu and "GPU" not in cpu
    assert gain < free


def jittered(cpu_share: float) -> Profile:
    operations = (replace(JITTER, share=0.9),)
    return run_of(40.0, 15.0, cores=2.0, loader={"operations": operations, "compute_cpu_share": cpu_share})


def test_a_cache_is_said_to_pay_from_the_second_pass() -> None:
    small = replace(DECODE, pixels_out=60_000.0)
    once, often = ({"operations": (small,), "iterators": n, "passes": n} for n in (1, 3))
    assert "pays from the second epoch on: this run had one" in advice(
        "expensive-decode", run_of(cores=2.0, loader=once)
    )
    assert "second epoch" not in advice("expensive-decode", run_of(cores=2.0, loader=often))


def test_workers_that_would_keep_an_old_copy_of_the_dataset_are_warned_of() -> None:
    def said(**attributes: Any) -> str:
        return advice("worker-restart", epochs(5, 1.0, 20, attributes=attributes))

    assert "the dataset's epoch changes from pass to pass" in said(changed_values=["epoch"])
    assert "changes from pass to pass" not in said()


@pytest.mark.parametrize(("shares", "said"), [((1.0,), True), ((0.5, 0.5), False)])
def test_work_that_all_ranks_do_between_epochs_is_for_the_first_one_only(shares: tuple[float, ...], said: bool) -> None:
    """Two ranks that score for 6 s; where one of them waits for the other, half of the samples are in the wait."""
    (rank,) = phases(startup=3.0, input_wait=1.0, forward=9.0, between_loops=6.0)
    both = tuple(replace(rank, rank=number, world_size=2, step_ms=interval(15.0)) for number in (0, 1))
    lines = tuple(
        make_hot_line(
            process_role="trainer", activity="between loops", function=f"score{i}", line=50 + i, share=share, seconds=6 * share,
            callee=None, source="score(everything)",
        )
        for i, share in enumerate(shares)
    )  # fmt: skip
    profile = run_of(8.0, ranks=both, hot_lines=lines, stacks=SAMPLED)
    assert ("All 2 ranks do it at the same time" in advice("epoch-end", profile)) is said
