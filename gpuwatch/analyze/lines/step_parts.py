"""What the samples of a trainer's steps say that its events cannot: the part of the step that each is in, and which of its
long steps call the model without training it.

A model that is called again and again in a pause between two optimizer steps is evaluated there, or it acts: an
evaluation over something else than a DataLoader, or the rollout of reinforcement learning, which steps an environment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from itertools import pairwise

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.model_calls import IN_MODEL, Part, is_model_call, part_of, timed_part
from gpuwatch.analyze.lines.samples import Sample, settle_long_steps
from gpuwatch.model.loader_profile import Feed
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import hands_over, is_library, package_of

_IN_STEP = ("step", "long step")
# What calls a model for this share of a pause evaluates it; an environment that takes this share of one is stepped in it.
_EVALUATES, _ENVIRONMENT, _POLICY = 0.1, 0.05, 0.03
_FEWEST = 10
# A forward pass, its loss included, takes no less than this of what its backward takes; and its modules alone.
_TRAINED, _CALLED = 0.1, 0.03
# What environments of every library call the method that moves them on, alone or several at a time.
_STEPS = ("step", "step_wait", "step_async")
# How the methods of callbacks begin: those of Lightning, Transformers, Keras and Ultralytics, and those of fastai.
_EVENTS = ("on_", "after_", "before_")
Functions = set[tuple[str, str]]


@dataclass(slots=True)
class StepParts:
    """Sample counts of one trainer. `parts`: of its steps, without the pauses that are named below; `long`: of its long
    steps, pauses included; `evaluation` and `rollout`: of such pauses; `policy` and `environment`: in a rollout; `handed`:
    of the environment's, in which other threads or processes were waited for. `feed`: of a loop without a DataLoader, what of
    its steps gets the next batch."""

    parts: dict[Part, float] = field(default_factory=lambda: defaultdict(float))
    long: float = 0.0
    evaluation: float = 0.0
    rollout: float = 0.0
    policy: float = 0.0
    environment: float = 0.0
    handed: float = 0.0
    feed: Feed | None = None


def place_in_steps(samples: Sequence[Sample]) -> tuple[list[Sample], Mapping[int, StepParts]]:
    """Return the samples with the trainers' parts and pauses named, and how many there are of each, by pid."""
    placed = settle_long_steps(_with_parts(samples))
    placed = _with_callbacks(placed)
    trainers: dict[int, list[Sample]] = defaultdict(list)
    for sample in placed:
        if sample.role == "trainer" and sample.activity in _IN_STEP:
            trainers[sample.pid].append(sample)
    named = {pid: _named_pauses(mine) for pid, mine in trainers.items()}
    activities = {id(s): to for pid, mine in trainers.items() for s, to in zip(mine, named[pid][0], strict=True)}
    placed = [sample._replace(activity=activities.get(id(sample), sample.activity)) for sample in placed]
    return placed, {pid: counts for pid, (_, counts) in named.items()}


def _with_parts(samples: Sequence[Sample]) -> list[Sample]:
    stacks = {sample.stack for sample in samples if sample.role == "trainer" and sample.stack}
    built_on_torch = {package for stack in stacks for package in _callers_of_torch(stack)}
    parts = {stack: _settled_part(stack, built_on_torch) for stack in stacks}
    return [
        sample if sample.role != "trainer" else sample._replace(part=parts.get(sample.stack) or _timed(sample))
        for sample in samples
    ]


def _callers_of_torch(stack: Sequence[Frame]) -> Iterable[str]:
    """Return the packages that call torch in a stack: other code of theirs may be tensor operations, too."""
    for caller, called in pairwise(stack):
        if is_library(caller.file) and package_of(called.file).startswith("torch"):
            yield package_of(caller.file)


def _settled_part(stack: Sequence[Frame], built_on_torch: set[str]) -> Part:
    part = part_of(stack)
    leaf = next((frame for frame in reversed(stack) if not frame.file.startswith("<")), stack[-1])
    return "torch" if part == "library" and package_of(leaf.file) in built_on_torch else part


def _timed(sample: Sample) -> Part:
    name = sample.function.rpartition(".")[2]
    return timed_part(name, sample.callee.library if sample.callee else None)


def _with_callbacks(samples: Sequence[Sample]) -> list[Sample]:
    """Name, of what a framework's loop calls beside the model, the callback or else the function that leads there."""
    steps = [sample for sample in samples if sample.role == "trainer" and sample.activity in _IN_STEP]
    loops = _functions(sample for sample in steps if sample.part in IN_MODEL)
    names = {s.stack: _callback(s, loops) for s in steps if s.part not in IN_MODEL}
    return [sample._replace(callback=names.get(sample.stack)) for sample in samples]


