"""The end of an epoch takes long: workers that do not stop, or code of the training's own.

What it means
    The request that finds the data at its end stops the workers: torch joins them one after the other and waits up to five
    seconds for each. A worker in which a thread, a process or a queue is still open cannot exit. Or the training itself
    does something between two epochs, also after an evaluation: it saves, scores, logs, makes plots or sums up, while the
    device waits.

How it is measured
    The time in which workers were stopped, of every loader, and the time between the loops that is neither that nor the start
    of the next epoch, against that of the loops. What keeps a worker from exiting is noted when its loop ends: its
    threads with the line that started them. Lines between the loops come from checkpoints' calls and stack samples.

When it is wrong
    With very short epochs the usual stop of workers is a large part, and to start them a larger one: that is
    worker-restart. An evaluation over something
    else than a DataLoader is found here, too, when no stack samples show that it calls the model. Of data that never end, or
    end once, no epochs are known: then it is reported only with its line.

What to do
    Start threads in workers with daemon=True, or end them (and close pools, queues and files) before the worker ends.
    Save and score less often, less, or in the background.
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import loop_seconds, place, restart_seconds
from gpuwatch.diagnosis.needs import RANKS
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import between_loops, most_at
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile, WorkerStops
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile, RankProfile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, duration

_ADVICE_LEFT = (
    "Have this end before the worker does: a thread with daemon=True, or one that is stopped; a pool shut down with"
    " cancel_futures=True. torch waits for each worker, one after the other, for up to five seconds."
)
_ADVICE_STOP = (
    "Look at what the workers still do when their loop has ended: files and pools that are closed, queues that are"
    " emptied, what atexit calls."
)
_ADVICE_PERSISTENT = " With persistent_workers=True they are stopped once, at the end of the run."
_ADVICE_EPOCH = "Do this once before the epochs, keep its result, or do it less often."
_ADVICE_ONCE = "Do this less often, keep its result, or do it after the training."
_ADVICE_SAVING = "Save less often, save less (weights only), or copy to host memory and write in a background thread."
# What is left of a stop without what held it up.
_USUAL_STOP_S = 0.05


# Ranks that are as long in the same function do the same; one that waits for another is in a function of its own.
ALIKE = 0.7


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    stop_share: Threshold = Threshold(
        0.05, "share of the loop", "Stopping workers takes less in epochs of some length."
    )
    stop_seconds: Threshold = Threshold(0.5, "s per stop", "Workers that nothing holds up exit within some 50 ms each.")
    share: Threshold = Threshold(0.1, "share of the loop", "Logging and a small checkpoint take less.")
    seconds: Threshold = Threshold(0.5, "s", "Less is no loss in any run.")
    critical_share: Threshold = Threshold(0.3, "share of the loop", "A third of the loop.")
    sure_passes: Threshold = Threshold(2, "passes between loops", "What is seen once may be an exception.")
    line_share: Threshold = Threshold(0.1, "share of this time", "A line that takes less is not the one to look at.")
    saving_share: Threshold = Threshold(
        0.5, "share of this time", "Checkpoints, whose calls are timed, are most of it."
    )
    most_model: Threshold = Threshold(0.5, "share of the samples", "What calls the model for most of it evaluates it.")


def check(profile: Profile, t: Thresholds, ranks: tuple[RankProfile, ...]) -> Found | None:
    """Report workers that take long to stop, or own code between the epochs, whichever takes more."""
    found = [one for one in (_stops(profile, t), _own_code(profile, t, ranks)) if one is not None]
    return max(found, key=lambda one: one.speedup.predicted if one.speedup else 1.0, default=None)


def _stops(profile: Profile, t: Thresholds) -> Found | None:
    stopped = [(loader, loader.worker_stops) for loader in profile.loaders if loader.worker_stops is not None]
    loader, stops = max(stopped, key=lambda one: one[1].seconds, default=(None, None))
    if loader is None or stops is None or _less_than_starts(profile, loader, stops):
        return None
    whole = loop_seconds(profile) + stops.at_exit_s
    share, each_s = stops.seconds / max(whole, stops.seconds, 1e-9), stops.seconds / stops.count
    if share < t.stop_share or each_s < t.stop_seconds:
        return None
    saved = stops.seconds - _USUAL_STOP_S * stops.count
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence="high" if stops.left_behind or stops.count >= t.sure_passes else "medium",
        summary=_stop_summary(loader, stops, each_s),
        evidence=(
            Evidence("stopping the workers", round(share, 4), "share of the loop", t.stop_share, stops.count),
            Evidence("stopping the workers", round(each_s, 3), "s", t.stop_seconds, stops.count),
            Evidence("stopping the workers at exit", round(stops.at_exit_s, 3), "s"),
            *((Evidence("left in the workers", stops.left_behind, "", n=stops.left_in),) if stops.left_behind else ()),
        ),
        advice=_stop_advice(loader, stops),
        where=stops.left_where or _worker_init(loader) or loader.created_where,
        speedup=_without(whole, saved, 0.1),
        hides=("worker-restart", *(("evaluation-share",) if loader.role == "evaluation" else ())),
        decides=share >= t.critical_share,
        bound="startup",
    )


def _less_than_starts(profile: Profile, loader: LoaderProfile, stops: WorkerStops) -> bool:
    """Say whether starting the workers again takes longer than to stop them, and nothing holds them up."""
    restarts = restart_seconds(loader) if loader is profile.primary and loader.worker_starts > 1 else 0.0
    return not stops.left_behind and restarts > stops.seconds


def _stop_summary(loader: LoaderProfile, stops: WorkerStops, each_s: float) -> str:
    workers = f"the {count(loader.workers, 'worker')} of the {loader.role} loader"
    when = "at exit" if stops.at_exit_s > stops.seconds / 2 else f"{stops.count} times" if stops.count > 1 else "once"
    left = f", held up by what {'they' if loader.workers > 1 else 'it'} left running: {stops.left_behind}"
    return f"stopping {workers} takes {duration(each_s)}, {when}{left if stops.left_behind else ''}"


def _stop_advice(loader: LoaderProfile, stops: WorkerStops) -> str:
    if stops.left_behind:
        return _ADVICE_LEFT
    return _ADVICE_STOP + ("" if loader.persistent or stops.count < 2 else _ADVICE_PERSISTENT)


def _worker_init(loader: LoaderProfile) -> Place | None:
    made = loader.attributes.get("worker_init")
    return Place(str(made[0]), int(made[1] or 0), None) if isinstance(made, (list, tuple)) and len(made) == 2 else None


def _own_code(profile: Profile, t: Thresholds, ranks: tuple[RankProfile, ...]) -> Found | None:
    """Report the training's own code between the loops, and while one begins."""
    lines = [line for line in between_loops(profile) if (line.model_share or 0.0) < t.most_model]
    slowest = max(ranks, key=lambda rank: own_seconds(profile, rank))
    whole = max(loop_seconds(profile), profile.costs.seconds if profile.costs else 0.0, 1e-9)
    spent = min(_seconds(profile, slowest, lines, t), 0.95 * whole)
    if spent / whole < t.share or spent < t.seconds:
        return None
    line = next((line for line in lines if line.seconds / spent >= t.line_share), None)
    saves = slowest.saving_where is not None and slowest.saving_s / spent >= t.saving_share
    passes = max((profile.primary.passes or profile.primary.iterators if profile.primary else 0) - 1, 0)
    if not passes and line is None and not saves:
        return None  # nothing tells what it is, nor how often it is done
    sure = passes >= t.sure_passes and (saves or profile.stacks.trust == "high")
    return Found(
        severity="critical" if spent / whole >= t.critical_share else "warning",
        confidence="high" if sure else "medium",
        summary=_own_summary(spent, passes) + _most(line, slowest, saves),
        evidence=(
            Evidence("own code between loops", round(spent / whole, 4), "share of the loop", t.share, max(passes, 1)),
            Evidence("own code between loops", round(spent, 2), "s", t.seconds, max(passes, 1)),
            *((Evidence("checkpoints there", round(slowest.saving_s, 2), "s"),) if slowest.saving_s else ()),
            *((Evidence("hottest line there", round(line.seconds, 2), "s", n=line.samples),) if line else ()),
        ),
        advice=_ADVICE_SAVING
        if saves or _saves(line)
        else (_ADVICE_EPOCH if passes else _ADVICE_ONCE) + _on_each_rank(profile, ranks, lines),
        where=slowest.saving_where if saves else place(line),
        speedup=_without(whole, spent, 0.4),
        rank=slowest.rank if len(ranks) > 1 else None,
        hides=("slow-startup",),
        decides=spent / whole >= t.critical_share,
    )


