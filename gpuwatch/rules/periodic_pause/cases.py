"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_rank
from gpuwatch.diagnosis.examples.runs import FEW_STEPS, HIDDEN, SAMPLED, WORK_LINE, long_steps, no_loader, run_of
from gpuwatch.model.profile import LongSteps, Rollout


def _rollout(rollout: Rollout) -> LongSteps:
    return long_steps(cause="rollout", where=None, excess_s=0.0, share=0.0, rollout=rollout)


CASES = (
    fires(
        run_of(8.0, ranks=(make_rank(long_steps=long_steps()),)),
        "critical",
        "a checkpoint every 100 steps: 10 steps take 400 ms longer than the median of 15 ms",
        where="t.py:9",
        speedup=1.645,
    ),
    fires(
        run_of(8.0, ranks=(make_rank(long_steps=long_steps(cause="unknown", where=None)),)),
        "critical",
        "a pause every 100 steps: 10 steps take 400 ms longer than the median of 15 ms",
        speedup=1.645,
    ),
    # Besides an evaluation in the same steps, which is not what they are reported for; the line is sampled.
    fires(
        run_of(
            8.0,
            ranks=(make_rank(long_steps=long_steps(cause="unknown", where=None, evaluation_s=3.0)),),
            hot_lines=(replace(WORK_LINE, activity="long step"),),
            stacks=SAMPLED,
        ),
        "critical",
        "a pause every 100 steps: 10 steps take 400 ms longer than the median of 15 ms, beside 3.0 s of evaluation in them,"
        " most of it at line 48: histogram(w)",
        where="/home/me/project/data.py:48",
        speedup=1.645,
    ),
    fires(
        run_of(8.0, ranks=(make_rank(long_steps=_rollout(Rollout(12.0, 0.6, 0.3, 0.55))),)),
        "warning",
        "a rollout every 100 steps takes 60% of the loop (12.0 s): 55% of it in the environment's step, 30% in the model",
    ),
    fires(
        run_of(8.0, ranks=(make_rank(long_steps=_rollout(Rollout(4.0, 0.2, 0.7, 0.25))),)),
        "info",
        "a rollout every 100 steps takes 20% of the loop (4.0 s): 25% of it in the environment's step, 70% in the model",
    ),
    clear(run_of(8.0, ranks=(make_rank(long_steps=_rollout(Rollout(0.6, 0.03, 0.3, 0.55))),))),
    clear(HIDDEN),
    clear(run_of(8.0, ranks=(make_rank(long_steps=long_steps(share=0.02)),))),
    clear(run_of(8.0, ranks=(make_rank(long_steps=long_steps(regular=False)),))),
    clear(run_of(8.0, ranks=(make_rank(long_steps=long_steps(cause="evaluation")),))),
    unknown(no_loader(), "a measured loop over a DataLoader"),
    unknown(FEW_STEPS, "a measured loop over a DataLoader"),
)
