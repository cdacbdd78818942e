"""What bounds the run: one word, the numbers it rests on, and how sure."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import (
    MIN_STEPS,
    STARVED_SHARE,
    above,
    restart_seconds,
    starved,
    waited_share,
)
from gpuwatch.diagnosis.trainer_code import handed_share, model_share, sleeping_share, waiting_share
from gpuwatch.model.findings import Bound, Confidence, Finding, Verdict
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile
from gpuwatch.model.reasons import FewSteps, LoaderSteps, NoLoop, OwnLoopSteps, Reason

SURE_STEPS = 30
# Start-up bounds a run of which it is at least this share.
MOST = 0.5
# A GPU with work for this share of the loop is what a loop stands still for.
BUSY_DEVICE = 0.85


def give_verdict(profile: Profile, findings: list[Finding]) -> Verdict:
    """Decide what bounds the run from the primary loader and, when it is not starved, from the findings."""
    loader = profile.primary
    if loader is not None and loader.own_loop and loader.steps >= MIN_STEPS:
        return _of_own_loop(profile, loader, findings)
    share = waited_share(loader) if loader else None
    if loader is None or share is None or loader.steps < MIN_STEPS:
        return _unknown(profile, loader)
    state = starved(profile) or above(share, STARVED_SHARE)
    free = throughput.free_input(profile.costs) if profile.costs else None
    confidence: Confidence = (
        "borderline" if state == "borderline" else ("high" if loader.steps >= SURE_STEPS else "medium")
    )
    bound: Bound = "input" if state != "no" and share.median >= STARVED_SHARE else _other(findings)
    return Verdict(bound, confidence, share, loader.wait_clock, free, _steps_of(loader))


def _steps_of(loader: LoaderProfile) -> LoaderSteps:
    steps = LoaderSteps(loader.role, STARVED_SHARE, _median(loader.wait_ms), _median(loader.compute_ms))
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
    waited, model, asleep = handed_share(profile, loader), model_share(profile, loader), sleeping_share(profile)
    sampled = profile.stacks.trust not in ("none", "low")
    other = _other(findings)
    bound: Bound = "unknown"
    if sampled and waited >= STARVED_SHARE:
        bound = "input"
    elif other != "compute" or (sampled and model + asleep >= MOST) or _keeps_a_gpu_busy(profile):
        bound = other
    still = waiting_share(profile, loader)
    steps = OwnLoopSteps(
        step_ms=_median(loader.step_ms),
        sampled=sampled,
        model=model,
        handed=waited,
        other=max(1.0 - model - asleep - waited, 0.0),
        asleep=asleep if asleep >= STARVED_SHARE else None,
        unseen=still if bound == "unknown" and still >= MOST else None,
    )
    return Verdict(bound, "low" if bound == "unknown" else "medium", None, "host", None, steps)


def _keeps_a_gpu_busy(profile: Profile) -> bool:
    """Say whether a GPU of the run had work nearly all the time: then the loop is blocked on it."""
    return any((device.busy or 0.0) >= BUSY_DEVICE for device in profile.devices)


def _other(findings: list[Finding]) -> Bound:
    """Return what bounds a run that is not starved: what a strong finding says, else the device's work."""
    return next((finding.traits.bound for finding in findings if finding.traits.bound), "compute")


def _unknown(profile: Profile, loader: LoaderProfile | None) -> Verdict:
    reason: Reason
    if not profile.torch_seen:
        reason = _why_no_torch(profile)
    else:
        reason = FewSteps(loader.steps, MIN_STEPS, SURE_STEPS) if loader else NoLoop("no loader")
    return Verdict("unknown", "low", None, "host", None, reason)


def _why_no_torch(profile: Profile) -> NoLoop:
    if profile.unentered:
        return NoLoop("not entered", len(profile.unentered))
    return NoLoop("no torch" if profile.seen_pythons else "no Python")
