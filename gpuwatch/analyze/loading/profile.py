"""One loader's profile: its settings, its steps, what its batches cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuwatch.analyze.loading.fetches import Maker, fetch_profile
from gpuwatch.analyze.loading.operations import operation_profiles
from gpuwatch.analyze.loading.queues import queue_profile
from gpuwatch.analyze.loading.whole_passes import whole_passes
from gpuwatch.analyze.loading.workers import workers_profile
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.passes import count_passes
from gpuwatch.analyze.wall_time.steps import Steps, first_batches, stops
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Place


def loader_profile(loader: Loader, steps: Steps, makers: list[Maker]) -> LoaderProfile:
    """Return what was derived of a loader."""
    recorded, first = loader.first.attributes, loader.first
    startup, first_batch = first_batches(loader)
    fetch = fetch_profile(loader, makers)
    on_gpu = steps.gpu_wait_share()
    steps_per_s = steps.count / steps.seconds if steps.seconds > 0 else None
    samples = fetch.samples_per_batch if fetch and fetch.samples_per_batch else recorded.get("batch_size")
    own_loop = loader.own_loop
    lengths, unit = whole_passes(loader, makers)
    used = sum(len(loader.walk.of(position)) > 0 for position in loader.positions) or len(loader.positions)
    return LoaderProfile(
        id=loader.id,
        rank=loader.trainer.rank,
        role=loader.role,
        dataset="no DataLoader" if own_loop else str(recorded.get("dataset") or "?"),
        dataset_where=_place(recorded.get("dataset_file"), recorded.get("dataset_line")),
        created_where=first.made_place or first.place,
        iterated_where=first.place,
        stop_s=stops(loader),
        workers=first.worker_count,
        batch_size=recorded.get("batch_size"),
        prefetch=recorded.get("prefetch"),
        persistent=bool(recorded.get("persistent")),
        pin_memory=bool(recorded.get("pin_memory")),
        in_order=recorded.get("in_order") is not False,
        start_method=recorded.get("start_method"),
        dataset_length=recorded.get("length"),
        iterators=used,
        passes=count_passes(loader.walk, loader.positions),
        batches=steps.batches,
        steps=steps.count,
        seconds=steps.seconds,
        steps_per_s=steps_per_s,
        samples_per_s=steps_per_s * samples if steps_per_s and samples else None,
        step_ms=steps.mean_ms(steps.wait + steps.compute),
        wait_ms=None if own_loop else steps.mean_ms(steps.wait),
        compute_ms=steps.mean_ms(steps.compute),
        gpu_wait_ms=steps.gpu_wait_ms(),
        wait_share=None if own_loop else on_gpu or steps.wait_share(),
        wait_clock="cuda" if on_gpu else "host",
        wait_seconds=steps.wait_seconds,
        compute_cpu_share=_compute_cpu_share(loader, steps),
        epoch_batches=steps.batches / used if used else None,
        startup_s=startup,
        first_batch_s=first_batch,
        queue=queue_profile(loader, steps, makers),
        fetch=fetch,
        operations=operation_profiles(loader, makers),
        worker_pids=tuple(dict.fromkeys(pid for iterator in loader.iterators for _, pid in iterator.workers)),
        dataset_kind=recorded.get("dataset_kind"),
        attributes=dict(recorded) | ({"remade": True} if len({i.loader for i in loader.iterators}) > 1 else {}),
        own_loop=own_loop,
        whole_passes=lengths,
        whole_passes_unit=unit,
        workers_seen=workers_profile(loader, makers),
    )


def _place(file: Any, line: Any) -> Place | None:
    return Place(str(file), int(line or 0)) if file else None


def _compute_cpu_share(loader: Loader, steps: Steps) -> float | None:
    """Return the CPU time of the training thread per time of its own code. Of short steps only some tell it: each reading
    covers the time since the one before."""
    cpu = loader.walk.fields["cpu_ns"][steps.event[steps.steady]]
    known = np.flatnonzero(np.isfinite(cpu))
    recorded = known[1:] if len(known) > 1 else known
    covered = slice(known[0] + 1 if len(known) > 1 else 0, known[-1] + 1) if len(known) else slice(0)
    compute = float(steps.compute[steps.steady][covered].sum())
    return min(float(cpu[recorded].sum()) / compute, 1.0) if compute > 0 else None
