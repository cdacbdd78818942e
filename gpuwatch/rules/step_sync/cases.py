"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import (
    HANDED_LINE,
    MODEL_LINE,
    SAMPLED,
    STARVED,
    SYNC_LINE,
    WORK_LINE,
    no_loader,
    own_loop,
    run_of,
)
from gpuwatch.model.hot_lines import Callee

CASES = (
    fires(
        run_of(8.0, hot_lines=(SYNC_LINE,), stacks=SAMPLED),
        "warning",
        "each step waits for the device at line 48: loss.item()",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.962,
    ),
    fires(
        run_of(8.0, hot_lines=(replace(SYNC_LINE, blocked_share=None),), stacks=SAMPLED),
        "warning",
        "each step waits for the device at line 48: loss.item()",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.962,
    ),
    # Texts and paths are joined from parts: nothing is waited for.
    *(
        clear(run_of(8.0, hot_lines=(replace(SYNC_LINE, source=source, callee=None),), stacks=SAMPLED))
        for source in ('lines.append("".join(cells))', "path = os.path.join(folder, name)")
    ),
    clear(run_of(8.0, hot_lines=(WORK_LINE,), stacks=SAMPLED)),
    clear(run_of(60.0, hot_lines=(SYNC_LINE,), stacks=SAMPLED)),
    clear(own_loop(MODEL_LINE, replace(HANDED_LINE, callee=Callee("threading", "wait"), blocked_share=0.9))),
    unknown(no_loader(), "a measured loop over a DataLoader"),
    unknown(STARVED, "stack samples of the training process"),
)
