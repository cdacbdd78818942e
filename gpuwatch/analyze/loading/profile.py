"""One loader's profile: its settings, its steps, what its batches cost."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from gpuwatch.analyze.loading.fetches import Maker, fetch_profile
from gpuwatch.analyze.loading.operations import operation_profiles
from gpuwatch.analyze.loading.queues import queue_profile
from gpuwatch.analyze.loading.sampler import sampler_profile
from gpuwatch.analyze.loading.whole_passes import whole_passes
from gpuwatch.analyze.loading.workers import workers_profile
from gpuwatch.analyze.loading.wrapper import wrapper_profile
from gpuwatch.analyze.processes.sorting import meta_of
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.passes import count_passes
from gpuwatch.analyze.wall_time.resumed import skipped_batches
from gpuwatch.analyze.wall_time.steps import Steps, first_batches, stops
from gpuwatch.analyze.wall_time.worker_stops import worker_starts, worker_stops
from gpuwatch.model.loader_profile import FetchProfile, LoaderProfile
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
        wait_clock=_clock(loader) if on_gpu else "host",
        wait_seconds=steps.wait_seconds,
        compute_cpu_share=_compute_cpu_share(loader, steps, fetch),
        epoch_batches=steps.batches / used if used else None,
        startup_s=startup,
        first_batch_s=first_batch,
        queue=queue_profile(loader, steps, makers),
        fetch=fetch,
        operations=operation_profiles(loader, makers),
        worker_pids=tuple(dict.fromkeys(pid for iterator in loader.iterators for _, pid in iterator.workers)),
        dataset_kind=recorded.get("dataset_kind"),
        attributes=_attributes(loader),
        own_loop=own_loop,
        sampler=sampler_profile(loader),
        worker_starts=worker_starts(loader),
        worker_stops=worker_stops(loader),
        skipped=skipped_batches(loader),
        whole_passes=lengths,
        whole_passes_unit=unit,
        workers_seen=workers_profile(loader, makers),
        pipeline=recorded.get("pipeline"),
        wrapper=wrapper_profile(loader, steps),
        recorded_wait_ms=None if own_loop else steps.recorded_wait_ms(),
    )


def _attributes(loader: Loader) -> dict[str, Any]:
    """Return what was recorded of a loader, whether it was constructed again, and which of its dataset's plain values were
    changed between its passes."""
    remade = len({iterator.loader for iterator in loader.iterators}) > 1
    recorded = {name: value for name, value in loader.first.attributes.items() if name != "dataset_values"}
    changed = [] if remade else _changed([iterator.attributes.get("dataset_values") for iterator in loader.iterators])
    found = {"remade": remade, "changed_values": changed, "splits": _asks_for_its_worker(loader)}
    return recorded | {name: value for name, value in found.items() if value}


def _asks_for_its_worker(loader: Loader) -> bool:
    """Say whether code of an iterable dataset was seen to ask which worker it is in: so it takes its part of the data."""
    if loader.first.attributes.get("dataset_kind") != "iterable":
        return False
    workers = [one for i in loader.iterators for one in loader.trainer.workers.get(i.id, ())]
    return any("worker_info" in meta_of(log) for log in (loader.trainer.log, *(worker.log for worker in workers)))


def _changed(marks: list[Any]) -> list[str]:
    known = [each for each in marks if isinstance(each, dict)]
    names = dict.fromkeys(name for each in known for name in each)
    return [name for name in names if len({each[name] for each in known if name in each}) > 1]


def _place(file: Any, line: Any) -> Place | None:
    return Place(str(file), int(line or 0)) if file else None


def _clock(loader: Loader) -> Literal["cuda", "device"]:
    """Return whose events timed the GPU wait: CUDA's (and HIP's), or another accelerator's."""
    return "device" if "accelerator" in meta_of(loader.trainer.log) else "cuda"


def _compute_cpu_share(loader: Loader, steps: Steps, fetch: FetchProfile | None) -> float | None:
    """Return the CPU time of the training thread per time of its own code. Of short steps only some tell it: each reading
    covers the time since the one before, and the batches that the thread made itself in it."""
    cpu = loader.walk.fields["cpu_ns"][steps.event[steps.steady]]
    known = np.flatnonzero(np.isfinite(cpu))
    recorded = known[1:] if len(known) > 1 else known
    covered = slice(known[0] + 1 if len(known) > 1 else 0, known[-1] + 1) if len(known) else slice(0)
    compute = float(steps.compute[steps.steady][covered].sum())
    made = _cpu_of_making(loader, fetch) * float(steps.wait[steps.steady][covered].sum())
    return min(max(float(cpu[recorded].sum()) - made, 0.0) / compute, 1.0) if compute > 0 else None


def _cpu_of_making(loader: Loader, fetch: FetchProfile | None) -> float:
    """Return the CPU time of the training thread per time of its waits, in which it makes batches itself; 0 with workers."""
    if loader.first.worker_count or fetch is None or fetch.cpu_ms is None or fetch.mean_wall_ms <= 0:
        return 0.0
    return min(fetch.cpu_ms / fetch.mean_wall_ms, 1.0)
