"""The environment variables that gpuwatch reads or sets. docs/environment.md is made from this list.

The hook reads its own by name, since it cannot afford to import this; a test compares the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Audience = Literal["user", "internal"]
_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
SWITCH_VALUES = "1/true/yes/on or 0/false/no/off"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: what it may hold, what holds without it, and what it does. `setting`: its name in gpuwatch.toml."""

    name: str
    values: str
    default: str
    about: str
    audience: Audience = "user"
    setting: str | None = None

    def read(self, environ: Mapping[str, str]) -> str | None:
        """Return its value; None where it is not set, or empty."""
        return environ.get(self.name) or None


def switch(value: object) -> bool | None:
    """Return what a switch's value means; None where it is none."""
    return _SWITCH.get(str(value).lower())


STACKS = Variable("GPUWATCH_STACKS", SWITCH_VALUES, "on", "Take stack samples, for the hot lines.", setting="stacks")
SETTINGS = (
    Variable("GPUWATCH_DIR", "a folder", ".gpuwatch", "Folder that holds the runs.", setting="dir"),
    Variable("GPUWATCH_RATE", "0.1 to 20", "1", "Samples per second of GPUs, CPUs and processes.", setting="rate"),
    STACKS,
    Variable("GPUWATCH_QUIET", SWITCH_VALUES, "off", "Print no card after a run.", setting="quiet"),
    Variable("GPUWATCH_LIVE", SWITCH_VALUES, "off", "Show the live dashboard during a run.", setting="live"),
    Variable("GPUWATCH_HTML", "a file", "none", "Write each run's report there as HTML.", setting="html"),
    Variable("GPUWATCH_JSON", "a file", "none", "Write each run's report there as JSON.", setting="json"),
    Variable(
        "GPUWATCH_FAIL_ON",
        "limits, such as `input_wait>10%`",
        "none",
        "Let `gpuwatch run` end with status 3 when one is exceeded.",
        setting="fail_on",
    ),
)
DEBUG = Variable(
    "GPUWATCH_DEBUG",
    "1 (any text)",
    "off",
    "Raise gpuwatch's own errors with their traceback, those of the hook inside the training too.",
)
PYSPY = Variable(
    "GPUWATCH_PYSPY", "a file", "the one installed with gpuwatch, else on PATH", "The py-spy that takes stack samples."
)
TORCH_EVENTS = Variable(
    "GPUWATCH_TORCH_EVENTS",
    SWITCH_VALUES,
    "off",
    "Measure GPU wait by torch.Event, of any accelerator that torch knows; otherwise only CUDA's and HIP's, by torch.cuda.",
)
RUN = Variable(
    "GPUWATCH_RUN",
    "a folder",
    "none",
    "The run that a Python belongs to: the hook writes its events there.",
    "internal",
)
HOOK = Variable(
    "GPUWATCH_HOOK",
    "`timer`, `exact`, or both with a comma",
    "none",
    "`timer`: count lines by a timer inside the processes, from their start. `exact`: see GPUWATCH_EXACT.",
    "internal",
)
EXACT = Variable(
    "GPUWATCH_EXACT", "JSON", "none", "Which functions `gpuwatch lines --exact` times line by line.", "internal"
)
EXPERIMENT = Variable(
    "GPUWATCH_EXPERIMENT", "a folder", "none", "Where `gpuwatch try` and the training exchange their files.", "internal"
)
EXPERIMENT_PID = Variable(
    "GPUWATCH_EXPERIMENT_PID",
    "a process id",
    "none",
    "Process of the `gpuwatch try` at work: the training ends with it.",
    "internal",
)
RESPECT_EPOCHS = Variable(
    "GPUWATCH_RESPECT_EPOCHS",
    "1 (any text)",
    "off",
    "In an experiment, let epochs end when the loader's do; without it, one epoch goes on.",
    "internal",
)
GPU_TRACE = Variable(
    "GPUWATCH_GPU_TRACE",
    "`auto`, or a number of steps",
    "none",
    "Have torch.profiler record a few steps of the training (`gpuwatch run --gpu-trace`).",
    "internal",
)
INPUT = Variable(
    "GPUWATCH_INPUT",
    "`module:Class.__next__` or `module:function`, several with commas",
    "none",
    "What else hands over the training's batches: `gpuwatch run --input PLACE` sets it.",
    "internal",
)
VARIABLES = (
    *SETTINGS, DEBUG, PYSPY, TORCH_EVENTS,
    RUN, HOOK, EXACT, GPU_TRACE, INPUT, EXPERIMENT, EXPERIMENT_PID, RESPECT_EPOCHS,
)  # fmt: skip
