"""The sampler holds up the loop: it draws the indices in the training process.

What it means
    A DataLoader asks its sampler (or batch sampler) for the next indices in the training process, between two steps, with
    workers or without. A sampler that takes long keeps the loop waiting while the workers have nothing to do. More
    workers, or cheaper samples, win nothing.

How it is measured
    The time in the sampler, added up over all requests for batches and over the start of each later epoch, against the
    time of the loop. The line comes from stack samples; without them it is the sampler's __iter__. In recordings that
    lack the measurement, stack samples of the user's own sampler are used.

When it is wrong
    Where batches are ready anyway and the device works on, a sampler of this length costs nothing on a GPU.

What to do
    Prepare what the sampler needs once, in its __init__, and draw with whole arrays instead of Python loops. Draw many
    batches at a time. Work that depends on the epoch only can be done in a thread or process while the epoch before runs.
"""

from __future__ import annotations

from typing import NamedTuple

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import place, wait_evidence
from gpuwatch.diagnosis.needs import MEASURED_LOOP, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import draws_at_start, most_at, sampler_lines
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile, SamplerProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import duration, milliseconds

_ADVICE = (
    "Prepare what the sampler needs once, in its __init__, and use whole arrays instead of Python loops: it runs in the"
    " training process, so that more workers win nothing."
)
_ADVICE_EPOCH = (
    "Prepare what the sampler needs once, in its __init__, and keep it: each epoch repeats this in the training process,"
    " where no worker helps."
)
_ADVICE_TORCH = (
    "Draw all indices of an epoch as one array and hand over slices of it as batches (a batch sampler over"
    " torch.randperm(n).split(batch_size)): {name} draws them in the training process, where no worker helps."
)


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.1, "share of the loop", "Drawing indices takes less than a hundredth as a rule.")
    critical_share: Threshold = Threshold(0.3, "share of the loop", "A third of the loop.")


class Sampled(NamedTuple):
    """What the sampler takes: its share of the loop, its lines; what was measured, None where samples alone tell;
    `sampled_s`: the seconds at the start of later epochs that samples alone tell."""

    share: float
    lines: list[HotLine]
    measured: SamplerProfile | None
    sampled_s: float


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, sampled: Sampled) -> Found | None:
    """Report a sampler that takes a tenth of the loop."""
    loader, costs = seen
    if sampled.share < t.share:
        return None
    line = next(iter(sampled.lines), None)
    return Found(
        severity="critical" if sampled.share >= t.critical_share else "warning",
        confidence="high" if sampled.measured else "medium",
        summary=f"{_what(loader, sampled, costs)}{most_at(line) if line else ''}",
        evidence=_evidence(loader, sampled, costs, t),
        advice=_advice(sampled, costs),
        where=place(line, sampled.measured.where if sampled.measured else None) or loader.created_where,
        speedup=_speedup(sampled, costs),
    )


def _sampled(profile: Profile) -> Sampled | Missing:
    loader = profile.primary
    lines = sampler_lines(profile)
    whole = profile.costs.seconds if profile.costs else profile.seconds
    if loader is not None and loader.sampler is not None:
        # What it draws when the iterator is made is no request.
        at_start = sum(line.seconds for line in lines if line.activity == "between loops" and draws_at_start(line))
        return Sampled(min(loader.sampler.share + at_start / max(whole, 1e-9), 1.0), lines, loader.sampler, at_start)
    if not lines:
        return Missing("the time in the loader's sampler")
    in_steps = sum(line.share for line in lines if line.activity in ("step", "long step"))
    between = sum(line.seconds for line in lines if line.activity == "between loops")
    return Sampled(min(in_steps + between / max(whole, 1e-9), 1.0), lines, None, between)


def _start_s(sampled: Sampled, passes: float) -> float:
    """Return the seconds that each later pass begins with."""
    measured = sum(sampled.measured.start_seconds[1:]) if sampled.measured else 0.0
    return (measured + sampled.sampled_s) / max(passes - 1.0, 1.0)


def _each_epoch(sampled: Sampled, passes: float) -> bool:
    """Say whether most of the time goes by before the first batch of a pass."""
    in_steps = sampled.measured.seconds if sampled.measured else 0.0
    return _start_s(sampled, passes) * max(passes - 1.0, 1.0) > in_steps


def _what(loader: LoaderProfile, sampled: Sampled, costs: Costs) -> str:
    sampler, share = sampled.measured, f"{sampled.share:.0%} of the loop"
    where = (
        "in the training process while the workers wait for indices" if loader.workers else "in the training process"
    )
    if sampler is None:
        return f"the loader's sampler takes {share}, {where}"
    name = sampler.name or "the sampler"
    if _each_epoch(sampled, costs.iterators):
        return f"each epoch begins with {duration(_start_s(sampled, costs.iterators))} of {name} ({share}), {where}"
    return f"{name} takes {milliseconds(sampler.ms_per_batch)} for each batch ({share}), {where}"


def _evidence(loader: LoaderProfile, sampled: Sampled, costs: Costs, t: Thresholds) -> tuple[Evidence, ...]:
    sampler, fetch = sampled.measured, loader.fetch
    found = [Evidence("time in the sampler", round(sampled.share, 4), "share of the loop", t.share, loader.batches)]
    if sampler is not None:
        found.append(Evidence("drawing the indices of a batch", round(sampler.ms_per_batch, 3), "ms", n=loader.batches))
        if costs.iterators > 1:
            start_s = round(_start_s(sampled, costs.iterators), 3)
            found.append(Evidence("start of a later epoch", start_s, "s", n=int(costs.iterators) - 1))
    if loader.workers and fetch is not None:
        found.append(Evidence("a worker waits for indices", round(fetch.index_wait_ms, 3), "ms per batch", n=fetch.n))
    return (*found, wait_evidence(loader))


def _advice(sampled: Sampled, costs: Costs) -> str:
    sampler = sampled.measured
    if sampler is None:
        return _ADVICE
    if sampler.where is None and not sampled.lines:
        return _ADVICE_TORCH.format(name=sampler.name or "it")
    return _ADVICE_EPOCH if _each_epoch(sampled, costs.iterators) else _ADVICE


def _speedup(sampled: Sampled, costs: Costs) -> Speedup:
    sampler = sampled.measured
    if sampler is not None:
        after = throughput.without_sampler(costs, _start_s(sampled, costs.iterators))
        return throughput.predict(costs, after, "throughput model, sampler free")
    gain = 1.0 / max(1.0 - sampled.share, 0.05) - 1.0
    predicted, low, high = (round(1.0 + part * gain, 3) for part in (1.0, 0.7, 1.1))
    return Speedup(predicted, low, high, "the loop without this code")


RULE = Rule(
    id="slow-sampler",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, Need("the time in the loader's sampler", _sampled)),
    thresholds=Thresholds(),
    hides=("too-many-workers", "coarse-batches", "slow-startup"),
    traits=Traits(about_input=True, lanes=("input_wait", "worker"), remedies=("prefetched-sampler",)),
)
