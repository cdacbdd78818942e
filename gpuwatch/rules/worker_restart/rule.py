"""Worker processes are re-created every epoch.

What it means
    Without persistent_workers=True each pass over the loader starts its workers again: they are forked (or spawned,
    re-importing everything and unpickling the dataset), open their files again, and the training waits for the first
    batch. With short epochs this is most of the time. A script that constructs a new DataLoader for every epoch pays
    the same, with or without persistent_workers. So does one that drops the iterator of a loader whose workers are to
    persist (`loader._iterator = None`, a hook that reloads it). `next(iter(loader))` in each step pays it for every batch.

How it is measured
    Whether workers are new is read from their pids in each epoch, not from the setting. Per epoch, the time from asking for the iterator until its first batch, from the second epoch on, and the time in
    which workers were stopped at the end of one, against the loop's time. What would remain with persistent workers is the time to make one batch.

When it is wrong
    Long epochs hide it (the rule is clear below 5 % of the loop). DataLoaders constructed one after the other at one
    line over data of one class and length count as one made again; where the data did differ each time, they had to be.

What to do
    Pass persistent_workers=True and keep one DataLoader for all epochs: first construct it once, before the loop over
    epochs, where it is made in that loop; only then do persistent workers help. On spawn or forkserver also keep the
    dataset's state small, since it is pickled into each worker. Where persistent_workers=True is set already, keep the
    iterator: the line that drops it is named. With `next(iter(loader))`, keep the iterator.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import MIN_STEPS, restart_seconds
from gpuwatch.diagnosis.frameworks import loader_edit, maker_of, stale_values
from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import between_loops, sampler_lines
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, duration


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    restart_share: Threshold = Threshold(0.05, "share of the loop", "Long epochs hide a shorter start-up.")
    critical_share: Threshold = Threshold(0.15, "share of the loop", "More than a seventh of the loop.")
    min_epochs: Threshold = Threshold(2, "epochs", "The first epoch has to start its workers.")
    sure_epochs: Threshold = Threshold(3, "epochs", "Of fewer epochs one may be an exception.")


def check(profile: Profile, t: Thresholds, seen: tuple[LoaderProfile, Costs], workers: int) -> Found | None:
    """Report start-up paid again every epoch when it takes 5 % of the loop or more."""
    loader, costs = seen
    if len(loader.first_batch_s) < t.min_epochs:
        return None
    own = sum(line.seconds for line in between_loops(profile)) + _sampler_seconds(profile, loader)
    saved = avoidable_seconds(loader, costs) - own
    share = saved / costs.seconds if costs.seconds > 0 else 0.0
    if share < t.restart_share:
        return None
    return _finding(loader, costs, share, t)


def _epochs(profile: Profile) -> tuple[LoaderProfile, Costs] | Missing:
    loader, costs = profile.primary, profile.costs
    if loader is None or costs is None or loader.batches < MIN_STEPS:
        return Missing("a measured loop over a DataLoader")
    return loader, costs


def _not_kept(profile: Profile) -> int | NotSo:
    """Return the number of workers that an epoch does not leave to the next one: by their pids, whatever was set."""
    loader = profile.primary
    if loader is None or loader.worker_starts < 2:
        return NOT_SO
    return loader.workers or NOT_SO


def _sampler_seconds(profile: Profile, loader: LoaderProfile) -> float:
    """Return the seconds in the loader's sampler at the start of later epochs."""
    if loader.sampler is not None:
        return sum(loader.sampler.start_seconds[1:])
    return sum(line.seconds for line in sampler_lines(profile) if line.activity == "between loops")


def remade(loader: LoaderProfile) -> bool:
    """Say whether the DataLoader itself was constructed again and again."""
    return bool(loader.attributes.get("remade"))


def avoidable_seconds(loader: LoaderProfile, costs: Costs) -> float:
    """Return the seconds of later epochs' start-up that persistent workers would not pay."""
    later = len(loader.first_batch_s) - 1
    return max(restart_seconds(loader) - later * costs.work_ms / 1e3, 0.0) + sum(loader.stop_s)


