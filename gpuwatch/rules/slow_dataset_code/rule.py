"""Python in the dataset's own code dominates the fetch.

What it means
    The time goes into __getitem__ (or __iter__) itself, not into decoding, transforms or collating: pandas row access,
    loops over elements, archives opened again for each item, tokenising, building lists.

How it is measured
    What is left of the fetch after every timed operation, as CPU time; the line comes from stack samples of the
    workers. Of another library's pipeline, of an iterator that you named and of an iterator round the loader, what the
    loop waits for is measured; the line comes from samples of the training process. A line that waits for a lock between
    processes is reported as such: the workers take turns, and more of them gain nothing. For a loop without a DataLoader:
    what the thread or process does that it waits for; or, by stack samples, what is called where the source of the training
    loop gets its next batch (the header of the `for` around the model, a `next`, a queue, a memory), before the model is.

When it is wrong
    A library call that gpuwatch does not time by itself (a decoder of your own, a database) is counted here too: the
    line shows which. Blocked time belongs to storage-wait.

What to do
    Look at the line: vectorise it, move it to __init__ or a preparation step, keep files and archives open, use numpy
    arrays instead of pandas rows, cache what is the same every epoch.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.engines import Engine, waited_for
from gpuwatch.analyze.lines.feeding import EVENT_LOOPS
from gpuwatch.analyze.lines.waiting import takes_turns, waits_for_network, waits_for_threads
from gpuwatch.diagnosis.evidence import (
    certainty,
    has_steps,
    hot_line,
    place,
    saturation,
    share_of,
    starved,
    wait_evidence,
)
from gpuwatch.diagnosis.needs import WORKING_LOOP, MeasuredLoop, Starved
from gpuwatch.diagnosis.own_loop import fed_share, handed
from gpuwatch.diagnosis.pipelines import making_line
from gpuwatch.diagnosis.rule import Found, Group, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import fed_lines
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.rules.slow_dataset_code.pipelines import in_pipeline, line_text, round_loader
from gpuwatch.words.source_code import is_library, package_of

_ADVICE = "Make this line cheaper: vectorise it, move it out of __getitem__ (prepare once), keep files open, or cache the result."
_ADVICE_LIBRARY = (
    "Have the library do less for each sample: prepare the data once beforehand, or cache what it returns."
)
_ADVICE_THREAD = "Make this line cheaper, or make batches in the worker processes of a DataLoader: a thread shares the interpreter lock with the training."
_CHEAPER = "Make this line cheaper (whole arrays instead of Python loops, results that are kept)"
_ADVICE_FED = (
    f"{_CHEAPER}, or make batches while the model computes, in processes: in the workers of a DataLoader over an"
    " IterableDataset with this code, or in one of your own. A thread shares the interpreter lock with the training."
)
_ADVICE_EVENTS = (
    f"{_CHEAPER}, or move it out of the event loop, which serves nothing else meanwhile: loop.run_in_executor with a pool of"
    " processes. A pool of threads shares the interpreter lock with the model."
)
_ADVICE_NO_CORE = (
    f"{_CHEAPER}: no core is idle, so that a process which made batches beside the training would take its core."
)
_BASIS_FED = "the batches there in time; the low end is this line half as expensive"
_ADVICE_WAITS = (
    "This line waits and does not compute: get the next batch in a thread while the model computes, or several of them at"
    " once."
)
_ADVICE_PROCESS = (
    "Make this line cheaper, or, where those processes compute all the time, have more of them: num_workers of a DataLoader"
    " does that."
)

# A wrapper with this share of the wait is what the loop waits for.
_MOST_OF_WAIT = 0.5


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.4, "share of the fetch", "Below this something else costs a batch more.")
    critical_share: Threshold = Threshold(0.6, "share of the fetch", "Most of the workers' time.")
    waited_share: Threshold = Threshold(
        0.1, "share of the trainer's samples", "A loop that waits less has little to win from its input."
    )
    critical_waited_share: Threshold = Threshold(0.3, "share of the trainer's samples", "A third of the step.")
    blocked: Threshold = Threshold(0.5, "share of the line", "A line that mostly waits leaves its core to others.")
    idle_cores: Threshold = Threshold(
        0.5, "cores", "With less, a process that makes batches takes the training's core."
    )


def check(profile: Profile, t: Thresholds, seen: Starved | LoaderProfile) -> Found | Missing | None:
    """Report dataset code that takes the largest part of the fetch of a starved loop, with its line."""
    if isinstance(seen, LoaderProfile):
        return _outside(profile, seen, t)
    share = share_of(seen.loader, "dataset")
    if not seen.loader.operations:
        return Missing("times of the operations in a fetch")
    return None if share < t.share else _in_fetch(profile, seen, share, t)


def _loop(profile: Profile) -> Starved | LoaderProfile | Missing | NotSo:
    loader = profile.primary
    seen: Starved | Missing | NotSo = WORKING_LOOP.read(profile)
    outside = loader is not None and (loader.own_loop or loader.pipeline or _works_round(loader))
    return loader if loader is not None and outside else seen


def _works_round(loader: LoaderProfile) -> bool:
    """Say whether a wrapper round the loader does more of the input's work than the loop waits for the loader."""
    wrapper, waited = loader.wrapper, loader.wait_share
    return wrapper is not None and waited is not None and wrapper.share.median >= _MOST_OF_WAIT * waited.median


