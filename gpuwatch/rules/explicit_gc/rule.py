"""The training's own code asks for garbage collections: gc.collect() by hand, again and again.

What it means
    A full collection walks every object that Python tracks: milliseconds in a small program, a good part of a second
    with millions of objects. Called after each step, to keep memory low, it stops the loop each time. Memory of
    tensors is given back without it, as soon as nothing refers to them.

How it is measured
    The collector's callbacks tell collections that Python began itself (more new objects than the threshold) from those
    that were asked for, how long each took, and the line of the user's that it was asked for on.

When it is wrong
    Where cycles of objects hold large tensors, a collection now and then is what frees them: then once in some hundred
    steps, or once per epoch, is enough. Thresholds and gc.disable() do not change a collection that is asked for.

What to do
    Remove the call, or make it rare. If memory grows without it, find the cycle that holds the tensors.
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import loop_seconds
from gpuwatch.diagnosis.needs import MEASURED_LOOP, PROCESS_STATE, STARVED_LOOP, MeasuredLoop, Starved
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.process_state import AskedCollections, ProcessState
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, milliseconds


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.04, "share of the loop", "Less is not worth a change.")
    min_count: Threshold = Threshold(4, "collections", "Fewer belong to set-up, or to the end of an epoch.")
    fetch_share: Threshold = Threshold(0.15, "share of the fetch", "Less is hidden by what else a fetch does.")
    critical_share: Threshold = Threshold(0.2, "share of the loop or fetch", "A fifth of the time.")


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, state: ProcessState) -> Found | None:
    """Report the line that asked for the collections that took most, in the loop or in a starved loop's fetches."""
    whole, starved = max(loop_seconds(profile), 1e-9), STARVED_LOOP.read(profile)
    own = [one for one in state.collections if not one.in_workers and one.count >= t.min_count]
    share = sum(one.seconds for one in own) / whole
    if own and share >= t.share:
        return _found(profile, t, seen, own, min(share, 0.95))
    workers = [one for one in state.collections if one.in_workers and one.count >= t.min_count]
    if workers and isinstance(starved, Starved):
        spent = sum(one.seconds for one in workers) * 1e3 / max(starved.loader.batches, 1)
        share = min(spent / max(starved.fetch.mean_wall_ms, 1e-9), 0.95)
        return _found(profile, t, seen, workers, share) if share >= t.fetch_share else None
    return None


def _found(profile: Profile, t: Thresholds, seen: MeasuredLoop, asked: list[AskedCollections], share: float) -> Found:
    most = max(asked, key=lambda one: one.seconds)
    of = "fetch" if most.in_workers else "loop"
    each = milliseconds(1e3 * most.seconds / most.count)
    per_step = most.count / max(seen.loader.batches, 1)
    each_epoch = not most.in_workers and most.count <= PER_EPOCH * max(seen.loader.passes or seen.loader.iterators, 1)
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence="high",
        summary=f"the calls of gc.collect() take {share:.0%} of the {_of(most)}: {count(most.count, 'call')} of {each} each",
        evidence=(
            Evidence(
                "collections asked for",
                round(share, 4),
                f"share of the {of}",
                t.fetch_share if most.in_workers else t.share,
                most.count,
            ),
            Evidence("calls of gc.collect()", most.count, "collections", t.min_count),
            Evidence("calls per step", round(per_step, 3), "collections"),
        ),
        advice=_ADVICE.format("" if each_epoch else ", or call it once per epoch"),
        where=most.where,
        speedup=_gain(share, most.in_workers),
        hides=("slow-dataset-code",) if most.in_workers else (*_IN_LOOP, *(("epoch-end",) if each_epoch else ())),
    )


_IN_LOOP = ("slow-step-code", "periodic-pause", "slowing-down")
_ADVICE = (
    "Remove this gc.collect(){}: it walks every object of Python, and tensors are freed without it. Where a library makes the"
    " call, gc.freeze() once before the loop keeps all that was made before it out of each collection. Thresholds and"
    " gc.disable() do not change collections that are asked for."
)
# Calls for each pass over the data, as at its beginning and its end.
PER_EPOCH = 2


def _of(asked: AskedCollections) -> str:
    return "workers' fetches" if asked.in_workers else "training loop"


def _gain(share: float, in_workers: bool) -> Speedup:
    gain = 1.0 / (1.0 - share)
    low = 1.0 if in_workers else 1 + 0.85 * (gain - 1)
    return Speedup(round(gain, 3), round(low, 3), round(1 + 1.1 * (gain - 1), 3), "the loop without these collections")


RULE = Rule(
    id="explicit-gc",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, PROCESS_STATE),
    thresholds=Thresholds(),
    hides=(*_IN_LOOP, "slow-dataset-code", "epoch-end"),
    traits=Traits(bound="host", lanes=("step", "gpu_busy"), windows="long steps"),
)
