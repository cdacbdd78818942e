"""A traced device's time as text: facts, the parts of its bar, and what the trace does not tell."""

from __future__ import annotations

from gpuwatch.model.findings import Bound
from gpuwatch.model.gpu_time import GpuTime, TracedLoader, Unmeasured
from gpuwatch.model.report import Report
from gpuwatch.views import text
from gpuwatch.views.card_content import Fact, Slice
from gpuwatch.views.text import clean
from gpuwatch.words.gpu_trace import BUSY_CLASSES, CLASSES, TimeClass

SMALLEST, LARGE = 0.005, 0.05
SHOWN_DEVICES = 8
_TITLES = {each.key: each.title for each in CLASSES}
_MARKED_BY = {
    "profiler steps": "ProfilerStep marks",
    "loader requests": "requests of the loader",
    "optimizer steps": "optimizer steps",
}
# What to do where no finding says it: what a trace does not show of an input that is too slow, and what each bound allows.
NEXT_STEPS: dict[Bound, str] = {
    "input": "The trace shows that the loader is late, not why: `gpuwatch run -- COMMAND` names the worker's operation and its"
    " line, and says whether more workers have cores to run on.",
    "transfer": "Copy the next batch on a stream of its own while the device computes (non_blocking=True), copy smaller types"
    " (uint8 instead of float32), or make on the device what is copied.",
    "communication": "Overlap the exchange with the backward pass, or exchange less often (no_sync() for all but the last"
    " micro-batch).",
    "host": "No single cause takes a large part. A trace with Python stacks (with_stack=True) shows the host's lines.",
}
RECORD_AGAIN: dict[Unmeasured, str] = {
    "work not recorded": "Record again without CUDA graphs, and call torch.cuda.synchronize() just before the profiler starts:"
    " then nothing runs that the trace does not hold.",
    "copies not recorded": "Record again with copies: torch.profiler records them with ProfilerActivity.CUDA, nsys with"
    " --trace=cuda.",
    "host not recorded": "Record again with the host: torch.profiler with ProfilerActivity.CPU beside CUDA, nsys with"
    " --trace=cuda,nvtx.",
}


def shown(report: Report) -> GpuTime | None:
    """Return the device that the verdict is about; None without a trace."""
    return report.judged_gpu


def slices(time: GpuTime) -> tuple[Slice, ...]:
    """Return the parts of the device's bar."""
    parts = [(title(each), time.share(each.key)) for each in CLASSES]
    return tuple(
        Slice(name, share, text.milliseconds(share * time.span_ms), text.percent(share, 1))
        for name, share in parts
        if share >= SMALLEST
    )


def title(of: TimeClass) -> str:
    """Return what a class is called where idle time is beside work."""
    return of.title if of.key in BUSY_CLASSES else f"idle: {of.title}"


def slices_of(time: GpuTime) -> str:
    """Return what the bar is of."""
    steps = f", {text.count(time.steps, 'step')} by {_MARKED_BY[time.steps_by]}" if time.steps_by in _MARKED_BY else ""
    return f"GPU {time.device}: {text.milliseconds(time.span_ms)} from its first to its last activity{steps}"


def why(report: Report, time: GpuTime) -> list[Fact]:
    """Return the evidence of the verdict."""
    facts = [
        Fact("idle", f"{text.percent(time.idle_share, 1)} of {text.milliseconds(time.span_ms)}", clean(time.name or ""))
    ]
    if time.step_ms is not None:
        mean = f"{text.milliseconds(time.step_ms.median)} on average"
        facts.append(Fact("step", mean + _around(time), text.count(time.steps, "step")))
    if time.loader is not None:
        facts.append(_loader(time.loader))
    best = report.verdict.speedup_if_input_free
    if best is not None and text.gain(best) and time.share("input") >= SMALLEST:
        facts.append(Fact("at best", f"{text.gain(best)} with an input that is never waited for", clean(best.basis)))
    facts += _places(time)
    worst = time.worst_step
    if worst is not None:
        took = f"step {worst.number}, {text.milliseconds(worst.ms)}: idle {text.percent(worst.idle_share)}"
        facts.append(Fact("worst", took, f"mostly {_TITLES[worst.worst]}, {text.milliseconds(worst.worst_ms)}"))
    return facts


def _places(time: GpuTime) -> list[Fact]:
    """Return the function that holds most of the largest class of idle time that has one."""
    places = sorted(time.places, key=lambda place: -time.share(place.what))
    if not places or time.share(places[0].what) < LARGE:
        return []
    first = places[0]
    at = f"{clean(first.place.function or '')}, {clean(first.place.file)}:{first.place.line}"
    below = f", most of that in {clean(first.callee)}" if first.callee else ""
    return [Fact("line", f"{text.percent(first.share)} of {_TITLES[first.what]} in {at}{below}")]


def _around(time: GpuTime) -> str:
    if not time.around_ms or time.around_ms < 0.05 * time.span_ms:
        return ""
    return f"; {text.milliseconds(time.around_ms)} of the steps lie before its first or after its last activity"


def _loader(loader: TracedLoader) -> Fact:
    whose = {"in process": "in the training process", "workers": "of worker processes", "unknown": "of its own"}
    took = f"{text.count(loader.requests, 'request')} took {text.duration(loader.seconds)}"
    each = f"{text.milliseconds(loader.mean_ms)} each on average, {text.milliseconds(loader.longest_ms)} at most"
    every = f"; each {loader.period}th is long: as many workers deliver together" if loader.period else ""
    return Fact("loader", f"{took} ({each})", f"a loader {whose[loader.kind]}{every}")


def devices(report: Report) -> list[Fact]:
    """Return a line for each traced device, where there are several."""
    times = report.gpu_time
    if len(times) < 2:
        return []
    facts = [_device(time) for time in times[:SHOWN_DEVICES]]
    hidden = len(times) - SHOWN_DEVICES
    return facts + (
        [Fact("", f"and {text.count(hidden, 'more device')} (gpuwatch report --json)")] if hidden > 0 else []
    )


def _device(time: GpuTime) -> Fact:
    lost = max((each for each in CLASSES[1:]), key=lambda each: time.share(each.key))
    parts = f"idle {text.percent(time.idle_share)} of {text.milliseconds(time.span_ms)}"
    return Fact(
        f"rank {time.rank} GPU {time.device}", parts, f"most lost to {lost.title}: {text.percent(time.share(lost.key))}"
    )


def nothing(report: Report, time: GpuTime) -> str:
    """Return what to do where no finding says it, or before what they say."""
    if time.unmeasured:
        return RECORD_AGAIN[time.unmeasured]
    bound = report.verdict.bound
    advised = any(finding.traits.about_input for finding in report.findings) if bound == "input" else report.findings
    return "" if advised else NEXT_STEPS.get(bound, "")


def notes(time: GpuTime) -> list[str]:
    """Return what the trace lacks."""
    if time.has_stacks or time.idle_share < 0.1:
        return []
    return ["the trace has no Python stacks: record with with_stack=True to see the lines"]
