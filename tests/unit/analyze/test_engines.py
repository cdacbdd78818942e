"""Engines that make batches in processes of their own, by the trainer's stacks."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze.lines.engines import engine_problems
from gpuwatch.diagnosis.examples.parts import make_hot_line, make_rank
from gpuwatch.diagnosis.examples.runs import SAMPLED, run_of
from gpuwatch.model.findings import Finding
from gpuwatch.model.measures import Place
from gpuwatch.rules.slow_startup.rule import RULE as slow_startup

LIBRARIES = "/env/lib/python3.11/site-packages/"
ASKS = Place("/home/me/train.py", 11, "data")
IN_RAY = (ASKS, Place(f"{LIBRARIES}ray/data/iterator.py", 200, "__iter__"))
WAITS = (*IN_RAY, Place("/usr/lib/python3.11/threading.py", 320, "wait"))


def test_what_ray_makes_is_said_not_to_be_seen() -> None:
    line = make_hot_line(process_role="trainer", activity="step", share=0.9, stack=WAITS)
    assert engine_problems((line,)) == (
        "Ray Data makes the batches in Ray's workers, which gpuwatch does not enter:"
        " `print(ds.stats())` after a pass names the operator that takes the time",
    )


def test_a_loop_that_does_not_wait_for_it_has_nothing_unseen() -> None:
    line = make_hot_line(process_role="trainer", activity="step", share=0.9, stack=WAITS)
    assert engine_problems((replace(line, share=0.05),)) == ()
    assert engine_problems((replace(line, stack=IN_RAY),)) == ()
    assert engine_problems((replace(line, stack=(ASKS, WAITS[-1])),)) == ()


def test_the_start_of_ray_is_no_work_to_cache() -> None:
    line = make_hot_line(process_role="trainer", activity="startup", share=0.8, seconds=10.0, stack=IN_RAY)
    profile = run_of(8.0, ranks=(make_rank(first_batch_s=12.0),), hot_lines=(line,), stacks=SAMPLED)
    finding = slow_startup.evaluate(profile)
    assert isinstance(finding, Finding) and finding.advice == (
        "Keep a Ray cluster running (`ray start --head`) and connect to it (`ray.init(address='auto')`):"
        " Ray Data and its processes are started again in each run."
    )
