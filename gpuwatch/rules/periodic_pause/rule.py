"""Regular long steps: checkpoint, logging, plotting.

What it means
    Every so many steps one takes many times the median, because something runs in the training process that the
    device waits for: a checkpoint written in the foreground, images logged, a plot drawn.

How it is measured
    Steps far above the median (robustly, not waiting for data), their spacing, the time above the median in all, and
    what ran: torch.save spans, the collector, or the line of stack samples taken then. An evaluation in these steps is
    not counted: it has a phase of its own. So has a rollout of reinforcement learning, pauses in which an environment is
    stepped and the model is called without being trained: it is by design, and reported as what it is.

When it is wrong
    Changing sequence lengths or shapes make some steps long by nature; those are not regular. Workers that deliver at the
    same time make every n-th step of n workers long: the rule is clear then, unless samples show own code in these steps.

What to do
    Save asynchronously (copy to host memory, write in a thread or process), less often, or smaller (weights only).
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.waiting import waits_for_others
from gpuwatch.diagnosis.evidence import place
from gpuwatch.diagnosis.needs import LOADER, RANKS
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.tools import step_lines
from gpuwatch.diagnosis.trainer_code import BLOCKED, most_at, own_lines
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, LongSteps, Profile, RankProfile, Rollout
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, duration, milliseconds

_BY_DESIGN = "This collects what is trained on next, by design. "
# Environments that compute in the training process, and those that are in processes already.
_ADVICE_ENVIRONMENT = (
    "A cheaper environment shortens it, or several of them in processes of their own: they compute here, one after the other."
    " That pays where a step of one takes well over a message to a process and back, some 0.2 ms; below that it is slower."
)
_ADVICE_HANDED = (
    "Its time is that of messages to other processes and back. Step several environments in each of them, or, where a step"
    " of one takes less than such a message (some 0.2 ms), in the training process."
)
_ADVICE_POLICY = "More environments at a time make the calls of the policy fewer and larger."
_ADVICE_OTHER = "Make what runs in these steps cheaper, or run it less often"
# Cores that are idle, for something to run beside the training.
IDLE = 0.5
# Environments whose steps wait this much for others are in processes of their own.
HANDED = 0.5


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.08, "share of the loop", "Less is what logging and the machine itself cost.")
    min_count: Threshold = Threshold(3, "steps", "Two long steps have no period.")
    critical_share: Threshold = Threshold(0.2, "share of the loop", "A fifth of the loop.")
    sure_count: Threshold = Threshold(5, "steps", "From here on a period of unknown cause is certain.")
    rollout_share: Threshold = Threshold(0.5, "share of the loop", "Half of the loop: rollouts bound the run.")


def check(profile: Profile, t: Thresholds, ranks: tuple[RankProfile, ...], loader: LoaderProfile) -> Found | None:
    """Report regular long steps that take 8 % of the loop or more."""
    slowest = max(ranks, key=_share)
    long = slowest.long_steps
    if long is not None and long.rollout is not None:
        return _of_rollout(long, long.rollout, t) if long.rollout.share >= t.share else None
    if (long.share if long else 0.0) < t.share or long is None or long.count < t.min_count:
        return None
    if not long.regular or long.cause == "evaluation":
        return None
    if _is_delivery(profile, long):
        return None
    line = None if long.where else _line(profile, loader, long)
    return Found(
        severity="critical" if long.share >= t.critical_share else "warning",
        confidence="high" if long.cause in ("checkpoint", "gc") or long.count >= t.sure_count else "medium",
        summary=f"{_what(long)}{_every(long)}: {count(long.count, 'step')} take {duration(long.excess_s / long.count)} longer than the median of {milliseconds(long.median_ms)}{_beside(long)}{most_at(line) if line else ''}",
        evidence=(
            Evidence("time above the median step", round(long.share, 4), "share of the loop", t.share, long.count),
            Evidence("long steps", long.count, "steps", t.min_count),
            Evidence("period", long.period, "steps"),
            Evidence("cause seen", long.cause, ""),
            *((Evidence("evaluation in these steps", round(long.evaluation_s, 2), "s"),) if long.evaluation_s else ()),
        ),
        advice=_advice_of_saving(long) if long.cause == "checkpoint" else _ADVICE_OTHER + _beside_training(profile),
        where=long.where or place(line),
        speedup=_speedup(profile.costs, long) if profile.costs else None,
        rank=slowest.rank if len(ranks) > 1 else None,
    )


def _advice_of_saving(long: LongSteps) -> str:
    """Advise to save in the background only where that is done before the next checkpoint."""
    takes, between = long.excess_s / long.count, (long.period or 0.0) * long.median_ms / 1e3
    if between and takes >= between:
        return (
            f"Save less often, or less (weights only): a checkpoint takes {duration(takes)} and the next one comes"
            f" {duration(between)} later, so that writing in the background would fall behind."
        )
    room = f": it takes {duration(takes)}, and the next one comes {duration(between)} later" if between else ""
    return f"Write checkpoints in the background (copy to host memory first){room}; or less often, or smaller."


def _beside_training(profile: Profile) -> str:
    """Return the end of an advice: work beside the training needs a core of its own."""
    spare = profile.machine.spare_cores
    if spare is None or spare < IDLE:
        return "; beside the training it would take a core from it."
    return f", or beside the training (logs, plots, simulations): {count(round(spare, 1), 'core is idle', 'cores are idle')}."


def _is_delivery(profile: Profile, long: LongSteps) -> bool:
    """Say whether every n-th step is long because n workers hand over a batch each at about the same time: what takes the
    batches from the loader is then another thread, or part of the step. Nothing of the training's own runs in these steps."""
    if long.cause != "unknown" or long.period is None:
        return False
    own = (h for h in profile.hot_lines if h.process_role == "trainer" and h.activity == "long step")
    works = any((h.blocked_share or 0.0) < BLOCKED and not waits_for_others(h.stack) for h in own)
    return not works and any(loader.workers > 1 and round(long.period) == loader.workers for loader in profile.loaders)


