"""The trainer's own code in the step: its lines that are neither the model nor waiting, and the share they take.

Of a loop without a DataLoader samples also tell the model's share and what it waits for other threads or processes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from gpuwatch.analyze.lines.frames import ASKING
from gpuwatch.analyze.lines.host_code import is_host_line
from gpuwatch.analyze.lines.waiting import waits_for_network, waits_for_others, waits_for_program
from gpuwatch.diagnosis.tools import step_lines
from gpuwatch.model.hot_lines import INPUT, HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.words.source_code import excerpt

BLOCKED = 0.5
# A training thread on the CPU for less of its step than this mostly waits for something.
WAITING_CPU = 0.5
# A thread that others of its process keep from running for less than this may as well wait for something else.
LOCKED = 0.2
# Without a sample of the model, this share of the step says that there is hardly any.
MOST_OF_STEP = 0.5
# Threads that hold it for this share of the time hardly rest.
FULL = 0.5
_MODULE_CALLS = ("_call_impl", "_wrapped_call_impl")
_MODEL_CALLS = (*_MODULE_CALLS, "backward", "_engine_run_backward")
_OPTIMIZER, _NETWORKS = "torch/optim/", "torch/nn/"
# Where torch makes loaders' iterators, and Python the processes of their workers.
_MAKING = ("__init__", "_reset")
_LOADERS, _PROCESSES = "torch/utils/data/", ("/multiprocessing/popen_", "/multiprocessing/context.py")
# Libraries that start a loader's workers and its threads.
_STARTING = ("multiprocessing", "threading")
# What else of a loop calls the model.
_WITH_MODEL = ("evaluation", "rollout")


def own_lines(profile: Profile, loader: LoaderProfile) -> list[HotLine]:
    """Return the trainer's lines in the step that work, outside of the model, its backward pass and its optimizer; those of
    the loader's sampler are none."""
    waits = waiting_share(profile, loader) > 1.0 - WAITING_CPU
    by_source = loader.own_loop and not profile.devices
    lines = [_without_model(h, loader.own_loop) for h in step_lines(profile) if not h.sleeps]
    lines = [h for h in lines if h.share > 0.0 and not is_sampler(h)]
    own = [h for h in lines if by_source or _waits_by_itself(h) or not _is_blocked(h, waits)]
    return sorted((h for h in own if not waits_for_others(h.stack)), key=lambda h: -h.share)


def _waits_by_itself(line: HotLine) -> bool:
    """Say whether a line waits for what it asked for: a reply over the network, the end of a program that it started."""
    return waits_for_network(line) or waits_for_program(line.stack)


def model_share(profile: Profile, loader: LoaderProfile) -> float:
    """Return the share of the samples in the loop that fell into the model, its backward pass or its optimizer."""
    lines = [
        h for h in profile.hot_lines if h.is_of_step or (h.process_role == "trainer" and h.activity in _WITH_MODEL)
    ]
    return sum(h.share * _model_part(h, loader.own_loop) for h in lines)


def calls_modules(profile: Profile) -> bool:
    """Say whether samples of the step met an nn.Module: a model written out in tensor operations looks like other code."""
    lines = step_lines(profile)
    return any(_name(h) == "forward" or any(_calls(call, _MODULE_CALLS) for call in h.stack) for h in lines)


def computes_on_the_host(profile: Profile) -> bool:
    """Say whether most of the step is lines whose source shows that they are no operations on tensors."""
    return sum(h.share for h in step_lines(profile) if is_host_line(h.file, h.line)) >= MOST_OF_STEP


def _name(line: HotLine) -> str:
    return line.function.rpartition(".")[2]


def _calls(call: Place, functions: tuple[str, ...], files: tuple[str, ...] = ()) -> bool:
    """Say whether a call of a stack is one of these functions, or in one of these folders."""
    file = call.file.replace("\\", "/")
    return (call.function or "").rpartition(".")[2] in functions or any(part in file for part in files)


def handed_share(profile: Profile, loader: LoaderProfile) -> float:
    """Return the share of the step in which the trainer waited for another thread or process to hand something over, or
    for the interpreter lock that a thread of its own held."""
    return max(queued_share(profile), _lock_share(profile, loader))


