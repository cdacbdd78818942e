"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_rank
from gpuwatch.diagnosis.examples.runs import HIDDEN, SAMPLED, WORK_LINE, run_of

CASES = (
    fires(
        run_of(8.0, ranks=(make_rank(first_batch_s=12.0),)),
        "info",
        "the first batch came after 12.0 s, 60% of the run",
    ),
    fires(
        run_of(
            8.0,
            ranks=(make_rank(first_batch_s=12.0),),
            hot_lines=(replace(WORK_LINE, activity="startup", share=0.4, seconds=4.8),),
            stacks=SAMPLED,
        ),
        "warning",
        "the first batch came after 12.0 s, 60% of the run",
        where="/home/me/project/data.py:48",
        speedup=1.429,
    ),
    clear(HIDDEN),
    clear(
        run_of(
            8.0,
            ranks=(make_rank(first_batch_s=12.0),),
            hot_lines=(
                replace(WORK_LINE, activity="importing", share=0.8, seconds=9.6),
                replace(WORK_LINE, activity="startup", share=0.05, seconds=0.6),
            ),
            stacks=SAMPLED,
        )
    ),
    # The first steps of a loop without a DataLoader, before they are recognised as one.
    clear(
        run_of(
            8.0,
            ranks=(make_rank(first_batch_s=12.0),),
            hot_lines=(
                replace(WORK_LINE, activity="importing", share=0.4, seconds=4.8),
                replace(WORK_LINE, activity="startup", share=0.5, seconds=6.0, model_share=0.95),
            ),
            stacks=SAMPLED,
        )
    ),
    clear(run_of(8.0, ranks=(make_rank(first_batch_s=3.0, seconds=5.0),))),
    clear(
        run_of(
            8.0,
            ranks=(make_rank(first_batch_s=18.0),),
            hot_lines=(
                replace(WORK_LINE, activity="importing", share=0.8, seconds=14.0),
                replace(WORK_LINE, activity="startup", share=0.1, seconds=2.0),
            ),
            stacks=SAMPLED,
        )
    ),
    unknown(run_of(8.0, ranks=(make_rank(first_batch_s=None),)), "a first batch"),
)
