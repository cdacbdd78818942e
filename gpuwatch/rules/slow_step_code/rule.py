"""Python between the batches, other than forward, backward and optimizer, takes a good part of the loop.

What it means
    The training process itself does something in each step that is neither the model nor waiting for data: metrics
    in Python, logging, plotting, moving data about, histograms.

How it is measured
    Lines of the training process from stack samples in the step, other than the model's forward, the backward pass and
    the optimizer, also where a framework calls these from the user's one line; then the callback that takes the time is
    named. Code of the host inside the model's forward or in a hook below the backward pass counts too, where its source
    or the library that it is in shows that it is none of torch's. No more is reported than was measured outside of the
    three, whatever the samples say. A line that sleeps or waits is not Python's work and does not count, but for one that
    waits for a reply over the network or for a program that it started. What is done between the epochs is epoch-end, what a loader's sampler does
    slow-sampler.
    In a GPU trace: the device's gaps in which the host ran code that launched nothing, inside no loader and no call that
    waits.

When it is wrong
    Without stack samples, waiting for a device outside of the backward pass looks the same; then the rule is not
    evaluated.

What to do
    Do it every n-th step, on the device, after the loop, or in another process.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.waiting import waits_for_network, waits_for_program
from gpuwatch.diagnosis.evidence import place
from gpuwatch.diagnosis.gpu_trace import by_trace, recurs, share_evidence, speedup
from gpuwatch.diagnosis.loop_calls import of_one_call
from gpuwatch.diagnosis.messages import AT_WORK, find_messages
from gpuwatch.diagnosis.needs import MEASURED_LOOP, RANKS, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Missing, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import (
    calls_modules,
    computes_on_the_host,
    most_at,
    other_share,
    own_lines,
    own_share,
    stands_still,
)
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.profile import Costs, Profile, RankProfile
from gpuwatch.records import dataclass

_ADVICE = "Do this every n-th step, on the device, or after the loop."
_ADVICE_MESSAGES = (
    "Those processes compute for a small part of that time: do their work in this process, or put several steps of it into one"
    " message. More processes make more messages."
)
_ADVICE_PROGRAM = (
    "Start it every n-th step, or in a thread that the training does not wait for, or get the same from a library: to start"
    " a program takes milliseconds, whatever it does."
)
_ADVICE_NETWORK = (
    "Gather these and send them together every n-th step, over a connection that stays open; or send them from a thread beside"
    " the training, which only waits."
)
_ADVICE_OWN = (
    "Where it makes the batch: make it cheaper (whole arrays instead of Python loops), or let the workers of a DataLoader"
    " make it ahead; else do it every n-th step, on the device, or after the loop."
)


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.15, "share of the step", "Logging, metrics and the loop itself take less.")
    critical_share: Threshold = Threshold(0.3, "share of the step", "A third of the step.")
    idle: Threshold = Threshold(
        0.2, "share of the GPU's time", "Where a trace shows each gap: between steps there is always some code."
    )


def check(
    profile: Profile, t: Thresholds, seen: MeasuredLoop, ranks: tuple[RankProfile, ...]
) -> Found | Missing | None:
    """Report working Python lines in the step that are not the model's."""
    loader, costs = seen
    messages = _messages(profile, costs, t)
    if messages is not None:
        return messages
    known = calls_modules(profile) or computes_on_the_host(profile) or stands_still(profile, loader)
    if loader.own_loop and not known:
        return Missing("no nn.Module frames were sampled, so model time is unknown")
    if profile.stacks.trust == "none":
        return None if other_share(profile) < t.share else Missing("stack samples of the training process")
    lines = own_lines(profile, loader)
    other = own_share(profile, lines)
    if other < t.share or not lines:
        return None
    line = lines[0]
    what, advice = "Python outside of forward, backward and optimizer", _ADVICE_OWN if loader.own_loop else _ADVICE
    if waits_for_network(line):
        what, advice = "requests over the network, each of which the training waits for", _ADVICE_NETWORK
    elif waits_for_program(line.stack):
        what, advice = "programs that are started, each of which the training waits for", _ADVICE_PROGRAM
    return Found(
        severity="critical" if other >= t.critical_share else "warning",
        confidence="high" if profile.stacks.trust == "high" else "medium",
        summary=f"{other:.0%} of the step is {what}{most_at(line)}",
        evidence=(
            Evidence("own code in the step", round(other, 4), "share of the trainer's samples", t.share, line.samples),
            Evidence("other in-step", round(other_share(profile), 4), "share of the step", n=loader.steps),
            Evidence(
                "hottest line there", round(min(line.share, other), 4), "share of the trainer's samples", n=line.samples
            ),
            Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
        ),
        advice=advice,
        where=place(line),
        speedup=_without(min(sum(x.share for x in of_one_call(profile, line, lines)), other), other, costs),
        hides=(),
        decides=other >= t.critical_share,
    )