def _outside(profile: Profile, loader: LoaderProfile, t: Thresholds) -> Found | Missing | None:
    """Report what a DataLoader of torch's does not make."""
    if loader.pipeline:
        return in_pipeline(profile, loader, t.critical_waited_share)
    if loader.wrapper is not None:
        return round_loader(profile, loader, loader.wrapper, t.waited_share, t.critical_waited_share)
    return _handed_over(profile, loader, t)


def _in_fetch(profile: Profile, seen: Starved, share: float, t: Thresholds) -> Found | None:
    """Report the dataset's code, or the lock that it waits at."""
    line = hot_line(profile, "worker" if seen.loader.workers else "trainer", "fetch") or hot_line(
        profile, "worker", "fetch"
    )
    if not seen.loader.workers and waits_for_threads(line):
        return None
    if line is not None and takes_turns(line):
        return _locked(seen, line, t)
    at = f" at {line_text(line)}" if line and line.source else ""
    library = _library(line)
    whose = f"the code of {library}'s {line.makes}" if library and line else "the dataset's own code"
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence=certainty(seen.state),
        summary=f"{whose} takes {share:.0%} of making a batch{', made' if library else ''}{at}",
        evidence=(
            seen.loss(),
            Evidence("dataset code", round(share, 4), "share of the fetch", t.share, seen.fetch.n),
            Evidence("fetch", round(seen.fetch.wall_ms.median, 3), "ms", n=seen.fetch.n),
            Evidence("CPU in it", seen.fetch.cpu_ms, "ms", n=seen.fetch.n),
            *(
                (Evidence("hottest line", round(line.share, 4), "share of loader work", n=line.samples),)
                if line
                else ()
            ),
        ),
        advice=_ADVICE_LIBRARY if library else _ADVICE,
        where=place(line, seen.loader.dataset_where),
        speedup=_speedup(seen, share, line),
        verify="try --remedies cache-items",
        hides=("gc-pause", *saturation(share)),
    )


def _library(line: HotLine | None) -> str | None:
    """Return the library whose dataset the line only makes; None where the line is the dataset's own code."""
    if line is None or line.makes is None or line.below is None or not is_library(line.below.file):
        return None
    return package_of(line.below.file)


def _locked(seen: Starved, line: HotLine, t: Thresholds) -> Found:
    """Report workers that stand at a lock which one of them holds."""
    after = throughput.with_work(seen.costs, 1.0 - min(line.share, 0.98), 1.0)
    return Found(
        severity="critical" if line.share >= t.critical_share else "warning",
        confidence=certainty(seen.state, default="medium"),
        summary=f"workers spend {line.share:.0%} of batch time blocked on a lock held by another worker, at {line_text(line)}",
        evidence=(
            seen.loss(),
            Evidence("hottest line", round(line.share, 4), "share of loader work", n=line.samples),
            Evidence("fetch", round(seen.fetch.wall_ms.median, 3), "ms", n=seen.fetch.n),
            Evidence("CPU in it", seen.fetch.cpu_ms, "ms", n=seen.fetch.n),
        ),
        advice="Make the workers independent: open the file or connection in each worker, hold the lock for"
        " less time, or remove it. More workers only queue up.",
        where=place(line, seen.loader.dataset_where),
        speedup=throughput.predict(seen.costs, after, "no worker waits for another, CPU per batch unchanged", 0.4),
        hides=("storage-wait", "too-few-workers"),
    )