def _callback(sample: Sample, loops: Functions) -> str | None:
    """Return the first function below a user's line that does not lead to the model as well; rather the first callback,
    which every framework calls by the event that it is for."""
    stack = sample.stack
    at = max((i for i, f in enumerate(stack) if (f.file, f.line) == (sample.file, sample.line)), default=len(stack))
    below = [frame for frame in stack[at + 1 :] if not frame.file.startswith("<")]
    if not below or (below[0].file, below[0].function) not in loops:
        return None
    away = [frame for frame in below if (frame.file, frame.function) not in loops]
    named = next((frame for frame in away if frame.name.startswith(_EVENTS)), away[0] if away else None)
    return named.function.replace(".<locals>", "") if named else None


def _named_pauses(samples: Sequence[Sample]) -> tuple[list[str], StepParts]:
    """Return the activity of each sample, of its own for long steps that call the model without training it, and counts."""
    long = [sample for sample in samples if sample.activity == "long step"]
    trains = _functions(sample for sample in samples if sample.part in ("backward", "optimizer"))
    named = (_rollout(long, trains) or _evaluation(samples, long, trains)) if _trains_elsewhere(samples) else {}
    activities = [named.get(id(sample), sample.activity) for sample in samples]
    counts = StepParts(long=_weight(long))
    for sample, activity in zip(samples, activities, strict=True):
        _count(counts, sample, activity)
    environment = _in_environment([s for s in long if named.get(id(s)) == "rollout"], trains)
    counts.environment = _weight(environment)
    counts.handed = _weight(sample for sample in environment if hands_over(sample.stack[-1].file))
    return activities, counts


def _count(counts: StepParts, sample: Sample, activity: str) -> None:
    if activity == "evaluation":
        counts.evaluation += sample.weight
    elif activity == "rollout":
        counts.rollout += sample.weight
        counts.policy += sample.weight if sample.part == "forward" else 0.0
    else:
        counts.parts[sample.part] += sample.weight


def _rollout(long: Sequence[Sample], trains: Functions) -> dict[int, str]:
    """Return all of the long steps as rollout where they step an environment and ask the model what to do."""
    whole, policy = _weight(long), _weight(s for s in long if s.part == "forward")
    environment = _weight(_in_environment(long, trains))
    if whole < _FEWEST or policy < _POLICY * whole or environment < _ENVIRONMENT * whole:
        return {}
    return {id(sample): "rollout" for sample in long if sample.part not in ("backward", "optimizer")}


def _in_environment(long: Sequence[Sample], trains: Functions) -> list[Sample]:
    """Return the samples below an environment's step: a function of that name below which no model is called.

    Nor torch: the step of a diffusion model's noise schedule is no environment's."""
    models = trains | _functions(sample for sample in long if sample.part in IN_MODEL)
    outside = [sample for sample in long if sample.part not in (*IN_MODEL, "torch")]
    return [sample for sample in outside if any(_is_environment(frame, models) for frame in sample.stack)]


def _is_environment(frame: Frame, models: Functions) -> bool:
    called = frame.name in _STEPS and (frame.file, frame.function) not in models
    return called and not package_of(frame.file).startswith("torch")


def _evaluation(samples: Sequence[Sample], long: Sequence[Sample], trains: Functions) -> dict[int, str]:
    """Return what runs in functions that call the model in long steps only, and train nothing."""
    trained = _functions(sample for sample in samples if sample.part == "forward" and sample.activity == "step")
    calls = [s for s in long if s.part == "forward" and _caller(s.stack) not in trains]
    if _weight(long) < _FEWEST or _weight(calls) < _EVALUATES * _weight(long):
        return {}
    callers = {_caller(sample.stack) for sample in calls} - trains - trained
    evaluated = {id(sample) for sample in calls}
    return {
        id(sample): "evaluation"
        for sample in long
        if id(sample) in evaluated or not callers.isdisjoint((f.file, f.function) for f in sample.stack)
    }


def _trains_elsewhere(samples: Sequence[Sample]) -> bool:
    """Say whether the forward that is trained is among the usual steps: else samples of it may have seemed to be in the
    long ones, which begin and end with a step like any other."""
    usual = [sample for sample in samples if sample.activity == "step"]
    forward = _weight(s for s in usual if s.part == "forward")
    backward = _weight(s for s in samples if s.part == "backward")
    loss = _weight(s for s in usual if s.part == "torch")
    return forward >= _CALLED * backward and forward + loss >= _TRAINED * backward


def _caller(stack: Sequence[Frame]) -> tuple[str, str] | None:
    """Return the function from which a stack's outermost module was called."""
    at = next((i for i, frame in enumerate(stack) if is_model_call(frame)), 0)
    callers = [frame for frame in stack[:at] if package_of(frame.file) != "torch"]
    return (callers[-1].file, callers[-1].function) if callers else None


def _functions(samples: Iterable[Sample]) -> Functions:
    return {(frame.file, frame.function) for sample in samples for frame in sample.stack}


def _weight(samples: Iterable[Sample]) -> float:
    return sum(sample.weight for sample in samples)
