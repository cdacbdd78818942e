"""What bounds the run: one word, the numbers it rests on, and how sure."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.changing_steps import changed, waits_in_the_end
from gpuwatch.diagnosis.evaluation import evaluation_wait, find_waiting
from gpuwatch.diagnosis.evidence import (
    MIN_SAMPLES,
    MIN_STEPS,
    STARVED_SHARE,
    above,
    enough_steps,
    has_steps,
    restart_seconds,
    starved,
    waited_share,
    waits_for_core,
)
from gpuwatch.diagnosis.gpu_trace import verdict_of
from gpuwatch.diagnosis.own_loop import fed_share, handed, input_share
from gpuwatch.diagnosis.own_loop import free_input as free_batches
from gpuwatch.diagnosis.shared_cores import WORTH, find_contention, free_input
from gpuwatch.diagnosis.thresholds import State
from gpuwatch.diagnosis.trainer_code import model_share, sleeping_share, waiting_share
from gpuwatch.model.findings import Bound, Confidence, Finding, Speedup, Verdict
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile
from gpuwatch.model.reasons import EndedEarly, FewSamples, FewSteps, LoaderSteps, NoLoop, OwnLoopSteps, Reason

SURE_STEPS = 30
SURE_SAMPLES = 200
# Samples of a loop without a DataLoader that make its input's share as sure as measured waits.
MANY_SAMPLES = 500
# Start-up bounds a run of which it is at least this share.
MOST = 0.5
# The finding on steps that changed.
TREND = "slowing-down"
# A GPU with work for this share of the loop is what a loop stands still for.
BUSY_DEVICE = 0.85


def give_verdict(profile: Profile, findings: list[Finding]) -> Verdict:
    """Decide what bounds the run, and whether its steps changed so much that this has to be said with it."""
    verdict, trend = _with_kinds(profile, _bounded(profile, findings)), changed(profile)
    if trend is None or verdict.bound == "unknown" or all(finding.id != TREND for finding in findings):
        return verdict
    of_input = trend.grown.name == "input wait"
    if of_input and waits_in_the_end(trend):
        # The mean over the run, and how near it is to the threshold, say nothing of either part of it.
        verdict = _instead(verdict, "input", trend.steps)
    elif verdict.bound == "input" and not of_input and trend.wait_after < STARVED_SHARE and not _is_sampled(profile):
        # What was waited for while steps were short is no part of the answer any more.
        verdict = _instead(verdict, _other(findings), trend.steps)
    if of_input != (verdict.bound == "input"):
        return replace(verdict, leave_input_alone=verdict.leave_input_alone and not of_input)
    return replace(verdict, trend=trend)


def _is_sampled(profile: Profile) -> bool:
    """Say whether no event tells what a loop waits for, so that its steps' trend says nothing of it."""
    return profile.primary is not None and profile.primary.own_loop


def _instead(verdict: Verdict, bound: Bound, steps: int) -> Verdict:
    """Return a verdict with another bound, which so many steps decide."""
    sure = _sureness(steps)
    return replace(verdict, bound=bound, confidence=sure, leave_input_alone=False, speedup_if_compute_free=None)


def _with_kinds(profile: Profile, verdict: Verdict) -> Verdict:
    """Have the reason tell steps of a few lengths apart instead of a mean over them."""
    kinds = profile.trend.kinds if profile.trend else ()
    if not isinstance(verdict.reason, LoaderSteps) or not kinds:
        return verdict
    return replace(verdict, reason=replace(verdict.reason, kinds=kinds))


def _bounded(profile: Profile, findings: list[Finding]) -> Verdict:
    """Decide what bounds the run from the primary loader and, when it is not starved, from the findings; a trace that was
    handed over, from what its device did."""
    loader = profile.primary
    by_trace = verdict_of(profile, findings) if loader is None else None
    if by_trace is not None:
        return by_trace
    if loader is not None and loader.own_loop and has_steps(loader):
        return _of_own_loop(profile, loader, findings)
    share = waited_share(loader) if loader else None
    if loader is None or share is None or not enough_steps(loader):
        return _unknown(profile, loader)
    state = starved(profile) or above(share, STARVED_SHARE)
    free = free_input(profile, loader)
    confidence = "borderline" if state == "borderline" else _sureness_of(loader)
    bound: Bound = "input" if state != "no" and share.median >= STARVED_SHARE else _other(findings)
    verdict = Verdict(bound, confidence, share, loader.wait_clock, free, _steps_of(profile, loader))
    if bound == "input" and state == "no":
        return _of_evaluation(profile, verdict)
    return _of_compute(profile, loader, verdict, findings) if bound == "compute" else verdict


