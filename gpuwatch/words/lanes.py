"""The lanes of the timeline, each declared once, in the order in which a reader wants them.

Analysis makes lanes of these kinds, views and rules find them by key; titles are for people alone.
"""

from __future__ import annotations

from typing import NamedTuple


class LaneKind(NamedTuple):
    """What a lane shows. `shape`: `line` (values over time), `spans` (labelled stretches), `marks` (across all lanes).

    `per`: what there is one of these lanes for: `machine`, `gpu`, `rank` or `worker`. `numbered`: the title goes with the
    worker's number. `waits`: it shows time lost waiting. `low_is_bad`: of several, the lowest is the one to look at."""

    key: str
    title: str
    shape: str = "line"
    unit: str = ""
    per: str = "machine"
    about: str = ""
    waits: bool = False
    low_is_bad: bool = False
    numbered: bool = False


GPU_BUSY = LaneKind(
    "gpu_busy", "GPU busy", unit="%", per="gpu", low_is_bad=True,
    about="share of the time in which the GPU ran at least one kernel",
)  # fmt: skip
GPU_WAIT = LaneKind(
    "gpu_wait", "GPU wait", unit="ms", per="rank", waits=True,
    about="the GPU's queue was empty because the next batch was not there",
)  # fmt: skip
INPUT_WAIT = LaneKind(
    "input_wait", "input wait", unit="ms", per="rank", waits=True, about="each step's wait for its batch"
)
STEP = LaneKind("step", "step time", unit="ms", per="rank", about="from one batch to the next")
WORKER = LaneKind(
    "worker", "worker", "spans", per="rank", numbered=True,
    about="dark: making a batch, light: waiting for something to do",
)  # fmt: skip
TRAINER_LOADING = LaneKind(
    "trainer_loading", "loading in the trainer", "spans", per="rank",
    about="the training process itself made its batches",
)  # fmt: skip
CPU_BUSY = LaneKind("cpu_busy", "CPU busy", unit="cores", about="cores in use on the whole machine")
SM_ACTIVE = LaneKind(
    "sm_active", "SM active", unit="%", per="gpu", low_is_bad=True, about="how much of the GPU's chip worked"
)
_STALLED = "share of the time in which tasks were stalled for lack of CPU, I/O or memory"
CPU_PRESSURE = LaneKind("cpu_pressure", "CPU pressure", unit="%", about=_STALLED, waits=True)
IO_PRESSURE = LaneKind("io_pressure", "I/O pressure", unit="%", about=_STALLED, waits=True)
GPU_MEMORY = LaneKind("gpu_memory", "GPU memory", unit="GiB", per="gpu")
MEMORY_USED = LaneKind("memory_used", "memory used", unit="GiB")
SHARED_MEMORY = LaneKind("shared_memory", "shared memory", unit="GiB")
PROCESS_CPU = LaneKind(
    "process_cpu", "process CPU", unit="cores", per="worker", about="cores that each loader worker used"
)
POWER = LaneKind("power", "power", unit="W", per="gpu")
THROTTLING = LaneKind(
    "throttling", "throttling", "spans", per="gpu", about="the driver slowed the GPU down", waits=True
)
TEMPERATURE = LaneKind("temperature", "temperature", unit="°C", per="gpu")

# What the spans of a worker's strip are labelled.
FETCHING, WAITING, SENDING = "fetching", "waiting", "sending"

EPOCHS = LaneKind("epochs", "epochs", "marks", per="rank")
EVALUATION = LaneKind("evaluation", "evaluation", "marks", per="rank")
LONG_STEPS = LaneKind("long_steps", "long steps", "marks", per="rank")
CHECKPOINTS = LaneKind("checkpoints", "checkpoints", "marks", per="rank")
MISSING_DATA = LaneKind("missing_data", "missing data", "marks")
XID = LaneKind("xid", "XID", "marks")

LANES: dict[str, LaneKind] = {
    kind.key: kind
    for kind in (
        GPU_BUSY, GPU_WAIT, INPUT_WAIT, STEP, WORKER, TRAINER_LOADING, CPU_BUSY, SM_ACTIVE, CPU_PRESSURE, IO_PRESSURE,
        GPU_MEMORY, MEMORY_USED, SHARED_MEMORY, PROCESS_CPU, POWER, THROTTLING, TEMPERATURE,
        EPOCHS, EVALUATION, LONG_STEPS, CHECKPOINTS, MISSING_DATA, XID,
    )
}  # fmt: skip