def queued_share(profile: Profile) -> float:
    """Return the share of the samples in the step in which the trainer waited at a lock, a queue or a pipe."""
    return sum(h.share for h in step_lines(profile) if waits_for_others(h.stack))


def _lock_share(profile: Profile, loader: LoaderProfile) -> float:
    """Return the share of the step in which the trainer stood still, no longer than other threads of it were at work.

    Only without a GPU: else it may have stood still for that. Where it was looked at who holds that lock, only for pools of
    threads: any other thread is none of the input's."""
    lines = step_lines(profile)
    if profile.threads:
        return _pool_share(profile, loader)
    main, others = sum(h.samples for h in lines), sum(h.samples for h in profile.hot_lines if h.activity == "fetch")
    if profile.devices or not main:
        return 0.0
    still = min(waiting_share(profile, loader) - sleeping_share(profile) - _fed_asleep(profile), others / main)
    return still if still >= LOCKED else 0.0


def _pool_share(profile: Profile, loader: LoaderProfile) -> float:
    """Return the share of the step in which the trainer was blocked while a pool of threads held the interpreter lock.

    Threads that hold it for most of the time never rest: what waits for them also seems to sleep until it gets the lock."""
    held = sum(one.lock for rank in profile.threads if rank.rank == loader.rank for one in rank.others if one.pooled)
    asleep = 0.0 if held >= FULL else sleeping_share(profile)
    still = min(waiting_share(profile, loader) - asleep, held)
    return still if still >= LOCKED and not profile.devices else 0.0


def stands_still(profile: Profile, loader: LoaderProfile) -> bool:
    """Say whether the trainer mostly waits, and not only in a sleep or for its own threads: at a pipe, a socket, a disk.

    With a GPU that may be the device's work."""
    waits = waiting_share(profile, loader)
    other = waits - sleeping_share(profile) - handed_share(profile, loader)
    return not profile.devices and waits >= BLOCKED and other >= LOCKED


def sleeping_share(profile: Profile) -> float:
    """Return the share of the samples in the step in which the trainer slept, by its own line."""
    return sum(h.share for h in step_lines(profile) if h.sleeps)


def fed_lines(profile: Profile) -> list[HotLine]:
    """Return the lines in which a loop without a DataLoader gets its next batch by itself, the costliest first."""
    lines = [h for h in profile.hot_lines if h.process_role == "trainer" and h.activity == INPUT]
    return sorted(lines, key=lambda h: -h.share)


def _fed_asleep(profile: Profile) -> float:
    return sum(h.share for h in fed_lines(profile) if h.sleeps or waits_for_network(h))


def waiting_share(profile: Profile, loader: LoaderProfile) -> float:
    """Return the share of the step without waiting in which the training thread neither ran nor waited for a core.

    The run-queue delay is known for the whole loop; all of it is taken to fall into the step. 0 when that is unknown."""
    if loader.compute_cpu_share is None or loader.compute_ms is None or loader.step_ms is None:
        return 0.0
    rank = next((rank for rank in profile.ranks if rank.rank == loader.rank), None)
    delay = (rank.run_queue_delay_share or 0.0) if rank else 0.0
    in_step = delay * loader.step_ms.median / max(loader.compute_ms.median, 1e-9)
    return max(1.0 - loader.compute_cpu_share - in_step, 0.0)


def own_share(profile: Profile, lines: list[HotLine]) -> float:
    """Return the share of the step that these lines take, no more than the phases put outside of forward, backward and
    optimizer: any line may hold a model written out in tensor operations, or a framework's call of it."""
    return min(sum(h.share for h in lines), other_share(profile), 1.0)


def sampler_lines(profile: Profile) -> list[HotLine]:
    """Return the lines of the user's own sampler, which the loader asks for indices in the training process: in the step, and
    before the first batch of a pass."""
    lines = [h for h in profile.hot_lines if h.process_role == "trainer" and is_sampler(h)]
    return sorted(lines, key=lambda h: -h.seconds)


def is_sampler(line: HotLine) -> bool:
    """Say whether a line is code of a sampler that a loader asks for indices."""
    return any(_calls(call, (ASKING,)) for call in line.stack) or draws_at_start(line)