def _of_evaluation(profile: Profile, verdict: Verdict) -> Verdict:
    """Return the verdict on a run whose training does not wait for data, and whose evaluation does."""
    waiting, steps = find_waiting(profile), verdict.reason
    if waiting is None or not isinstance(steps, LoaderSteps):
        return verdict
    return replace(verdict, reason=replace(steps, evaluation_wait=waiting.of_loop))


def _sureness_of(loader: LoaderProfile) -> Confidence:
    """Say how sure the figures of a loop are; shares of stack samples are never as sure as measured waits."""
    if loader.samples is None:
        return _sureness(loader.steps)
    return "medium" if loader.samples >= SURE_SAMPLES else "low"


def _sureness(steps: int) -> Confidence:
    if steps < MIN_STEPS:
        return "low"
    return "high" if steps >= SURE_STEPS else "medium"


def _of_compute(profile: Profile, loader: LoaderProfile, verdict: Verdict, findings: list[Finding]) -> Verdict:
    """Decide what is said of the input where the loop hardly waits for it: all of it by what a free input would win."""
    free = verdict.speedup_if_input_free
    contention = find_contention(profile, loader, free)
    if contention is None:
        sure = verdict.confidence != "borderline"
        if not _wins_little(free) and isinstance(verdict.reason, LoaderSteps):
            # The loop alone waits too little for this gain: what evaluation waits belongs to it.
            verdict = replace(verdict, reason=replace(verdict.reason, evaluation_wait=evaluation_wait(profile)))
        return replace(verdict, leave_input_alone=sure and _wins_little(free) and not _advised(findings))
    steps = replace(_steps_of(profile, loader), cores=contention.cores)
    unsure: Confidence = "medium" if verdict.confidence == "high" else verdict.confidence
    return replace(
        verdict,
        bound="cpu",
        confidence=unsure,
        reason=steps,
        speedup_if_input_free=contention.input_free,
        speedup_if_compute_free=contention.compute_free,
    )


def _wins_little(free: Speedup | None) -> bool:
    return free is None or free.predicted < WORTH


def _advised(findings: list[Finding]) -> bool:
    """Say whether a finding advises to change the input for a gain, or found work in vain."""
    return any((f.traits.about_input or f.traits.in_vain) and f.severity != "info" for f in findings)


def _steps_of(profile: Profile, loader: LoaderProfile) -> LoaderSteps:
    waits, computes = _median(loader.wait_ms), _median(loader.compute_ms)
    ready = waits_for_core(profile, loader)
    steps = LoaderSteps(loader.role, STARVED_SHARE, waits, computes, ready=ready, samples=loader.samples)
    later = len(loader.first_batch_s) - 1
    if later < 1 or restart_seconds(loader) < STARVED_SHARE / 2 * loader.seconds:
        return steps
    return replace(
        steps,
        later_epochs=later,
        epoch_wait_s=restart_seconds(loader) / later,
        iterator_per_step=loader.has_an_iterator_for_each_step,
    )


def _median(value: Interval | None) -> float | None:
    return None if value is None else value.median


