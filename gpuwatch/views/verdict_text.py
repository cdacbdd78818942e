"""What bounds the run, in words: a name, a claim, and what explains it. Every view and the JSON take them from here."""

from __future__ import annotations

from gpuwatch.model.findings import Bound, Verdict
from gpuwatch.model.reasons import (
    EndedEarly,
    FewSamples,
    FewSteps,
    LoaderSteps,
    NoLoop,
    OwnLoopSteps,
    SharedCores,
    TracedTime,
)
from gpuwatch.model.trend import Trend
from gpuwatch.words.units import count, duration, factor, figures, milliseconds, percent

NAMES: dict[Bound, str] = {
    "input": "Input-bound",
    "compute": "Compute-bound",
    "cpu": "CPU-bound",
    "host": "Host-bound",
    "transfer": "Transfer-bound",
    "communication": "Communication-bound",
    "startup": "Start-up-bound",
    "unknown": "Unknown",
}

_LOADER_CLAIMS: dict[Bound, str] = {
    "input": "{share} of the {role} loop is spent waiting for data",
    "compute": "the {role} loop waits for data {share} of its time",
    "cpu": "input and training share {cores}: the {role} loop waits for data {share} of its time, but would run {won} faster with an input that cost nothing",
    "host": "the {role} process spends its time outside the model; {wait}",
    "transfer": "copies to the device hold up the {role} loop",
    "communication": "ranks wait for each other, not for data ({wait})",
    "startup": "time goes by before the first batch or between the epochs, not in the steps",
}
_EVALUATION_CLAIM = (
    "evaluation waits for data {waits} of the time of all loops; the {role} loop waits for it {share} of its own"
)
_FREE_INPUT = "an input that cost nothing would make the run {won} faster"
_EVALUATION_TOO = "; evaluation waits for it {waits} of the time of all loops, and " + _FREE_INPUT
_ALONE = "; leave the input pipeline alone"
# What to do about a run whose input and training share the cores.
SHARED_CORES = (
    "Make batches that cost less CPU, use more cores, or train on a GPU, which leaves the cores to the workers. More "
    "workers win nothing: they would take cores from the training."
)

_OWN_LOOP_CLAIMS: dict[Bound, str] = {
    "input": "{handed} of each step is spent waiting for the thread or process that makes the batches",
    "compute": "no other code or wait takes a large share of the step",
    "host": "{other} of each step is code of the training process outside the model",
    "transfer": "copies to the device hold up the training loop",
    "communication": "ranks wait for each other",
    "startup": "most of the run passed before the first step",
}

# Where the loop's own thread gets its batches.
_FED_CLAIM = (
    "{share} of each step goes into the next batch, which the training process gets by itself while the model waits"
)
_UNFED = {
    "no samples": "too few stack samples say how it gets its batches",
    "no model": "no stack sample met its model, so how it gets its batches is not known",
    "no source": "the source around its model is not known, and with it how it gets its batches",
}