def draws_at_start(line: HotLine) -> bool:
    """Say whether a line is code of a sampler that draws all indices where the loader's iterator is made, before any is
    asked for: its `__iter__` is no generator."""
    below = zip(line.stack, line.stack[1:], strict=False)
    return any(_calls(maker, _MAKING) and _LOADERS in maker.file and _is_iter(call) for maker, call in below)


def _is_iter(call: Place) -> bool:
    return (call.function or "").rpartition(".")[2] == "__iter__" and _LOADERS not in call.file


def most_at(line: HotLine) -> str:
    """Return the end of a summary that says where most of something is: the line with its source, and the callback."""
    if not line.source:
        return f", most of it in {line.callback or line.function}"
    callback = f" (in {line.callback})" if line.callback else ""
    return f", most of it at line {line.line}: {excerpt(line.source)}{callback}"


def between_loops(profile: Profile) -> list[HotLine]:
    """Return the trainer's lines between loops and at their start that are not the loader's, nor its sampler's.

    When a sample was taken is known to a tenth of a second or so: a line belongs where most of its time is."""
    trainer = [h for h in profile.hot_lines if h.process_role == "trainer"]
    elsewhere: dict[tuple[str, int], float] = defaultdict(float)
    for line in trainer:
        if line.activity not in ("between loops", "startup", "importing"):
            elsewhere[line.file, line.line] += line.seconds
    lines = [h for h in trainer if h.activity == "between loops" and h.seconds > elsewhere[h.file, h.line]]
    own = [h for h in lines if not _starts_loader(h) and not is_sampler(h) and not waits_for_others(h.stack)]
    return sorted(own, key=lambda h: -h.seconds)


def _starts_loader(line: HotLine) -> bool:
    """Say whether a line makes an iterator and its workers, or stops them; without a stack by what it calls."""
    if line.stack:
        return any(_calls(call, (), (_LOADERS, *_PROCESSES)) for call in _below(line))
    called = line.callee is not None and (line.callee.is_torch or line.callee.library in _STARTING)
    return called or (line.blocked_share or 0.0) >= BLOCKED


def _below(line: HotLine) -> tuple[Place, ...]:
    """Return the calls of a line's stack that the line made."""
    at = next((i for i in reversed(range(len(line.stack))) if line.stack[i].file == line.file), -1)
    return line.stack[at + 1 :]


def _calls_torch(line: HotLine) -> bool:
    return line.callee is not None and line.callee.is_torch


def _model_part(line: HotLine, own_loop: bool) -> float:
    """Return the part of a line's samples that are the model's forward or backward pass, or the optimizer.

    Other things of torch (a state_dict, a summary) are the user's choice; without a stack that is unknown. Of a loop
    without a DataLoader no phase tells the forward: there a loss and the like are the model's too."""
    if _name(line) in ("forward", "backward"):
        return 1.0
    if line.model_share is None or own_loop:
        known = line.model_share or 0.0
        parts = (_OPTIMIZER, _NETWORKS) if own_loop else (_OPTIMIZER,)
        called = _calls_torch(line) and (
            not line.stack or any(_calls(call, _MODEL_CALLS, parts) for call in line.stack)
        )
        return 1.0 if called else known
    return line.model_share


def _without_model(line: HotLine, own_loop: bool) -> HotLine:
    """Return a line with the part of its cost that is not the model's."""
    kept = 1.0 - _model_part(line, own_loop)
    return replace(line, share=line.share * kept, seconds=line.seconds * kept, samples=round(line.samples * kept))


def _is_blocked(line: HotLine, waits: bool) -> bool:
    """Say whether a line sleeps or waits; where samples do not tell, the thread's CPU time in the step does."""
    return waits if line.blocked_share is None else line.blocked_share >= BLOCKED


def other_share(profile: Profile) -> float:
    """Return the part of the steps that is neither waiting nor forward, backward or optimizer."""
    return phase_share(profile, "other in-step")


def phase_share(profile: Profile, name: str) -> float:
    """Return the part of the steps, waiting included, that is in a phase."""
    seconds = dict.fromkeys(("input wait", "forward", "backward", "optimizer", "other in-step"), 0.0)
    for rank in profile.ranks:
        for phase in rank.phases:
            if phase.name in seconds:
                seconds[phase.name] += phase.seconds
    whole = sum(seconds.values())
    return seconds[name] / whole if whole > 0 else 0.0