def _of_own_loop(profile: Profile, loader: LoaderProfile, findings: list[Finding]) -> Verdict:
    """Decide by stack samples what bounds a loop that is not over a DataLoader: nothing else tells what it waits for."""
    sampled = profile.stacks.trust not in ("none", "low")
    share = input_share(profile, loader) if sampled else None
    state = above(share, STARVED_SHARE) if share else "no"
    model, asleep, other = model_share(profile, loader), sleeping_share(profile), _other(findings)
    bound: Bound = "unknown"
    if share and share.median >= STARVED_SHARE:
        bound = "input"
    elif other != "compute" or (sampled and model + asleep >= MOST) or _keeps_a_gpu_busy(profile):
        bound = other
    crowded = bound == "compute" and _may_be_locked_out(profile, loader)
    bound = "unknown" if crowded else bound
    still, waited, fed = waiting_share(profile, loader), handed(profile, loader), fed_share(loader)
    steps = OwnLoopSteps(
        step_ms=_median(loader.step_ms),
        sampled=sampled,
        model=model,
        handed=waited,
        other=max(1.0 - model - asleep - waited - (fed or 0.0), 0.0),
        asleep=asleep if asleep >= STARVED_SHARE else None,
        unseen=still if bound == "unknown" and still >= MOST else None,
        fed=fed,
        samples=loader.feed.share.n if loader.feed and loader.feed.share else None,
        threshold=STARVED_SHARE,
        crowded=crowded,
        unmarked=loader.samples is not None and profile.run.attached is None,
        unfed=loader.feed.unknown if loader.feed else None,
    )
    # Code of the step may be what makes the batch.
    beside = any(finding.traits.bound == "host" or finding.id == "slow-step-code" for finding in findings)
    alone = bound == "compute" and state == "no" and not beside and not _advised(findings)
    free = free_batches(profile, loader) if share else None
    return Verdict(bound, _own_sureness(loader, bound, state), share, "host", free, steps, alone)


def _may_be_locked_out(profile: Profile, loader: LoaderProfile) -> bool:
    """Say whether other threads of the process were at work for much of a loop of whose thread no CPU time is known: its model
    may wait for the interpreter lock there, which looks like computing."""
    main = sum(h.samples for h in profile.hot_lines if h.is_of_step)
    others = sum(h.samples for h in profile.hot_lines if h.process_role == "trainer" and h.activity == "fetch")
    return loader.samples is not None and loader.compute_cpu_share is None and others >= MOST * main > 0


def _own_sureness(loader: LoaderProfile, bound: Bound, state: State) -> Confidence:
    """Say how sure the verdict on a loop without a DataLoader is, by its samples."""
    if bound == "unknown":
        return "low"
    fed = loader.feed.share if loader.feed else None
    if state == "borderline" and fed is not None and bound in ("input", "compute"):
        return "borderline"
    if loader.samples is not None and loader.compute_cpu_share is None:
        # No CPU time says how many samples of a running thread are missing.
        return _sureness_of(loader)
    return "high" if bound == "input" and fed is not None and fed.n >= MANY_SAMPLES else "medium"


def _keeps_a_gpu_busy(profile: Profile) -> bool:
    """Say whether a GPU of the run had work nearly all the time: then the loop is blocked on it."""
    return any((device.busy or 0.0) >= BUSY_DEVICE for device in profile.devices)


def _other(findings: list[Finding]) -> Bound:
    """Return what bounds a run that is not starved: what a strong finding says, else the device's work."""
    return next((finding.traits.bound for finding in findings if finding.traits.bound), "compute")


def _unknown(profile: Profile, loader: LoaderProfile | None) -> Verdict:
    return Verdict("unknown", "low", None, "host", None, _why_unknown(profile, loader))


def _why_unknown(profile: Profile, loader: LoaderProfile | None) -> Reason:
    if not profile.torch_seen:
        return _why_no_torch(profile)
    steps, run = loader.steps if loader else 0, profile.run
    if run.attached is not None:
        return FewSamples(loader.samples or 0, MIN_SAMPLES) if loader else NoLoop("not sampled")
    if run.exit_code or run.signal is not None:
        return EndedEarly(steps, MIN_STEPS, run.exit_code, run.signal)
    if loader is None:
        return _damaged(profile) or NoLoop("not yet" if run.state == "running" else "no loader")
    return FewSteps(steps, MIN_STEPS, SURE_STEPS)


def _damaged(profile: Profile) -> NoLoop | None:
    """Return what is wrong with the event log, where that may be why there is no loop; while it is written it may end
    anywhere."""
    damaged = profile.damaged_logs if profile.run.state != "running" else 0
    return NoLoop("damaged", damaged=damaged) if damaged else None


def _why_no_torch(profile: Profile) -> NoLoop:
    if damaged := _damaged(profile):
        return damaged
    if profile.unentered:
        return NoLoop("not entered", len(profile.unentered))
    return NoLoop("no torch" if profile.seen_pythons else "no Python")
