"""What bounds the run, in words: a name, a claim, and what explains it. Every view and the JSON take them from here."""

from __future__ import annotations

from gpuwatch.model.findings import Bound, Verdict
from gpuwatch.model.reasons import FewSteps, LoaderSteps, NoLoop, OwnLoopSteps

NAMES: dict[Bound, str] = {
    "input": "Input-bound",
    "compute": "Compute-bound",
    "host": "Host-bound",
    "transfer": "Transfer-bound",
    "communication": "Communication-bound",
    "startup": "Start-up-bound",
    "unknown": "Unknown",
}

_LOADER_CLAIMS: dict[Bound, str] = {
    "input": "{share} of the {role} loop is spent waiting for data",
    "compute": "the {role} loop waits for data {share} of its time; leave the input pipeline alone",
    "host": "the {role} process spends its time outside the model; {share} is input wait",
    "transfer": "copies to the device hold up the {role} loop",
    "communication": "ranks wait for each other, not for data ({share} input wait)",
    "startup": "most of the run passed before the first batch",
}

_OWN_LOOP_CLAIMS: dict[Bound, str] = {
    "input": "{handed:.0%} of each step is spent waiting for the thread or process that makes the batches",
    "compute": "no other code or wait takes a large share of the step; leave the input pipeline alone",
    "host": "{other:.0%} of each step is code of the training process outside the model",
    "transfer": "copies to the device hold up the training loop",
    "communication": "ranks wait for each other",
    "startup": "most of the run passed before the first step",
}


def headline(verdict: Verdict) -> str:
    """Return the verdict in one line: its name and its claim."""
    return f"{name(verdict)}: {claim(verdict)}"


def name(verdict: Verdict) -> str:
    """Return what bounds the run, or that this is borderline, in a word."""
    return "Borderline" if verdict.confidence == "borderline" else NAMES[verdict.bound]


def claim(verdict: Verdict) -> str:
    """Return what is said of the run beside the verdict's name; of an unknown one that is its reason."""
    steps = verdict.reason
    if isinstance(steps, LoaderSteps):
        return _loader_claim(verdict, steps)
    if isinstance(steps, OwnLoopSteps) and verdict.bound != "unknown":
        return _OWN_LOOP_CLAIMS[verdict.bound].format(handed=steps.handed, other=steps.other)
    return reason(verdict)


def _loader_claim(verdict: Verdict, steps: LoaderSteps) -> str:
    share = f"{verdict.input_wait_share.median:.0%}" if verdict.input_wait_share else "an unknown share"
    if verdict.confidence == "borderline":
        return f"{share} of the {steps.role} loop waits for data, close to the {steps.threshold:.0%} threshold"
    return _LOADER_CLAIMS[verdict.bound].format(role=steps.role, share=share)


def explanation(verdict: Verdict) -> str:
    """Return the reason as a sentence below the claim; empty where the claim is the reason."""
    return "" if verdict.bound == "unknown" else f"{sentence(reason(verdict))}."


def sentence(words: str) -> str:
    """Return words with a capital at the beginning."""
    return words[:1].upper() + words[1:]


def reason(verdict: Verdict) -> str:
    """Return why the verdict is what it is."""
    match verdict.reason:
        case LoaderSteps() as steps:
            return _loader_reason(steps)
        case OwnLoopSteps() as steps:
            return _own_loop_reason(steps)
        case FewSteps(steps, needed, sure):
            plural = "" if steps == 1 else "s"
            return f"only {steps} step{plural} after warm-up; {needed} are needed, about {sure} for a sure verdict"
        case NoLoop(why, not_entered):
            return _NO_LOOP[why].format(not_entered=not_entered)


_NO_LOOP = {
    "not entered": "no training was measured: {not_entered} Python process(es) could not be instrumented",
    "no torch": "Python ran, but used no torch DataLoader",
    "no Python": "the command started no Python that gpuwatch could instrument",
    "no loader": "torch was imported, but no DataLoader and no three optimizer steps in a row were observed",
}


def _loader_reason(steps: LoaderSteps) -> str:
    """Say what the share is made of: the wait in a step, and that for the first batch of later epochs."""
    computed = f"computes for {_milliseconds(steps.compute_ms)}"
    each = f"each step waits {_milliseconds(steps.wait_ms)} for the next batch and {computed}"
    if not steps.later_epochs:
        return each
    if steps.iterator_per_step:
        start = _milliseconds(1e3 * steps.epoch_wait_s)
        return f"each batch comes from a new iterator, which takes {start} to start; the step {computed}"
    if steps.later_epochs == 1:
        return f"{each}; the second epoch waits {steps.epoch_wait_s:.2g} s for its first batch"
    return f"{each}; {steps.later_epochs} later epochs wait {steps.epoch_wait_s:.2g} s each for their first batch"


def _own_loop_reason(steps: OwnLoopSteps) -> str:
    loop = f"the loop has no DataLoader: an optimizer step every {_milliseconds(steps.step_ms)}"
    if not steps.sampled:
        return f"{loop}, and too few stack samples to say what it does"
    if steps.unseen is not None:
        return f"{loop}; {steps.unseen:.0%} of it the process sleeps or waits for something that no stack sample shows"
    shown = f"{steps.model:.0%} of the stack samples are in the model"
    handed = f"it is blocked on another thread or process {steps.handed:.0%} of the time"
    asleep = "" if steps.asleep is None else f"; it sleeps {steps.asleep:.0%} of the time, by a line of its own"
    return f"{loop}; {shown}; {handed}{asleep}"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "an unknown time"
    return f"{value:.3g} ms" if value < 999 else f"{value / 1e3:.3g} s"