def _handed_over(profile: Profile, loader: LoaderProfile, t: Thresholds) -> Found | Missing | None:
    """Report the line of another thread that a loop without a DataLoader waits for."""
    costs, line = profile.costs, making_line(profile)
    if not has_steps(loader) or costs is None or profile.stacks.trust in ("none", "low"):
        return Missing("enough stack samples of a loop without a DataLoader")
    waited, fed = handed(profile, loader), fed_share(loader) or 0.0
    if max(waited, fed) < t.waited_share:
        return None
    if fed >= waited:
        return _fed(profile, MeasuredLoop(loader, costs), fed, t)
    for engine, asks in waited_for(profile.hot_lines).items():
        return _by_engine(engine, asks, MeasuredLoop(loader, costs), waited, t)
    if line is None:
        return Missing("stack samples of the thread or process that the loop waits for")
    after = throughput.with_step(costs, costs.device_ms - min(waited, 0.95) * costs.step_ms)
    process = line.process_role == "worker"
    maker = "process" if process else "thread"
    lock = "" if process else " (or for the interpreter lock it holds)"
    return Found(
        severity="critical" if waited >= t.critical_waited_share else "warning",
        confidence="medium",
        summary=f"{waited:.0%} of each step is spent waiting for a {maker} that makes the batches{lock}, most of it at {line_text(line)}",
        evidence=(
            Evidence("waiting for others", round(waited, 4), "share of the trainer's samples", t.waited_share),
            Evidence("hottest line there", round(line.share, 4), f"share of the {maker}s' work", n=line.samples),
            Evidence("step", round(costs.step_ms, 3), "ms", n=loader.steps),
        ),
        advice=_ADVICE_PROCESS if process else _ADVICE_THREAD,
        where=place(line),
        speedup=throughput.predict(costs, after, "the batches there in time", 0.4),
        hides=("slow-step-code", "periodic-pause"),
    )


def _fed(profile: Profile, loop: MeasuredLoop, fed: float, t: Thresholds) -> Found | None:
    """Report the line at which a loop without a DataLoader gets its next batch by itself."""
    loader, costs = loop
    lines, state = fed_lines(profile), starved(profile)
    if not lines or state is None or state == "no":
        return None
    line = lines[0]
    part = line.share / sum(one.share for one in lines)
    return Found(
        severity="critical" if fed >= t.critical_waited_share else "warning",
        confidence=certainty(state),
        summary=f"{fed:.0%} of each step the training process gets the next batch by itself, most of it at {line_text(line)}",
        evidence=(
            wait_evidence(loader),
            Evidence("hottest line there", round(line.share, 4), "share of the trainer's samples", n=line.samples),
            Evidence("step", round(costs.step_ms, 3), "ms", n=loader.steps),
            Evidence("idle cores", profile.machine.spare_cores, "cores", t.idle_cores),
        ),
        advice=_advice_fed(profile, line, t),
        where=place(line),
        speedup=throughput.made_free(costs, 0.98, 0.98 * part, _BASIS_FED),
        # Its lines are none of the step's own.
        hides=("periodic-pause",),
    )


def _advice_fed(profile: Profile, line: HotLine, t: Thresholds) -> str:
    if line.sleeps or waits_for_network(line) or (line.blocked_share or 0.0) >= t.blocked:
        return _ADVICE_WAITS
    spare = profile.machine.spare_cores
    if spare is not None and spare < t.idle_cores:
        return _ADVICE_NO_CORE
    return _ADVICE_EVENTS if any(package_of(one.file) in EVENT_LOOPS for one in line.stack) else _ADVICE_FED


def _by_engine(engine: Engine, asks: HotLine, loop: MeasuredLoop, waited: float, t: Thresholds) -> Found:
    """Report a loop that waits for an engine's processes, of whose own operators the samples tell nothing."""
    return Found(
        severity="critical" if waited >= t.critical_waited_share else "warning",
        confidence="medium",
        summary=f"{waited:.0%} of each step is spent waiting for {engine.name}, which makes the batches in {engine.processes}",
        evidence=(
            Evidence("waiting for others", round(waited, 4), "share of the trainer's samples", t.waited_share),
            Evidence("step", round(loop.costs.step_ms, 3), "ms", n=loop.loader.steps),
        ),
        advice=f"Make the costliest operator cheaper, or give {engine.name} more cores: {engine.shown_by}.",
        where=place(asks),
        hides=("slow-step-code", "periodic-pause"),
    )


def _speedup(seen: Starved, share: float, line: HotLine | None) -> Speedup:
    """Predict the dataset code free, with half the cost of its hottest line as the low end."""
    part = min(line.share, share) if line else share / 2
    basis = "dataset code made free; the low end is its hottest line half as expensive"
    return throughput.made_free(seen.costs, min(share, 0.98), part, basis)


RULE = Rule(
    id="slow-dataset-code",
    page=__doc__,
    check=check,
    needs=(Need(f"{WORKING_LOOP.what}, or a loop without a DataLoader", _loop),),
    thresholds=Thresholds(),
    hides=("gc-pause", "cpu-saturated", "storage-wait", "too-few-workers", "slow-step-code", "periodic-pause"),
    group=Group.BATCH_COST,
    traits=Traits(about_input=True, windows="waiting", remedies=("cache-items",)),
)
