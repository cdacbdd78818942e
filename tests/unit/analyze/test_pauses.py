"""From recorded events and stacks to the report: pauses in which the model is called without being trained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.spools import MS, SECOND, FakeRun, report_of

SITE = "/env/lib/python3.11/site-packages"
HZ, STEPS, PAUSES = 50, 16, 8
PAUSE_MS, STEP_MS = 1000.0, 62.5
MODEL = [["Module._call_impl", f"{SITE}/torch/nn/modules/module.py", 1700], ["Net.forward", "/home/me/net.py", 5]]
BACKWARD = [["_engine_run_backward", f"{SITE}/torch/autograd/graph.py", 800]]


def at(line: int, *below: list[Any]) -> list[list[Any]]:
    return [["main", "/home/me/train.py", line], *below]


def loop_without_loader(run: FakeRun, stacks: list[tuple[list[Any], float]]) -> None:
    """Alternate pauses of 1 s with 16 optimizer steps that take 1 s together; `stacks`: of a pause, with their shares."""
    trainer = run.trainer()
    trainer.do("other", 1000)
    begin = trainer.now
    number = trainer.iterate(own_loop=True, batch_size=None)
    for index in range(PAUSES * STEPS):
        trainer.do("other", (PAUSE_MS if index % STEPS == STEPS - 1 else 0.0) + 0.4 * STEP_MS)
        trainer.do("backward", 0.4 * STEP_MS).do("optimizer", 0.2 * STEP_MS)
        trainer.ask(number, index, 0.0, forward_ns=None)
    log = run.stacks()
    log.now = begin
    log.add("burst", t0=begin, t1=trainer.now + 50 * MS, hz=HZ, why="steady", ok=True, began=begin)
    # In each pair of seconds 47 samples of steps, 50 of the pause, and 3 of the step that it is in.
    found: list[tuple[list[Any], list[list[int]]]] = [(at(30, *MODEL), []), (at(31, *BACKWARD), [])]
    found += [(frames, []) for frames, _ in stacks]
    for pause in range(PAUSES):
        first = pause * 2 * HZ
        for runs, begins, count in ((found[0][1], 0, 20), (found[1][1], 20, 27), (found[1][1], 97, 3)):
            runs.append([first + begins, count])
        position = first + 47
        for (_, runs), (_, share) in zip(found[2:], stacks, strict=True):
            runs.append([position, int(share * HZ)])
            position += int(share * HZ)
    for frames, runs in found:
        weight = sum(count for _, count in runs)
        log.add("stack", t0=begin, t1=trainer.now, pid=100, tid="MainThread", frames=frames, weight=weight, runs=runs)
    assert trainer.now - begin == 2 * PAUSES * SECOND


def test_a_rollout_is_a_phase_and_no_pause_to_mend(run: FakeRun) -> None:
    environment = at(16, ["SyncVectorEnv.step", f"{SITE}/gymnasium/vector/sync_vector_env.py", 9])
    loop_without_loader(run, [(at(15, ["Agent.act", "/home/me/agent.py", 8], *MODEL), 0.4), (environment, 0.6)])
    report = report_of(run)
    seconds = {phase.name: phase.seconds for phase in report.phases}
    assert seconds["rollout"] == pytest.approx(PAUSES, rel=0.1)
    assert sum(seconds.values()) == pytest.approx(report.ranks[0].seconds)
    (finding,) = (finding for finding in report.findings if finding.id == "periodic-pause")
    assert finding.summary.startswith("a rollout every 16 steps takes ")
    assert "60% of it in the environment's step, 40% in the model" in finding.summary
    assert finding.speedup is None
    assert "slow-step-code" not in {finding.id for finding in report.findings}


def test_an_evaluation_inside_a_step_is_evaluation(run: FakeRun) -> None:
    estimate = ["estimate_loss", "/home/me/train.py", 12]
    batch = ["get_batch", "/home/me/train.py", 5]
    loop_without_loader(run, [(at(20, estimate, *MODEL), 0.8), (at(20, estimate, batch), 0.2)])
    report = report_of(run)
    seconds = {phase.name: round(phase.seconds, 1) for phase in report.phases if phase.seconds > 0.05}
    assert seconds["evaluation"] == pytest.approx(PAUSES, rel=0.1)
    assert seconds["forward"] == pytest.approx(0.4 * PAUSES, rel=0.15)
    assert "rollout" not in {phase.name for phase in report.phases}
    assert {finding.id for finding in report.findings} == {"evaluation-share"}
