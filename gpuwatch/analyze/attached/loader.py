"""The loader of a training that was attached to: what its stacks, its workers' numbers and the kernel's counters say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gpuwatch.analyze.attached.construction import construction_of
from gpuwatch.analyze.attached.loops import LoopAt, Stack
from gpuwatch.analyze.attached.operations import sampled_operations
from gpuwatch.analyze.attached.shown import NOT_KNOWN
from gpuwatch.analyze.attached.states import WAIT, Seen
from gpuwatch.analyze.attached.workers import Pace, Used, Working
from gpuwatch.model.loader_profile import FetchProfile, LoaderProfile, OperationProfile, QueueProfile
from gpuwatch.model.measures import Interval, Place
from gpuwatch.model.threads import TrainerThreads
from gpuwatch.records import dataclass

# Where it is not known how many batches were made, times are those of a step that takes one second.
_UNIT_MS = 1e3


@dataclass(frozen=True, slots=True)
class Looked:
    """What there is of one rank's look. `seconds`: its length."""

    rank: int
    seconds: float
    seen: Seen
    makers: Working
    workers: int
    pace: Pace
    used: Used
    threads: TrainerThreads | None
    stacks: Sequence[tuple[Mapping[str, Any], Stack]]

    @property
    def loop_s(self) -> float:
        """Seconds of the look in the training loop."""
        return self.seconds * self.seen.in_loop / max(len(self.seen.phases), 1)

    @property
    def batches(self) -> float | None:
        """Batches that the loop took meanwhile; None where that is not known."""
        return None if self.pace.batches_per_s is None else self.pace.batches_per_s * self.seconds

    @property
    def step_ms(self) -> float:
        """How long a step takes, or the unit."""
        return 1e3 * self.loop_s / self.batches if self.batches else _UNIT_MS


def asks_a_loader(looked: Looked) -> bool:
    """Say whether a trainer was seen to have a DataLoader."""
    return bool(looked.seen.loops or looked.workers or looked.seen.makes_batches)


def attached_loader(looked: Looked, has_loader: bool) -> LoaderProfile | None:
    """Return what is known of the loader; None where the trainer was seen in no loop. `has_loader`: whether any rank of the
    training was seen to have a DataLoader: one that never waits for its own may not be met in it."""
    seen, share = looked.seen, looked.seen.wait_share()
    if not seen.in_loop or share is None:
        return None
    own_loop = not has_loader
    known, steps = looked.batches is not None, round(looked.batches or 0)
    facts, step_ms = looked.pace.facts, looked.step_ms
    waited = looked.loop_s * seen.count(WAIT) / seen.in_loop
    main = seen.loops.main
    batch = facts.get("batch_size")
    rate = looked.batches / looked.loop_s if looked.batches and looked.loop_s > 0 else None
    return LoaderProfile(
        id=f"rank{looked.rank}",
        rank=looked.rank,
        role=seen.loops.main_role,
        dataset="no DataLoader" if own_loop else str(facts.get("dataset") or _dataset(looked)),
        dataset_where=None,
        created_where=construction_of(main, {frame.file for _, frames in looked.stacks for frame in frames}),
        workers=looked.workers,
        batch_size=batch,
        prefetch=None,
        persistent=bool(facts.get("persistent")),
        pin_memory=seen.pins,
        in_order=True,
        start_method=None,
        dataset_length=None,
        iterators=1,
        batches=steps,
        steps=steps,
        seconds=looked.loop_s,
        steps_per_s=rate,
        samples_per_s=rate * batch if rate and batch else None,
        step_ms=_exactly(step_ms, len(seen.phases)) if known else None,
        wait_ms=None if own_loop or not known else _times(share, step_ms),
        compute_ms=_compute_ms(share, step_ms) if known else None,
        gpu_wait_ms=None,
        wait_share=None if own_loop else share,
        wait_clock="host",
        wait_seconds=0.0 if own_loop else waited,
        compute_cpu_share=_compute_cpu_share(looked, own_loop),
        epoch_batches=None,
        startup_s=(),
        first_batch_s=(),
        queue=_queue(looked),
        fetch=None if own_loop else _fetch(looked),
        operations=() if own_loop else _operations(looked),
        worker_pids=looked.makers.pids if looked.workers else (),
        dataset_kind=facts.get("dataset_kind"),
        iterated_where=_place(main),
        own_loop=own_loop,
        samples=seen.in_loop,
        relative=not known,
    )


def in_units(loader: LoaderProfile) -> LoaderProfile:
    """Return a loader whose pace is not known as one with steps of a second each: ratios of its times are right."""
    if not loader.relative:
        return loader
    count = max(round(loader.seconds), 1)
    share = loader.wait_share or Interval(0.0, 0.0, 0.0)
    step_ms = 1e3 * loader.seconds / count
    return replace(
        loader,
        steps=count,
        batches=count,
        step_ms=_exactly(step_ms, loader.samples or 0),
        wait_ms=_times(share, step_ms),
        compute_ms=_compute_ms(share, step_ms),
    )


def _exactly(value: float, n: int) -> Interval:
    return Interval(value, value, value, n)


def _times(share: Interval, step_ms: float) -> Interval:
    return Interval(share.median * step_ms, share.low * step_ms, share.high * step_ms, share.n)