# What is said of a traced device, by the class that most of the time it lost is of.
_TRACED_CLAIMS = {
    "input": "the GPU idles {share} of its time because the next batch is not there",
    "sync": "the GPU idles {share} of its time around calls in which the host waits for it",
    "launch": "the GPU idles {share} of its time while its kernels are launched, too slowly",
    "host_code": "the GPU idles {share} of its time while the host runs code that launches nothing",
    "allocator": "the GPU idles {share} of its time while its memory is allocated and freed",
    "pageable_copy": "the GPU idles {share} of its time while the host copies from pageable memory",
    "copy": "the GPU does nothing but copy for {share} of its time",
    "dependency": "the GPU idles {share} of its time with work launched, which waits for another stream or device",
    "communication": "the GPU does nothing but exchange data with others for {share} of its time",
}
_UNMEASURED = {
    "work not recorded": "work was queued, or the host waited for it, while nothing that ran was recorded",
    "copies not recorded": "copies were made and not recorded",
    "host not recorded": "what the host did was not recorded",
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
    if verdict.trend is not None and verdict.confidence != "borderline":
        return _trend_claim(verdict, verdict.trend) + _about_input(verdict)
    if isinstance(steps, LoaderSteps):
        return _loader_claim(verdict, steps)
    if isinstance(steps, OwnLoopSteps) and verdict.bound != "unknown":
        return _own_loop_claim(verdict, steps) + (_ALONE if verdict.leave_input_alone else "")
    if isinstance(steps, TracedTime):
        return _traced_claim(verdict, steps)
    return reason(verdict)


def _about_input(verdict: Verdict) -> str:
    """Return what is said of the input beside another bound, or beside steps that changed: what it would win over the run."""
    gain, steps = verdict.speedup_if_input_free, verdict.reason
    if verdict.leave_input_alone:
        return _ALONE
    if verdict.bound == "input" or gain is None or not isinstance(steps, LoaderSteps):
        return ""
    return f"; {_FREE_INPUT.format(won=won(verdict))}" if gain.predicted >= 1 + steps.threshold else ""


def _own_loop_claim(verdict: Verdict, steps: OwnLoopSteps) -> str:
    """Return what is said of a loop without a DataLoader: who makes its batches decides the words."""
    share = percent(verdict.input_wait_share.median) if verdict.input_wait_share else percent(steps.handed)
    if verdict.confidence == "borderline" and verdict.input_wait_share is not None:
        low, high = percent(verdict.input_wait_share.low), percent(verdict.input_wait_share.high)
        more = "too few samples to tell that from the"
        return f"{share} of each step ({low} to {high}) goes into the next batch: {more} {percent(steps.threshold)} threshold"
    if verdict.bound == "input" and (steps.fed or 0.0) >= steps.handed:
        return _FED_CLAIM.format(share=share)
    return _OWN_LOOP_CLAIMS[verdict.bound].format(handed=percent(steps.handed), other=percent(steps.other))


def _traced_claim(verdict: Verdict, traced: TracedTime) -> str:
    if traced.unmeasured is not None:
        return "idle time is not measurable from this trace"
    if verdict.bound == "compute":
        return f"the GPU is at work {percent(traced.busy)} of its time" + (_ALONE if verdict.leave_input_alone else "")
    return _TRACED_CLAIMS[traced.worst].format(share=percent(traced.worst_share))


def _loader_claim(verdict: Verdict, steps: LoaderSteps) -> str:
    share = percent(verdict.input_wait_share.median) if verdict.input_wait_share else "an unknown share"
    if verdict.confidence == "borderline":
        return f"{share} of the {steps.role} loop waits for data, close to the {percent(steps.threshold)} threshold"
    if verdict.bound == "compute":
        return _compute_claim(verdict, steps, share)
    if steps.evaluation_wait is not None:
        return _EVALUATION_CLAIM.format(waits=percent(steps.evaluation_wait), role=steps.role, share=share)
    cores = count(steps.cores.usable, "core", digits=2) if steps.cores else "the cores"
    wait = (
        f"{share} goes by in the loader, with its batches ready"
        if _waits_for_core(verdict, steps)
        else f"{share} is input wait"
    )
    said = _LOADER_CLAIMS[verdict.bound].format(role=steps.role, share=share, wait=wait, cores=cores, won=won(verdict))
    return said if verdict.bound == "cpu" else said + _about_input(verdict)


def _waits_for_core(verdict: Verdict, steps: LoaderSteps) -> bool:
    """Say whether the share of the loop that is waited in the loader is more than a little, and no wait for data."""
    share = verdict.input_wait_share
    return steps.ready and share is not None and share.median >= steps.threshold


def _compute_claim(verdict: Verdict, steps: LoaderSteps, share: str) -> str:
    """Return what is said where the loop hardly waits for data: what a free input would win decides the advice."""
    said = _LOADER_CLAIMS["compute"].format(role=steps.role, share=share)
    if _waits_for_core(verdict, steps):
        said = f"the {steps.role} loop waits for a core {share} of its time, with its batches ready"
    if steps.evaluation_wait:
        said += _EVALUATION_TOO.format(waits=percent(steps.evaluation_wait), won=won(verdict))
    return said + (_ALONE if verdict.leave_input_alone else "")


def _trend_claim(verdict: Verdict, trend: Trend) -> str:
    """Return what is said of a run whose steps changed: a mean over all of them would describe none."""
    first, last = milliseconds(trend.whole.first_ms), milliseconds(trend.whole.last_ms)
    if trend.shape == "changed":
        if verdict.bound == "input":
            waits = f"{percent(trend.wait_after)} of the loop is spent waiting for data, before that {percent(trend.wait_before)}"
            return f"from step {trend.from_step} on {waits}"
        return f"from step {trend.from_step} on a step takes {last}, before that {first}; it is {_part_of(trend)} that changed"
    when = "within each epoch" if trend.shape == "growing in each epoch" else "with the run's age"
    return f"steps grow {when}, from {first} to {last}; what grows is {_part_of(trend)}"


def _part_of(trend: Trend) -> str:
    part = trend.grown.name
    return {"input wait": "the wait for data", "other in-step": "other code in the step"}.get(part, f"the {part}")


def won(verdict: Verdict) -> str:
    """Return how much faster an input that cost nothing would make the run: 24%."""
    gain = verdict.speedup_if_input_free
    more = gain.predicted - 1 if gain else 0.0
    return "less than 1%" if more < 0.01 else percent(more)


def explanation(verdict: Verdict) -> str:
    """Return the reason as a sentence below the claim; empty where the claim is the reason."""
    if isinstance(verdict.reason, TracedTime):
        return f"{sentence(reason(verdict))}."
    return "" if verdict.bound == "unknown" else f"{sentence(reason(verdict))}."


def sentence(words: str) -> str:
    """Return words with a capital at the beginning."""
    return words[:1].upper() + words[1:]


def reason(verdict: Verdict) -> str:
    """Return why the verdict is what it is."""
    match verdict.reason:
        case LoaderSteps() as steps:
            return f"{_shared(verdict, steps.cores)}{_loader_reason(steps)}"
        case OwnLoopSteps() as steps:
            return _own_loop_reason(steps)
        case FewSteps(steps, needed, sure):
            return f"only {count(steps, 'step')} after warm-up; {needed} are needed, about {sure} for a sure verdict"
        case FewSamples(samples, needed):
            return f"only {count(samples, 'stack sample')} met the training in its loop; {needed} are needed"
        case EndedEarly(steps, needed, code, signal):
            return _ended_early(steps, needed, _ended(code, signal))
        case TracedTime() as traced:
            return _traced_reason(traced)
        case NoLoop(why, not_entered, damaged):
            pythons = count(not_entered, "Python process", "Python processes")
            return _NO_LOOP[why].format(not_entered=pythons, damaged=f"{count(damaged, 'file')} of it")


def _traced_reason(traced: TracedTime) -> str:
    """Say what the shares are of, and what keeps them from being sure."""
    held = f"{count(traced.activities, 'activity', 'activities')} in {milliseconds(traced.span_ms)}"
    steps = f", {count(traced.steps, 'step')}" if traced.steps else ""
    if traced.unmeasured is not None:
        why = _UNMEASURED[traced.unmeasured]
        unseen = ", as kernels that a CUDA graph replays unseen" if traced.unmeasured == "work not recorded" else ""
        return f"{why}: {percent(traced.unknown)} of {milliseconds(traced.span_ms)}{unseen}"
    alone = "; most of it is in one step" if traced.in_one_step else ""
    return f"by a trace of GPU {traced.device}: {held}{steps}; it is idle {percent(traced.idle)} of that{alone}"


def _ended_early(steps: int, needed: int, how: str) -> str:
    if not steps:
        return f"the command {how} before a training step was observed"
    return f"the command {how}: only {count(steps, 'step')} after warm-up, {needed} are needed"


def _ended(code: int | None, signal: int | None) -> str:
    return f"was killed by signal {signal}" if signal is not None else f"ended with status {code}"


_MARK = "gpuwatch.step() at the end of each step or request would measure them"
_NUMBERS = ("no", "one", "two", "three", "four", "five")
_NO_LOOP = {
    "not entered": "no training was measured: {not_entered} could not be instrumented",
    "no torch": "Python ran, but used no torch DataLoader",
    "no Python": "the command started no Python that gpuwatch could instrument",
    "damaged": "the event log is damaged: {damaged} cannot be read to the end, and the rest holds no training loop",
    "not yet": "no training step was observed so far",
    "not sampled": "no stack of the training could be read, so nothing tells what it waits for",
    "no loader": f"torch was imported, but no DataLoader and no three optimizer steps in a row were observed; {_MARK}",
}


def _shared(verdict: Verdict, cores: SharedCores | None) -> str:
    """Say who uses the cores that input and training share, and what the loop would win without its computing."""
    if cores is None or verdict.speedup_if_compute_free is None:
        return ""
    used = f"the training uses {figures(cores.training, 2)} of {count(cores.usable, 'core', digits=2)}"
    workers = f"its workers {figures(cores.workers, 2)}"
    free = factor(verdict.speedup_if_compute_free.predicted)
    return f"{used} and {workers}; if it computed elsewhere, as on a GPU, the loop would run up to {free} as fast; "


def _loader_reason(steps: LoaderSteps) -> str:
    """Say what the share is made of: the wait in a step, and that for the first batch of later epochs."""
    computed = f"computes for {_kinds(steps) or _milliseconds(steps.compute_ms)}"
    each = f"each step waits {_milliseconds(steps.wait_ms)} for the next batch and {computed}"
    if steps.samples is not None and steps.wait_ms is None:
        return f"by {count(steps.samples, 'stack sample')} of its main thread; how long a step takes is not known"
    if steps.samples is not None:
        each = f"by {count(steps.samples, 'stack sample')} of its main thread, {each}"
    if not steps.later_epochs:
        return each
    if steps.iterator_per_step:
        start = _milliseconds(1e3 * steps.epoch_wait_s)
        return f"each batch comes from a new iterator, which takes {start} to start; the step {computed}"
    waited = duration(steps.epoch_wait_s)
    if steps.later_epochs == 1:
        return f"{each}; the second epoch waits {waited} for its first batch"
    return f"{each}; {steps.later_epochs} later epochs wait {waited} each for their first batch"


def _kinds(steps: LoaderSteps) -> str:
    """Say what the lengths of a loop's steps are where they are a few; empty where they are about one."""
    if not steps.kinds:
        return ""
    each = [f"{milliseconds(kind.ms)} ({percent(kind.share)} of the steps)" for kind in steps.kinds]
    number = _NUMBERS[len(each)] if len(each) < len(_NUMBERS) else str(len(each))
    return f"one of {number} lengths: {', '.join(each[:-1])} or {each[-1]}"


def _own_loop_reason(steps: OwnLoopSteps) -> str:
    loop = f"the loop has no DataLoader: {_own_step(steps)}"
    if not steps.sampled:
        return f"{loop}, and too few stack samples to say what it does"
    if steps.unseen is not None:
        unseen = percent(steps.unseen)
        return f"{loop}; {unseen} of it the process sleeps or waits for something that no stack sample shows"
    shown = f"{percent(steps.model)} of the stack samples are in the model"
    handed = f"it is blocked on another thread or process {percent(steps.handed)} of the time"
    if steps.fed is not None:
        got = f"{percent(steps.fed)} get the next batch in the training thread"
        shown = f"of {count(steps.samples or 0, 'stack sample')} {got}, {percent(steps.model)} are in the model"
    elif steps.unfed is not None:
        handed = f"{handed}; {_UNFED[steps.unfed]}"
    if steps.crowded:
        handed = (
            "other threads of the process compute meanwhile, and may hold the interpreter lock that the model needs"
        )
    asleep = "" if steps.asleep is None else f"; it sleeps {percent(steps.asleep)} of the time, by a line of its own"
    return f"{loop}; {shown}; {handed}{asleep}"


def _own_step(steps: OwnLoopSteps) -> str:
    if steps.unmarked:
        return f"its model is called without torch's optimizer ({_MARK})"
    return (
        "how long a step takes is not known"
        if steps.step_ms is None
        else f"an optimizer step every {milliseconds(steps.step_ms)}"
    )


def _milliseconds(value: float | None) -> str:
    return "an unknown time" if value is None else milliseconds(value)
