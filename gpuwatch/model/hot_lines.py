"""Source lines with the share of the work they cost, and how far to trust the samples."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from gpuwatch.model.measures import INTERNAL, Place
from gpuwatch.records import dataclass

# What is no work of the training: anomaly mode's own, the compiler at compiling, a debugger's or a profiler's.
Tool = Literal["anomaly", "compiler", "tracer", "profiler"]

# The activity of a training process that gets the next batch of its loop by itself, where that is not over a DataLoader.
INPUT = "input"

# A smaller share rounds to 0 %.
LEAST_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Callee:
    """The library function that a line called. `qualified`: `name` has its module and its class
    before it ("PIL.Image.open"), else it is what people call it ("PIL decode")."""

    library: str
    name: str
    qualified: bool = False

    def __str__(self) -> str:
        return f"{self.library}{'.' if self.qualified else ' '}{self.name}" if self.library else self.name

    @property
    def function(self) -> str:
        """The name without module and class."""
        return self.name.rpartition(".")[2]

    @property
    def is_torch(self) -> bool:
        """Whether it is torch's, or of a library of its family (torchvision, torchaudio)."""
        return self.library.startswith("torch")


@dataclass(frozen=True, slots=True)
class HotLine:
    """A source line with the share of its role's work it costs.

    `share`: of the role's samples that were work (loader work for workers). `waited_share`: of the samples taken
    while the trainer waited for this worker's batch. `callee`: the library function below it.
    `activity` of its process at that instant: fetch | collate | serialise (making batches), step | long step | evaluation
    | rollout (in a loop), input (getting the next batch of a loop without a DataLoader, in its own thread), between loops (share of the time there), startup | importing (before the first batch; a
    trainer's share is of all the time until then, seen or not).
    `blocked_share`: samples asleep or in a blocking call, None where neither the samples nor the CPU time of their
    process tell. `makes`: the dataset's or transform's class that this line makes, where its library code took the time.
    `cost_s`: seconds of the run that it costs, by which lines are ordered: a trainer's own, and of making batches its share of
    what the loops waited for them.
    `below`: the place in the called code where most of the time goes, `below_callee` what is called there; null where
    the line itself calls it, or none was sampled."""

    file: str
    line: int
    function: str
    process_role: Literal["worker", "trainer"]
    share: float
    seconds: float
    waited_share: float | None
    activity: str
    callee: Callee | None
    source: str | None
    samples: int
    speedup_if_free: float | None = None
    blocked_share: float | None = None
    stack: tuple[Place, ...] = ()
    makes: str | None = None
    below: Place | None = None
    below_callee: Callee | None = None
    cost_s: float | None = None
    # Whether its own source calls a sleep.
    sleeps: bool = field(default=False, metadata=INTERNAL)
    # Share of its samples in a module's forward, a backward pass or an optimizer's update; None without stacks.
    model_share: float | None = field(default=None, metadata=INTERNAL)
    # Of a line that runs a framework's loop: the callback, or other function of the framework's, that takes most of the
    # samples outside of those.
    callback: str | None = field(default=None, metadata=INTERNAL)
    # The share of its samples in which such a tool was at work.
    tools: tuple[tuple[Tool, float], ...] = field(default=(), metadata=INTERNAL)
    # Its share of the samples in the first and in the second half of the loops' time; None with few of either.
    halves: tuple[float, float] | None = field(default=None, metadata=INTERNAL)

    @property
    def is_of_step(self) -> bool:
        """Whether it is the training process's own, in a usual step or a long one."""
        return self.process_role == "trainer" and self.activity in ("step", "long step")


def cost_of(line: HotLine) -> float:
    """Return the seconds of the run that a line costs; where that was not derived, those that it took."""
    return line.seconds if line.cost_s is None else line.cost_s


@dataclass(frozen=True, slots=True)
class StackQuality:
    """Who took the stack samples, how many, and how far to trust them."""

    sampler: Literal["py-spy", "timer", "none"]
    samples: int
    trust: Literal["high", "medium", "low", "none"]
    note: str
