"""What bounds the run: one word, a sentence, and how sure."""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import MIN_STEPS, STARVED_SHARE, above, restart_seconds, starved, waited_share
from gpuwatch.diagnosis.trainer_code import handed_share, model_share, sleeping_share, waiting_share
from gpuwatch.model.findings import Bound, Confidence, Finding, Verdict
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile

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
    headline = _headline(bound, share, loader, confidence)
    return Verdict(bound, confidence, share, loader.wait_clock, free, _reason(loader), headline)


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
    steps = f"its loop is not over a DataLoader: an optimizer step every {_ms(loader.step_ms)}"
    told = f"stack samples show the model in {model:.0%} of it, and for {waited:.0%} it stands still for another thread or process"
    if asleep >= STARVED_SHARE:
        told += f", and for {asleep:.0%} it sleeps by its own line"
    still = waiting_share(profile, loader)
    if bound == "unknown" and sampled and still >= MOST:
        told = f"for {still:.0%} of it the process slept or waited for something that no stack sample shows"
    reason = f"{steps}; {told}" if sampled else f"{steps}, and too few stack samples say what it does"
    headline = _OWN_HEADLINES.get(bound, f"Unknown: {reason}").format(
        waited=waited, other=max(1.0 - model - asleep - waited, 0.0)
    )
    return Verdict(bound, "low" if bound == "unknown" else "medium", None, "host", None, reason, headline)


def _keeps_a_gpu_busy(profile: Profile) -> bool:
    """Say whether a GPU of the run had work nearly all the time: then the loop stands still for that."""
    return any((device.busy or 0.0) >= BUSY_DEVICE for device in profile.devices)


_OWN_HEADLINES: dict[Bound, str] = {
    "input": "Input-bound: {waited:.0%} of the training's steps wait for the thread or process that makes their batches",
    "compute": "Compute-bound: no other code or wait takes much of the training's steps; leave the input alone",
    "host": "Host-bound: {other:.0%} of the training's steps are other code of its process than its model",
    "transfer": "Transfer-bound: copies to the device hold up the training loop",
    "communication": "Communication-bound: the ranks wait for each other",
    "startup": "Start-up-bound: most of the run passed before the first step",
}


def _headline(bound: Bound, share: Interval, loader: LoaderProfile, confidence: Confidence) -> str:
    what = {"training": "training", "inference": "inference", "evaluation": "evaluation"}[loader.role]
    if confidence == "borderline":
        return f"Borderline: {share.median:.0%} of the {what} loop waits for data, close to the {STARVED_SHARE:.0%} that matter"
    if bound == "input":
        return f"Input-bound: {share.median:.0%} of the {what} loop is spent waiting for data"
    return _OTHER_HEADLINES[bound].format(what=what, share=share.median)


_OTHER_HEADLINES: dict[Bound, str] = {
    "compute": "Compute-bound: the {what} loop waits for data {share:.0%} of its time; leave the input pipeline alone",
    "host": "Host-bound: the data is there ({share:.0%} waiting), but the {what} process spends its time elsewhere",
    "transfer": "Transfer-bound: the data is there, but copies to the device hold up the {what} loop",
    "communication": "Communication-bound: the ranks wait for each other, not for data ({share:.0%})",
    "startup": "Start-up-bound: most of the run passed before the first batch",
    "input": "Input-bound",
    "unknown": "Unknown",
}


def _reason(loader: LoaderProfile) -> str:
    """Say what the share is made of: the wait in a step, and that for the first batch of later epochs."""
    steps = f"each step waited {_ms(loader.wait_ms)} for its next batch and computed for {_ms(loader.compute_ms)}"
    again = len(loader.first_batch_s) - 1
    if again < 1 or restart_seconds(loader) < STARVED_SHARE / 2 * loader.seconds:
        return steps
    each = restart_seconds(loader) / again
    if loader.has_an_iterator_for_each_step:
        waited = f"each batch came from an iterator of its own, whose start was waited for {_told(1e3 * each)}"
        return f"{waited}; the step computed for {_ms(loader.compute_ms)}"
    return (
        f"{steps}; {again} later epochs waited {each:.2g} s each for their first batch"
        if again > 1
        else (f"{steps}; the second epoch waited {each:.2g} s for its first batch")
    )


def _other(findings: list[Finding]) -> Bound:
    """Return what bounds a run that is not starved: what a strong finding says, else the device's work."""
    return next((finding.traits.bound for finding in findings if finding.traits.bound), "compute")


def _unknown(profile: Profile, loader: LoaderProfile | None) -> Verdict:
    if not profile.torch_seen:
        reason = _why_no_torch(profile)
    elif loader is None:
        reason = "torch was imported, but neither a DataLoader nor three optimizer steps in a row were seen"
    else:
        reason = (
            f"only {loader.steps} step{'' if loader.steps == 1 else 's'} after the warm-up; {MIN_STEPS} are needed,"
            f" some {SURE_STEPS} for a sure verdict"
        )
    return Verdict("unknown", "low", None, "host", None, reason, "Unknown: " + reason)


def _why_no_torch(profile: Profile) -> str:
    if profile.unentered:
        return f"no training was measured: {len(profile.unentered)} Python process(es) could not be entered"
    if profile.seen_pythons:
        return "Python ran, but never used a torch DataLoader"
    return "the command started no Python that gpuwatch could enter"


def _ms(value: Interval | None) -> str:
    return "an unknown time" if value is None else _told(value.median)


def _told(ms: float) -> str:
    return f"{ms:.3g} ms" if ms < 999 else f"{ms / 1e3:.3g} s"