_KEEP = (
    "Keep one iterator: `batches = iter(loader)` before the loop and `next(batches)` in it (or `for batch in loader`)."
)
_ADVICE = "Pass persistent_workers=True to the DataLoader, and make it once, not per epoch."
_ADVICE_REMADE = (
    "Make the DataLoader once, before the loop over the epochs, with persistent_workers=True: while a new one is made for"
    " each epoch, persistent_workers keeps nothing."
)
_ADVICE_REMADE_PERSISTENT = (
    "Make the DataLoader once, before the loop over the epochs: persistent_workers=True is set, but a new loader is made for"
    " each epoch, and the workers belong to the old one."
)
_ADVICE_DROPPED = (
    "persistent_workers=True is set, but the iterator that keeps the workers is dropped after each epoch{by}: leave the"
    " loader's _iterator alone (do not reset, copy or reload the loader between epochs)."
)
_PERSISTENT = {"persistent_workers": True}


def dropped(loader: LoaderProfile) -> bool:
    """Say whether the workers were to stay, and one and the same loader lost them."""
    return loader.persistent and not remade(loader)


def _advice(loader: LoaderProfile) -> str:
    if dropped(loader):
        by = loader.worker_stops.drop_by if loader.worker_stops else None
        return _ADVICE_DROPPED.format(by=f" by {by.partition('.')[0]}" if by else "")
    if remade(loader):
        return _ADVICE_REMADE_PERSISTENT if loader.persistent else _ADVICE_REMADE
    if maker_of(loader) is not None:
        return f"Keep the workers from epoch to epoch: {loader_edit(loader, _PERSISTENT)}."
    return _ADVICE


def _edit(loader: LoaderProfile) -> str | None:
    if dropped(loader):
        return None
    if remade(loader) and maker_of(loader) is None:
        setting = "" if loader.persistent else ", persistent_workers=True"
        return f"loader = DataLoader(...{setting})  # once, before the loop over the epochs"
    return loader_edit(loader, _PERSISTENT)


def _where(loader: LoaderProfile) -> Place | None:
    """Return the line that drops the iterator where workers were to stay; else where the loader is made."""
    line = loader.worker_stops.drop_where if loader.worker_stops else None
    return (line or loader.created_where) if dropped(loader) else loader.created_where


def _finding(loader: LoaderProfile, costs: Costs, share: float, t: Thresholds) -> Found:
    passes = len(loader.first_batch_s)
    mean_s = restart_seconds(loader) / (passes - 1)
    stop_s = sum(loader.stop_s) / max(len(loader.stop_s), 1)
    kept = (loader.first_batch_s[0] + (passes - 1) * costs.work_ms / 1e3) / passes
    after = throughput.with_startups(costs, costs.iterators, kept)
    each_step = loader.has_an_iterator_for_each_step
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence="high" if passes >= t.sure_epochs else "medium",
        summary=f"{count(loader.workers, 'worker')} {'are' if loader.workers > 1 else 'is'} re-created for each of {count(passes, 'batch' if each_step else 'epoch', 'batches' if each_step else '')}: {duration(mean_s)} before the first batch",
        evidence=(
            Evidence("avoidable start-up", round(share, 4), "share of the loop", t.restart_share, passes - 1),
            Evidence("epoch start to first batch", round(mean_s, 3), "s", n=passes - 1),
            *((Evidence("stopping the workers", round(stop_s, 3), "s", n=len(loader.stop_s)),) if stop_s else ()),
            Evidence("batches per epoch", loader.epoch_batches, "batches"),
            Evidence("passes with new workers", loader.worker_starts, "passes", n=passes),
            Evidence("start method", loader.start_method, ""),
        ),
        advice=(_KEEP if each_step else _advice(loader)) + stale_values(loader),
        where=loader.iterated_where if each_step else _where(loader),
        speedup=throughput.predict(costs, after, "start-up of later epochs reduced to one batch"),
        # The remedy keeps the workers of one DataLoader; of many made one after the other it can keep none.
        verify=None if each_step or loader.persistent or remade(loader) else "try --remedies persistent-workers",
        edit="batches = iter(loader)  # once, before the loop" if each_step else _edit(loader),
    )


RULE = Rule(
    id="worker-restart",
    page=__doc__,
    check=check,
    needs=(
        Need("a measured loop over a DataLoader", _epochs),
        Need("workers that end with their epoch", _not_kept),
    ),
    thresholds=Thresholds(),
    by_events=True,
    traits=Traits(about_input=True, lanes=("input_wait", "worker"), remedies=("persistent-workers",)),
)