def _without(named: float, other: float, costs: Costs) -> Speedup:
    """Predict the step without what the named line's call takes; the high end is without all own code."""
    gain, most = (_free(share, costs) for share in (named, other))
    return replace(gain, high=max(gain.high, most.high))


def _free(share: float, costs: Costs) -> Speedup:
    after = throughput.with_step(costs, costs.device_ms - min(share * costs.step_ms, 0.95 * costs.device_ms))
    return throughput.predict(costs, after, "the step without this code", 0.4)


def _messages(profile: Profile, costs: Costs, t: Thresholds) -> Found | None:
    """Report steps that wait for messages of other processes, which hardly compute."""
    sent = find_messages(profile)
    if sent is None or sent.share < t.share:
        return None
    # What those processes do has to be done here, then.
    saved = sent.share * (1.0 - sent.worked)
    after = throughput.with_step(costs, costs.device_ms - min(saved * costs.step_ms, 0.95 * costs.device_ms))
    return Found(
        severity="critical" if sent.share >= t.critical_share else "warning",
        confidence="medium",
        summary=f"{sent.share:.0%} of the step is messages to other processes and back{most_at(sent.lines[0])}",
        evidence=(
            Evidence("messages in the step", round(sent.share, 4), "share of the trainer's samples", t.share),
            Evidence("processes at work meanwhile", round(sent.worked, 4), "processes", AT_WORK),
            Evidence("step without waiting", round(costs.device_ms, 3), "ms"),
        ),
        advice=_ADVICE_MESSAGES,
        where=place(sent.lines[0]),
        speedup=throughput.predict(costs, after, "their work done in this process, without messages", 0.4),
        hides=(),
        decides=sent.share >= t.critical_share,
    )


def _in_trace(profile: Profile, t: Thresholds, time: GpuTime) -> Found | None:
    """Report a traced device that idles while the host runs code that launches nothing."""
    share, place = time.share("host_code"), time.place("host_code")
    if share < t.idle or not recurs(time, "host_code"):
        return None
    unnamed = (
        "" if place or time.has_stacks else " The trace has no stacks: record with with_stack=True to see the line."
    )
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"the GPU is idle for {share:.0%} of its time while the host runs code that launches nothing",
        evidence=(share_evidence(time, "host_code", "idle while the host ran other code", t.idle),),
        advice=f"{_ADVICE}{unnamed}",
        where=place.place if place else None,
        speedup=speedup(time, "host_code"),
    )


RULE = Rule(
    id="slow-step-code",
    page=__doc__,
    check=check,
    needs=(
        MEASURED_LOOP,
        RANKS,
    ),
    thresholds=Thresholds(),
    hides=("slow-startup",),
    traits=Traits(bound="host", lanes=("step", "gpu_wait", "gpu_busy")),
    by_trace=by_trace(_in_trace, in_runs=False),
)