def _own_summary(spent: float, passes: int) -> str:
    if passes:
        return f"each epoch begins or ends with {duration(spent / passes)} of the training's own code"
    return f"{duration(spent)} of the training's own code lie between its loops"


def _on_each_rank(profile: Profile, ranks: tuple[RankProfile, ...], lines: list[HotLine]) -> str:
    """Return a further sentence where all ranks compute the same between their loops, and none of them waits for another."""
    seconds = [own_seconds(profile, rank) for rank in ranks]
    if len(ranks) < 2 or not lines or min(seconds) < ALIKE * max(seconds):
        return ""
    same = sum(line.share for line in lines if (line.file, line.function) == (lines[0].file, lines[0].function))
    if same < ALIKE:
        return ""
    threads = (profile.machine.library_threads or 1) * len(ranks)
    cores = profile.machine.usable_cores
    crowd = f", with {threads} library threads on {count(cores, 'core', digits=2)}" if cores and threads > cores else ""
    return f" All {len(ranks)} ranks do it at the same time{crowd}: let the first one do it, and broadcast the result."


def own_seconds(profile: Profile, rank: RankProfile) -> float:
    """Return the seconds between a rank's loops that stopped no workers."""
    between = sum(phase.seconds for phase in rank.phases if phase.name == "between loops")
    loaders = [loader for loader in profile.loaders if loader.rank == rank.rank]
    ends = sum(sum(loader.stop_s) for loader in loaders if loader.role != "evaluation")
    dropped = [loader.worker_stops for loader in loaders if loader.worker_stops and loader.worker_stops.drops]
    return max(between - ends - sum(stops.seconds - stops.at_exit_s for stops in dropped), 0.0)