def _compute_ms(share: Interval, step_ms: float) -> Interval:
    return Interval((1 - share.median) * step_ms, (1 - share.high) * step_ms, (1 - share.low) * step_ms, share.n)


def _place(loop: LoopAt | None) -> Place | None:
    return Place(loop.file, loop.line, loop.function) if loop else None


def _dataset(looked: Looked) -> str:
    """Return the class whose code makes samples, as the stacks name it."""
    names = [one.name for one in _operations(looked) if one.kind == "dataset"]
    return names[0].rpartition(".")[2] or "?" if names else "?"


def _work_ms(looked: Looked) -> float:
    """Return the time that making a batch takes a worker (ms), or the trainer itself."""
    if not looked.workers:
        # The wait for a batch is the making of it, with the loader's own part of it.
        waits, inside = looked.seen.count(WAIT), max(looked.seen.in_loop, 1)
        return looked.step_ms * waits / inside
    return (looked.makers.busy or 0.0) * looked.workers * looked.seconds * 1e3 / (looked.batches or looked.loop_s)


def _fetch(looked: Looked) -> FetchProfile | None:
    makers = looked.makers
    if not makers.ticks or (not looked.workers and not looked.seen.makes_batches):
        return None
    work_ms, count = _work_ms(looked), looked.batches or looked.loop_s
    cpu_ms, delay_ms = _cpu_ms(looked, work_ms, count)
    sent = makers.sent / makers.ticks * looked.workers * looked.seconds * 1e3 / count if looked.workers else None
    return FetchProfile(
        n=round(looked.batches or 0),
        wall_ms=_exactly(work_ms, round(looked.batches or 0)),
        mean_wall_ms=work_ms,
        p95_wall_ms=NOT_KNOWN,
        max_wall_ms=NOT_KNOWN,
        cpu_ms=cpu_ms,
        process_cpu_ms=cpu_ms,
        delay_ms=delay_ms,
        blocked_ms=None if cpu_ms is None else max(work_ms - cpu_ms - (delay_ms or 0.0), 0.0),
        index_wait_ms=NOT_KNOWN,
        busy_share=makers.busy if looked.workers else None,
        collate_ms=work_ms * makers.share("collate"),
        serialise_ms=sent,
        bytes_per_batch=None,
        tensors_per_batch=None,
        float_bytes_share=None,
        samples_per_batch=looked.pace.facts.get("batch_size"),
        read_bytes_per_batch=_each(looked.used.read_bytes, count if looked.workers else None),
        rchar_per_batch=_each(looked.used.rchar, count if looked.workers else None),
    )


def _each(value: float | None, count: float | None) -> float | None:
    return None if value is None or not count else value / count


def _cpu_ms(looked: Looked, work_ms: float, count: float) -> tuple[float | None, float | None]:
    """Return the CPU time in making a batch, and the time without a core in it (ms)."""
    if looked.workers:
        cpu, delay = looked.used.cpu_s, looked.used.delay_s
        each = None if cpu is None else 1e3 * cpu / count
        return each, None if delay is None else min(1e3 * delay / count, work_ms)
    if looked.threads is None:
        return None, None
    # Of one thread it is not known where in its time it ran. Making batches is taken to run first: what is then found to
    # be blocked in it surely was.
    ran, waits = looked.threads.cpu + looked.threads.delay, looked.seen.count(WAIT) / max(len(looked.seen.phases), 1)
    on_core = min(ran / waits, 1.0) if waits > 0 else 1.0
    delayed = looked.threads.delay / ran if ran > 0 else 0.0
    return work_ms * on_core * (1.0 - delayed), work_ms * on_core * delayed


def _compute_cpu_share(looked: Looked, own_loop: bool) -> float | None:
    """Return the CPU time of the training thread per time of its own code: beside workers it uses none while it waits, and
    without them it makes batches meanwhile."""
    if looked.threads is None:
        return None
    waits = 0.0 if own_loop else looked.seen.count(WAIT) / max(len(looked.seen.phases), 1)
    ran = looked.threads.cpu if looked.workers else max(looked.threads.cpu - waits, 0.0)
    return min(ran / max(1.0 - waits, 0.02), 1.0)


def _queue(looked: Looked) -> QueueProfile | None:
    """Return whether a worker was at work while the trainer waited: where none was, the batch was there already."""
    if not looked.workers:
        return None
    busy, waits = looked.makers.busy, looked.seen.count(WAIT) / max(len(looked.seen.phases), 1)
    in_wait = looked.makers.in_wait
    if in_wait is None and busy is not None and waits > 0:
        # Of workers that lived for a part of the look the samples are not joined to the trainer's: all that they did at most.
        in_wait = min(busy / waits, 1.0)
    receive_ms = looked.step_ms * looked.seen.receiving / max(looked.seen.in_loop, 1)
    unmade = None if in_wait is None else min(in_wait * looked.workers, 1.0)
    return QueueProfile(None, None, None, unmade_share=unmade, receive_ms=receive_ms)


def _operations(looked: Looked) -> tuple[OperationProfile, ...]:
    return sampled_operations(looked.makers.pids, looked.stacks, _work_ms(looked), looked.pace.facts.get("batch_size"))
