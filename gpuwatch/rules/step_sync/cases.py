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
    UNMEASURED,
    WORK_LINE,
    no_loader,
    own_loop,
    run_of,
    traced_by,
)
from gpuwatch.diagnosis.gpu_trace import NOT_MEASURABLE
from gpuwatch.model.gpu_time import Counts, GpuGain
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
    fires(
        traced_by({"sync": 0.4}, counts=Counts(activities=5000, syncs=30, reads=20)),
        "warning",
        "the host waits for the GPU 50 times, 20 of them to read a value; what it launches next finds it idle",
        confidence="medium",
    ),
    fires(
        traced_by({"sync": 0.01}, GpuGain("sync", 1.33, 1.33, 1.33), counts=Counts(activities=5000, syncs=30)),
        "warning",
        "the host waits for the GPU 30 times; what it launches next finds it idle",
        confidence="medium",
        speedup=1.33,
    ),
    # What a single long step would hide, and what the other ranks bound.
    clear(
        traced_by(
            {"host_code": 0.5},
            GpuGain("sync", 1.33, 1.33, 1.33),
            counts=Counts(activities=5000, syncs=30),
            in_largest_step={"host_code": 0.9, "input": 0.2, "allocator": 0.2},
        )
    ),
    clear(
        traced_by(
            {"communication": 0.5, "sync": 0.04},
            GpuGain("sync", 1.6, 1.6, 1.6),
            counts=Counts(activities=5000, syncs=30),
        )
    ),
    # One wait at the end of the recording.
    clear(traced_by({"sync": 0.4}, counts=Counts(activities=5000, syncs=1))),
    clear(traced_by({"sync": 0.05}, counts=Counts(activities=5000, syncs=30))),
    unknown(UNMEASURED, NOT_MEASURABLE),
)
