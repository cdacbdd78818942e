"""Phases that only stack samples can tell: the forward of a loop without a DataLoader, code before the forward that is no
part of it, an evaluation or a rollout inside a step, the wait of a loop without a DataLoader."""

from __future__ import annotations

import math
from dataclasses import replace

from gpuwatch.analyze.lines.step_parts import StepParts
from gpuwatch.model.measures import phase_rows
from gpuwatch.model.profile import LongSteps, RankProfile, Rollout
from gpuwatch.model.trend import Trend

# Fewer samples divide nothing.
_FEWEST, _FEWEST_HOOKS = 50, 10
# Library code before the forward is told from it where it takes more of the step than this, and than chance explains.
_LEAST, _SIGMAS = 0.05, 2.0
_OTHER, _WAIT = "other in-step", "input wait"
_STEP = ("forward", "backward", "optimizer", _OTHER)


def with_samples(rank: RankProfile, sampled: StepParts | None) -> RankProfile:
    """Return a rank with its phases, and what its long steps are, corrected by the samples of its steps."""
    if sampled is None:
        return rank
    seconds = {phase.name: phase.seconds for phase in rank.phases}
    long = _without_pauses(rank.long_steps, sampled, seconds) if rank.long_steps else None
    if sum(sampled.parts.values()) >= _FEWEST:
        _divide(sampled, seconds)
        _take_hooks(sampled, seconds)
    fed = sampled.feed.share if sampled.feed else None
    if fed is not None and fed.n >= _FEWEST:
        _move(seconds, fed.median * sum(seconds.get(name, 0.0) for name in _STEP), _WAIT)
        rank = replace(rank, wait_share=fed)
    return replace(rank, phases=phase_rows(seconds, rank.seconds), long_steps=long)


def trend_with_samples(trend: Trend, measured: RankProfile, divided: RankProfile) -> Trend:
    """Return a trend in which what was measured as the forward is other code where samples say that most of it is; of a
    loop without a DataLoader, the other way round."""
    before, after = (_seconds(rank, "forward") for rank in (measured, divided))
    parts = {part.name: part for part in trend.parts}
    if not before and after > _seconds(divided, _OTHER) + _seconds(divided, _WAIT) and _OTHER in parts:
        parts[_OTHER] = replace(parts[_OTHER], name="forward")
        return replace(trend, parts=tuple(parts.values()))
    if "forward" not in parts or after >= before / 2:
        return trend
    forward, other = parts.pop("forward"), parts.get(_OTHER)
    parts[_OTHER] = replace(
        forward,
        name=_OTHER,
        first_ms=forward.first_ms + (other.first_ms if other else 0.0),
        last_ms=forward.last_ms + (other.last_ms if other else 0.0),
    )
    return replace(trend, parts=tuple(parts.values()))


def _seconds(rank: RankProfile, name: str) -> float:
    return sum(phase.seconds for phase in rank.phases if phase.name == name)


def _without_pauses(long: LongSteps, sampled: StepParts, seconds: dict[str, float]) -> LongSteps:
    """Give evaluation and rollouts inside steps their phases; what is left is what the long steps are long for."""
    if long.cause not in ("unknown", "checkpoint") or not sampled.long:
        return long
    evaluation = _move(seconds, long.excess_s * sampled.evaluation / sampled.long, "evaluation")
    acting = _move(seconds, long.excess_s * sampled.rollout / sampled.long, "rollout")
    left = max(long.excess_s - evaluation - acting, 0.0)
    share = long.share * left / long.excess_s if long.excess_s else 0.0
    if acting:
        found = Rollout(
            acting,
            long.share - share,
            sampled.policy / sampled.rollout,
            sampled.environment / sampled.rollout,
            sampled.handed / sampled.rollout,
        )
        return replace(long, excess_s=left, share=share, cause="rollout", rollout=found)
    cause = "evaluation" if evaluation > long.excess_s / 2 else long.cause
    return replace(long, excess_s=left, share=share, evaluation_s=long.evaluation_s + evaluation, cause=cause)


def _move(seconds: dict[str, float], wanted: float, name: str) -> float:
    """Take time from the step's own code, then from the forward, for another phase; return how much there was."""
    moved = 0.0
    for source in (_OTHER, "forward"):
        part = max(min(wanted - moved, seconds.get(source, 0.0)), 0.0)
        seconds[source] = seconds.get(source, 0.0) - part
        moved += part
    seconds[name] = seconds.get(name, 0.0) + moved
    return moved


def _divide(sampled: StepParts, seconds: dict[str, float]) -> None:
    """Divide what lies outside of backward and optimizer, both measured, between the forward and other code."""
    parts = sampled.parts
    if not seconds.get("backward") and not seconds.get("forward"):
        _divide_unmeasured(sampled, seconds)
        return
    whole = seconds.get("forward", 0.0) + seconds[_OTHER]
    count = sum(weight for part, weight in parts.items() if part not in ("backward", "hook", "optimizer"))
    if count <= 0 or whole <= 0:
        return
    if not seconds.get("forward"):  # a loop without a DataLoader: nothing says where its forward begins
        seconds["forward"] = whole * parts["forward"] / count
        seconds[_OTHER] = whole - seconds["forward"]
        return
    share = (parts["library"] + parts["host"]) / count
    surplus = share * whole - seconds[_OTHER]
    unsure = _SIGMAS * math.sqrt(share * (1 - share) / count) * whole
    if surplus > max(unsure, _LEAST * (whole + seconds.get("backward", 0.0) + seconds.get("optimizer", 0.0))):
        seconds[_OTHER] += surplus
        seconds["forward"] -= surplus


def _take_hooks(sampled: StepParts, seconds: dict[str, float]) -> None:
    """Give what a backward pass calls back for each gradient to the step's other code."""
    hooks, passes = sampled.parts["hook"], sampled.parts["backward"]
    if hooks >= _LEAST * (hooks + passes) and hooks >= _FEWEST_HOOKS:
        moved = seconds.get("backward", 0.0) * hooks / (hooks + passes)
        seconds["backward"] -= moved
        seconds[_OTHER] += moved


def _divide_unmeasured(sampled: StepParts, seconds: dict[str, float]) -> None:
    """Divide a step of which no backward was observed: it was compiled, or nothing is trained."""
    parts, whole, measured = sampled.parts, seconds[_OTHER], seconds.get("optimizer", 0.0)
    names = ("forward", "backward") if measured else ("forward", "backward", "optimizer")
    count = sum(weight for part, weight in parts.items() if part != "hook" and (part != "optimizer" or not measured))
    for name in names:
        found = whole * parts[name] / count if count else 0.0  # type: ignore[index]
        seconds[name] = seconds.get(name, 0.0) + found
        seconds[_OTHER] -= found
