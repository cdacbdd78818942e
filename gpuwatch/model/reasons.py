"""Why a verdict is what it is: the numbers that it rests on. `views.verdict_text` makes sentences of them."""

from __future__ import annotations

from typing import Literal

from gpuwatch.model.trend import StepKind
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class SharedCores:
    """Cores that the loader's workers and the training used on average, of those that they may use."""

    usable: float
    training: float
    workers: float


@dataclass(frozen=True, slots=True)
class LoaderSteps:
    """What a step of a loop over a DataLoader is made of, means in ms. `threshold`: the share of waiting that matters.

    `later_epochs`: epochs after the first one whose first batch was waited for, `epoch_wait_s` each; 0 where that is too
    little to matter. `iterator_per_step`: each batch came from an iterator of its own. `ready`: batches are made in time,
    so that what is waited for is a core. `cores`: where input and training share them. `evaluation_wait`: of all loops' time,
    what evaluation waits for data, where that bounds the run or where much of a free input's gain is. `kinds`: where steps
    are of a few lengths, which a mean would mix."""

    role: Literal["training", "evaluation", "inference"]
    threshold: float
    wait_ms: float | None
    compute_ms: float | None
    later_epochs: int = 0
    epoch_wait_s: float = 0.0
    iterator_per_step: bool = False
    ready: bool = False
    cores: SharedCores | None = None
    evaluation_wait: float | None = None
    kinds: tuple[StepKind, ...] = ()
    # Of a training that was attached to, whose steps nothing told apart.
    samples: int | None = None


@dataclass(frozen=True, slots=True)
class OwnLoopSteps:
    """What a step of a loop without a DataLoader is made of: shares of its stack samples, of which `sampled` says whether
    there are enough.

    `handed`: it waits for another thread or process of its own. `asleep`: its own line sleeps, None where that is too
    little to matter. `unseen`: it waits for something that no sample shows, where that is most of it. `fed`: its own thread
    gets the next batch, by so many `samples`; None where it is not known how it gets one, `unfed` says why. `unmarked`: no
    event separates its steps. `crowded`: other threads of the process were at work meanwhile, and may have held the
    interpreter lock."""

    step_ms: float | None
    sampled: bool
    model: float
    handed: float
    other: float
    asleep: float | None = None
    unseen: float | None = None
    fed: float | None = None
    samples: int | None = None
    threshold: float = 0.1
    unmarked: bool = False
    crowded: bool = False
    unfed: Literal["no samples", "no model", "no source"] | None = None


@dataclass(frozen=True, slots=True)
class FewSteps:
    """The loop had too few steps: `needed` for a verdict, `sure` for a sure one."""

    steps: int
    needed: int
    sure: int


@dataclass(frozen=True, slots=True)
class FewSamples:
    """A training that was attached to was met in its loop by too few stack samples: `needed` for a verdict."""

    samples: int
    needed: int


@dataclass(frozen=True, slots=True)
class EndedEarly:
    """The command failed before it had enough steps: its exit status, or the signal that ended it."""

    steps: int
    needed: int
    exit_code: int | None
    signal: int | None


@dataclass(frozen=True, slots=True)
class NoLoop:
    """No training loop was seen; "not yet": the run goes on; "not sampled": no stack of it could be read; "damaged": files
    of the event log, `damaged` of them, are. `not_entered`: Pythons that the hook could not enter."""

    why: Literal["not entered", "no Python", "no torch", "no loader", "not yet", "not sampled", "damaged"]
    not_entered: int = 0
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class TracedTime:
    """What a device did by a trace, shares of the time from its first to its last activity.

    `worst`: the class that most of the lost time is of, `worst_share` of it; `in_one_step`: one step has most of that.
    `unmeasured`: why the idle time says nothing. `activities` and `steps` are what the trace holds."""

    device: int
    rank: int
    span_ms: float
    steps: int
    activities: int
    idle: float
    busy: float
    worst: str
    worst_share: float
    in_one_step: bool = False
    unmeasured: str | None = None
    unknown: float = 0.0


Reason = LoaderSteps | OwnLoopSteps | FewSteps | FewSamples | EndedEarly | NoLoop | TracedTime
