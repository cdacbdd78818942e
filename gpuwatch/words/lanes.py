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

# Of a GPU trace: what its streams ran, what each gap of the device is of, and what the host did.
STREAM = LaneKind("stream", "stream", "spans", per="gpu", numbered=True, about="kernels and copies of one stream")
IDLE_INPUT = LaneKind("idle_input", "idle: input", "spans", per="gpu", waits=True, about="the host was in its loader")
IDLE_SYNC = LaneKind("idle_sync", "idle: sync", "spans", per="gpu", waits=True, about="the host had waited for the GPU")
IDLE_PAGEABLE_COPY = LaneKind(
    "idle_pageable_copy", "idle: pageable copies", "spans", per="gpu", waits=True, about="the host copied"
)  # fmt: skip
IDLE_LAUNCH = LaneKind("idle_launch", "idle: launching", "spans", per="gpu", waits=True, about="the host was launching")
IDLE_HOST_CODE = LaneKind(
    "idle_host_code", "idle: host code", "spans", per="gpu", waits=True, about="the host ran code that launched nothing"
)  # fmt: skip
IDLE_ALLOCATOR = LaneKind(
    "idle_allocator", "idle: allocator", "spans", per="gpu", waits=True, about="memory was allocated or freed"
)  # fmt: skip
IDLE_DEPENDENCY = LaneKind(
    "idle_dependency", "idle: dependency", "spans", per="gpu", waits=True, about="work was launched and had to wait"
)  # fmt: skip
IDLE_UNKNOWN = LaneKind(
    "idle_unknown", "idle: unknown", "spans", per="gpu", waits=True, about="the trace does not say why"
)  # fmt: skip
LAUNCH_QUEUE = LaneKind("launch_queue", "launch queue", per="gpu", about="activities launched and not yet done")
HOST_THREAD = LaneKind("host_thread", "launching thread", "spans", per="rank", about="what it did")

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
        STREAM, IDLE_INPUT, IDLE_SYNC, IDLE_PAGEABLE_COPY, IDLE_LAUNCH, IDLE_HOST_CODE, IDLE_ALLOCATOR, IDLE_DEPENDENCY,
        IDLE_UNKNOWN, LAUNCH_QUEUE, HOST_THREAD,
        EPOCHS, EVALUATION, LONG_STEPS, CHECKPOINTS, MISSING_DATA, XID,
    )
}  # fmt: skip