def _share(rank: RankProfile) -> float:
    long = rank.long_steps
    return 0.0 if long is None else long.share + (long.rollout.share if long.rollout else 0.0)


def _of_rollout(long: LongSteps, rollout: Rollout, t: Thresholds) -> Found:
    """Report a rollout as what it is, with the part of it that could be made shorter."""
    bounds = rollout.share >= t.rollout_share
    return Found(
        severity="warning" if bounds else "info",
        confidence="high" if long.count >= t.sure_count else "medium",
        summary=f"a rollout{_every(long)} takes {rollout.share:.0%} of the loop ({duration(rollout.seconds)}): {rollout.environment:.0%} of it in the environment's step, {rollout.policy:.0%} in the model",
        evidence=(
            Evidence("rollout", round(rollout.share, 4), "share of the loop", t.share, long.count),
            Evidence("rollout", round(rollout.seconds, 2), "s"),
            Evidence("environment", round(rollout.environment, 4), "share of the rollout"),
            Evidence("waiting for other processes in it", round(rollout.handed, 4), "share of the rollout"),
            Evidence("model", round(rollout.policy, 4), "share of the rollout"),
        ),
        advice=_BY_DESIGN + _advice_of_rollout(rollout),
    )


def _advice_of_rollout(rollout: Rollout) -> str:
    if rollout.environment < rollout.policy:
        return _ADVICE_POLICY
    return _ADVICE_HANDED if rollout.handed >= HANDED * rollout.environment else _ADVICE_ENVIRONMENT


def _every(long: LongSteps) -> str:
    return f" every {long.period:.0f} steps" if long.period and long.regular else ""


def _beside(long: LongSteps) -> str:
    """Say that there is an evaluation in these steps, too, which is not what they are reported for."""
    return f", beside {duration(long.evaluation_s)} of evaluation in them" if long.evaluation_s else ""


def _line(profile: Profile, loader: LoaderProfile, long: LongSteps) -> HotLine | None:
    """Return the line sampled in long steps, else the trainer's own line with about as much time as the pauses took."""
    sampled = [h for h in profile.hot_lines if h.process_role == "trainer" and h.activity == "long step"]
    own = [line for line in own_lines(profile, loader) if line.share >= long.share / 2]
    # A long step has a forward and a backward like any other, too.
    longest = max(sampled, key=_own_share, default=None)
    if longest is not None and (_own_share(longest) >= long.share / 2 or not own):
        return longest
    return next(iter(own), None) or _as_long(profile, long)


def _own_share(line: HotLine) -> float:
    return line.share * (1.0 - (line.model_share or 0.0))


def _as_long(profile: Profile, long: LongSteps) -> HotLine | None:
    """Return the one line of the step that takes about as much time as the pauses; one that sleeps or waits is none."""
    near = [
        h
        for h in step_lines(profile)
        if not h.sleeps
        and (h.blocked_share or 0.0) < BLOCKED
        and not waits_for_others(h.stack)
        and long.share / 2 <= _own_share(h) <= 1.5 * long.share
    ]
    return near[0] if len(near) == 1 else None


def _what(long: LongSteps) -> str:
    return {"checkpoint": "a checkpoint", "gc": "Python's collector"}.get(long.cause, "a pause")


def _speedup(costs: Costs, long: LongSteps) -> Speedup:
    saved_ms = 1e3 * long.excess_s / max(costs.batches, 1.0)
    after = replace(costs, device_ms=max(costs.device_ms - saved_ms, 1e-3), seconds=costs.seconds)
    return throughput.predict(costs, after, "the long steps made as long as the others", 0.3)


RULE = Rule(
    id="periodic-pause",
    page=__doc__,
    check=check,
    needs=(
        RANKS,
        LOADER,
    ),
    thresholds=Thresholds(),
    by_events=True,
    hides=("slow-step-code",),
    traits=Traits(bound="host", lanes=("step", "gpu_busy"), windows="long steps"),
)
