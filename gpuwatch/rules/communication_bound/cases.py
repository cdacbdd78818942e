"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_hot_line
from gpuwatch.diagnosis.examples.runs import (
    BACKWARD_LINE,
    SAMPLED,
    STARVED,
    UNMEASURED,
    WORK_LINE,
    ranks,
    run_of,
    traced_by,
)
from gpuwatch.diagnosis.gpu_trace import NOT_MEASURABLE
from gpuwatch.model.gpu_time import GpuGain
from gpuwatch.model.hot_lines import Callee

CASES = (
    fires(
        run_of(ranks=ranks((20.0, 14.0), (20.0, 13.5)), stacks=SAMPLED, hot_lines=(BACKWARD_LINE,)),
        "warning",
        "80% of the training processes' time is inside collective calls",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.0,
    ),
    fires(
        run_of(
            ranks=ranks((20.0, 14.0), (20.0, 13.5)),
            stacks=SAMPLED,
            hot_lines=(
                make_hot_line(
                    process_role="trainer",
                    activity="step",
                    source="dist.all_reduce(g)",
                    callee=Callee("torch", "wait"),
                    share=0.5,
                ),
            ),
        ),
        "warning",
        "50% of the training processes' time is inside collective calls",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.0,
    ),
    clear(run_of(ranks=ranks((20.0, 14.0), (20.0, 13.5)), stacks=SAMPLED, hot_lines=(WORK_LINE,))),
    clear(
        run_of(
            ranks=ranks((20.0, 14.0), (20.0, 13.5)),
            stacks=SAMPLED,
            hot_lines=(BACKWARD_LINE,),
            loader={"compute_cpu_share": 0.98},
        )
    ),
    unknown(STARVED, "steps of at least two ranks"),
    unknown(run_of(ranks=ranks((20.0, 14.0), (20.0, 13.5))), "stack samples of the training process"),
    fires(
        traced_by({"communication": 0.4}, GpuGain("communication", 1.25, 1.0, 1.667)),
        "warning",
        "the GPU runs nothing but exchanges with other ranks for 40% of its time",
        confidence="medium",
        speedup=1.25,
    ),
    clear(traced_by({"communication": 0.1})),
    unknown(UNMEASURED, NOT_MEASURABLE),
)