def _seconds(profile: Profile, rank: RankProfile, lines: list[HotLine], t: Thresholds) -> float:
    """Return the seconds of own code: what was measured between the loops, and what samples show of it while an iterator was
    made; no more than that took."""
    measured = _without_model(profile, own_seconds(profile, rank), t)
    made = restart_seconds(profile.primary) if profile.primary else 0.0
    return max(measured, min(sum(line.seconds for line in lines), measured + made))


def _without_model(profile: Profile, seconds: float, t: Thresholds) -> float:
    """Return the seconds without those in which the model is evaluated over something else than a DataLoader."""
    lines = between_loops(profile)
    sampled = sum(line.seconds for line in lines)
    model = sum(line.seconds for line in lines if (line.model_share or 0.0) >= t.most_model)
    return seconds * (1.0 - model / sampled) if sampled > 0 else seconds


def _most(line: HotLine | None, rank: RankProfile, saves: bool) -> str:
    """Return the end of the summary: what most of it is."""
    if saves:
        return f", {duration(rank.saving_s)} of it in all to write checkpoints"
    return most_at(line) if line else ""


def _without(whole: float, saved: float, unsure: float) -> Speedup:
    predicted = whole / max(whole - saved, 0.05 * whole)
    spread = unsure * (predicted - 1.0) + 0.01
    low, high = round(predicted - spread, 3), round(predicted + spread, 3)
    return Speedup(round(predicted, 3), low, high, "the loop without this time")


def _saves(line: HotLine | None) -> bool:
    """Say whether a line writes a checkpoint."""
    called = line.callee if line else None
    return called is not None and (called.library == "safetensors" or (called.is_torch and called.function == "save"))


RULE = Rule(
    id="epoch-end",
    page=__doc__,
    check=check,
    needs=(RANKS,),
    thresholds=Thresholds(),
    by_events=True,
    hides=("worker-restart", "slow-startup", "evaluation-share"),
    traits=Traits(bound="host", lanes=("step", "gpu_busy")),
)
