"""Raw recording → profile: everything that the rules may look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.blocked import with_blocked_shares
from gpuwatch.analyze.lines.folding import Seconds, find_hot_lines
from gpuwatch.analyze.lines.loop_lines import LoopLines
from gpuwatch.analyze.lines.moments import moments_of
from gpuwatch.analyze.lines.samples import LOADER_WORK
from gpuwatch.analyze.loading.fetches import Maker, fetch_profile, find_makers
from gpuwatch.analyze.loading.operations import operation_profiles
from gpuwatch.analyze.loading.queues import queue_profile
from gpuwatch.analyze.machine.devices import device_profiles
from gpuwatch.analyze.machine.host import machine_profile
from gpuwatch.analyze.machine.usage import Usage, Window, read_usage, sampled_window
from gpuwatch.analyze.numbers.arrays import total
from gpuwatch.analyze.processes.gaps import find_gaps, find_unentered
from gpuwatch.analyze.processes.sorting import Processes, meta_of, sort_processes
from gpuwatch.analyze.processes.trainings import main_training
from gpuwatch.analyze.wall_time.loaders import Loader, find_loaders, roles_of
from gpuwatch.analyze.wall_time.long_steps import find_long_steps
from gpuwatch.analyze.wall_time.overhead import hook_us_per_step, overhead
from gpuwatch.analyze.wall_time.phases import Walk, phases, walk
from gpuwatch.analyze.wall_time.steps import Steps, evaluation_time, find_steps, first_batches, stops, windows
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Costs, Profile, RankProfile
from gpuwatch.model.recording import Recording


@dataclass(slots=True)
class Loop:
    """A loader with everything derived from its events."""

    loader: Loader
    steps: Steps
    makers: list[Maker]
    profile: LoaderProfile


@dataclass(slots=True)
class Analysis:
    """The working state between recording and profile; the lanes are drawn from it too."""

    processes: Processes
    walks: list[Walk]
    loops: list[Loop]
    usages: list[Usage]
    primary: Loop | None
    window: Window

    def loops_of(self, this: Walk) -> list[Loop]:
        """Return the loops of one trainer."""
        return [loop for loop in self.loops if loop.loader.walk is this]


def profile(recording: Recording) -> Profile:
    """Derive everything from a recording. What it does not hold is None, never zero."""
    return profile_of(analyse(recording))


def analyse(recording: Recording) -> Analysis:
    """Sort a recording's processes and cut the loops of its main training into steps."""
    return analysis_of(main_training(sort_processes(recording)))


def analysis_of(processes: Processes) -> Analysis:
    """Cut the loops of one training's processes into steps."""
    walks = [walk(trainer) for trainer in processes.trainers]
    loaders = find_loaders(walks)
    evaluation = {id(this): evaluation_time(this, roles_of(loaders, this)) for this in walks}
    loops = [_loop(loader, evaluation[id(loader.walk)]) for loader in loaders]
    primary = _primary(loops)
    return Analysis(processes, walks, loops, read_usage(processes.sampler), primary, _window(processes, primary))


def profile_of(analysis: Analysis) -> Profile:
    """Return the profile of an analysed recording."""
    processes, primary = analysis.processes, analysis.primary
    makers = [
        maker
        for loop in analysis.loops
        if primary and loop.profile.role == primary.profile.role
        for maker in loop.makers
    ]
    machine = machine_profile(processes, analysis.window, analysis.usages, makers, _worker_counts(analysis))
    ranks = tuple(_rank(analysis, this) for this in analysis.walks)
    loops = LoopLines(loop.loader for loop in analysis.loops)
    lines, quality = find_hot_lines(processes, _seconds(analysis, ranks), loops)
    lines = with_blocked_shares(lines, [loop.profile for loop in analysis.loops], ranks)
    costs = _costs(primary, machine, ranks) if primary else None
    recording = processes.recording
    return Profile(
        run=recording.run,
        seconds=processes.seconds,
        ranks=ranks,
        loaders=tuple(loop.profile for loop in analysis.loops),
        primary=primary.profile if primary else None,
        machine=machine,
        devices=device_profiles(processes, analysis.window),
        hot_lines=_with_speedups(lines, costs, primary),
        stacks=quality,
        unentered=find_unentered(processes),
        costs=costs,
        overhead=overhead(processes, analysis.walks),
        gaps=find_gaps(processes),
        problems=(*recording.problems, *_hook_problems(recording)),
        seen_pythons=len(recording.by_writer("hook")),
        torch_seen=any("torch" in meta_of(log) for log in recording.by_writer("hook")),
    )


def _worker_counts(analysis: Analysis) -> dict[int, int]:
    """Return the pids of the loops' workers, each with how many like it lived at once (epochs follow each other)."""
    role = analysis.primary.profile.role if analysis.primary else None
    loops = [loop for loop in analysis.loops if loop.profile.role == role]
    at_once = sum(loop.profile.workers for loop in loops)
    return {pid: at_once for loop in loops for pid in loop.profile.worker_pids}


def _loop(loader: Loader, evaluation: np.ndarray[Any, np.dtype[np.float64]]) -> Loop:
    steps, makers = find_steps(loader, evaluation), find_makers(loader)
    return Loop(loader, steps, makers, _loader_profile(loader, steps, makers))


def _primary(loops: list[Loop]) -> Loop | None:
    """Return the loop that the verdict is about: the longest training loop, else inference; of ranks that train
    together the lowest one's."""
    for role in ("training", "inference"):
        found = [loop for loop in loops if loop.profile.role == role]
        if not found:
            continue
        longest = max(found, key=_length)
        if longest.loader.trainer.world_size > 1:
            lowest = min(loop.profile.rank for loop in found)
            longest = max((loop for loop in found if loop.profile.rank == lowest), key=_length)
        return longest
    return None


def _length(loop: Loop) -> tuple[float, int]:
    return loop.steps.seconds, loop.steps.batches


def _window(processes: Processes, primary: Loop | None) -> Window:
    """Return the time that machine and GPUs are described for: from the primary loops' first batch to their last."""
    loops = windows(primary.loader) if primary else []
    whole = (processes.start_ns, processes.end_ns)
    return sampled_window(processes.sampler, (loops[0][0], loops[-1][1]) if loops else whole)


def _loader_profile(loader: Loader, steps: Steps, makers: list[Maker]) -> LoaderProfile:
    told, first = loader.first.attributes, loader.first
    startup, first_batch = first_batches(loader)
    fetch = fetch_profile(loader, makers)
    on_gpu = steps.gpu_wait_share()
    steps_per_s = steps.count / steps.seconds if steps.seconds > 0 else None
    samples = fetch.samples_per_batch if fetch and fetch.samples_per_batch else told.get("batch_size")
    own_loop = loader.own_loop
    return LoaderProfile(
        id=loader.id,
        rank=loader.trainer.rank,
        role=loader.role,
        dataset="no DataLoader" if own_loop else str(told.get("dataset") or "?"),
        dataset_where=_place(told.get("dataset_file"), told.get("dataset_line")),
        created_where=first.made_place or first.place,
        iterated_where=first.place,
        stop_s=stops(loader),
        workers=first.worker_count,
        batch_size=told.get("batch_size"),
        prefetch=told.get("prefetch"),
        persistent=bool(told.get("persistent")),
        pin_memory=bool(told.get("pin_memory")),
        in_order=told.get("in_order") is not False,
        start_method=told.get("start_method"),
        dataset_length=told.get("length"),
        iterators=len(loader.positions),
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
        epoch_batches=steps.batches / len(loader.positions) if loader.positions else None,
        startup_s=startup,
        first_batch_s=first_batch,
        queue=queue_profile(loader, steps, makers),
        fetch=fetch,
        operations=operation_profiles(loader, makers),
        worker_pids=tuple(dict.fromkeys(pid for iterator in loader.iterators for _, pid in iterator.workers)),
        dataset_kind=told.get("dataset_kind"),
        attributes=dict(told) | ({"remade": True} if len({i.loader for i in loader.iterators}) > 1 else {}),
        own_loop=own_loop,
    )


def _place(file: Any, line: Any) -> Place | None:
    return Place(str(file), int(line or 0)) if file else None


def _compute_cpu_share(loader: Loader, steps: Steps) -> float | None:
    """Return the CPU time of the training thread per time of its own code. Of short steps only some tell it: each reading
    covers the time since the one before."""
    cpu = loader.walk.fields["cpu_ns"][steps.event[steps.steady]]
    known = np.flatnonzero(np.isfinite(cpu))
    told = known[1:] if len(known) > 1 else known
    covered = slice(known[0] + 1 if len(known) > 1 else 0, known[-1] + 1) if len(known) else slice(0)
    compute = float(steps.compute[steps.steady][covered].sum())
    return min(float(cpu[told].sum()) / compute, 1.0) if compute > 0 else None


def _rank(analysis: Analysis, this: Walk) -> RankProfile:
    trainer, loops = this.trainer, analysis.loops_of(this)
    main = analysis.primary if analysis.primary and analysis.primary.loader.walk is this else _primary(loops)
    header, steps = trainer.log.header, main.steps if main else None
    roles = roles_of([loop.loader for loop in loops], this)
    trained = np.isin(
        this.owner,
        [position for loop in loops if loop.profile.role != "evaluation" for position in loop.loader.positions],
    )
    return RankProfile(
        rank=trainer.rank,
        local_rank=trainer.local_rank,
        world_size=trainer.world_size,
        host=trainer.host,
        pid=trainer.log.pid,
        python=str(header.get("python") or ""),
        torch=trainer.meta.get("torch"),
        device=_device_name(trainer.meta),
        seconds=(trainer.end_ns - trainer.start_ns) / 1e9,
        phases=phases(this, roles),
        steps=steps.count if steps else 0,
        warmup_steps=steps.warmup if steps else 0,
        step_ms=main.profile.step_ms if main else None,
        wait_share=main.profile.wait_share if main else None,
        backward_ms=_backward_ms(this, trained),
        long_steps=find_long_steps(main.loader, main.steps) if main else None,
        gc_seconds=(total(this.fields["gc_ns"][1:]) or 0.0) / 1e9,  # the first event's are the imports'
        gc_collections=int(total(this.fields["gc_n"][1:]) or 0),
        hook_us_per_step=hook_us_per_step(this),
        first_batch_s=_first_batch_s(this, main),
        run_queue_delay_share=_delay_share(this),
    )


def _device_name(meta: dict[str, Any]) -> str | None:
    current = meta.get("cuda_device")
    for device in meta.get("cuda_devices") or ():
        if isinstance(device, list) and len(device) >= 3 and current in (None, device[0]):
            return str(device[2])
    return "cpu" if meta.get("torch") else None


def _backward_ms(this: Walk, trained: np.ndarray[Any, np.dtype[np.bool_]]) -> float | None:
    backward = this.parts["backward"][trained & (np.nan_to_num(this.fields["backward_n"]) > 0)]
    return float(np.median(backward)) / 1e6 if len(backward) else None


def _first_batch_s(this: Walk, main: Loop | None) -> float | None:
    """Return the time from the process' start to its main loop's first batch."""
    events = [this.of(position) for position in main.loader.positions] if main else []
    first = [float(this.fields["t1"][handed[0]]) for handed in events if len(handed)]
    return (min(first) - this.trainer.start_ns) / 1e9 if first else None


def _delay_share(this: Walk) -> float | None:
    """Return the share of the loop in which the training thread could run but had no core. Readings are sparse: each
    covers the time since the one before, so their sum stands for the time from the first event to the last reading."""
    told = np.flatnonzero(np.isfinite(this.fields["delay_ns"]))
    if not len(told):
        return None
    length = float(this.fields["t1"][told[-1]] - this.fields["t1"][0])
    return min(float(this.fields["delay_ns"][told].sum()) / length, 1.0) if length > 0 else None


# Phases that a change to the loop cannot touch.
_OUTSIDE = ("startup", "between loops", "shutdown", "unexplained")


def _costs(primary: Loop, machine: MachineProfile, ranks: tuple[RankProfile, ...]) -> Costs | None:
    rank = next(rank for rank in ranks if rank.pid == primary.loader.trainer.log.pid)
    return throughput.measure_costs(primary.profile, machine, _rest_s(rank, primary), rank.run_queue_delay_share or 0.0)


def _rest_s(rank: RankProfile, primary: Loop) -> float:
    """Return the seconds that the loops of the primary's rank took beyond its steady steps and their start-up:
    warm-up steps, evaluation, other loaders."""
    looped = sum(phase.seconds for phase in rank.phases if phase.name not in _OUTSIDE)
    return max(looped - primary.profile.seconds - sum(primary.profile.first_batch_s), 0.0)


def _seconds(analysis: Analysis, ranks: tuple[RankProfile, ...]) -> Seconds:
    """Return what sampled shares stand for, in seconds of the run."""
    loading = sum(_loading_ns(loop) for loop in analysis.loops)
    trainer = sum(float(loop.steps.compute.sum()) for loop in analysis.loops)
    between = sum(phase.seconds for rank in ranks for phase in rank.phases if phase.name == "between loops")
    between += sum(
        max(iterator.made_ns - iterator.start_ns, 0.0) / 1e9
        for loop in analysis.loops
        for iterator in loop.loader.iterators[1:]
    )
    moments = moments_of(analysis.walks, [loop.loader for loop in analysis.loops], ranks)
    return Seconds(loading / 1e9, trainer / 1e9, between, moments)


def _loading_ns(loop: Loop) -> float:
    """Return the time that making and sending the loop's batches took. Without workers that is the wait for them, also
    in steps that were only timed, of which no fetch is told."""
    made = sum(float((maker.fetches["t1"] - maker.fetches["t0"]).sum()) for maker in loop.makers)
    sent = sum(float(np.nansum(maker.sent["t1"] - maker.sent["t0"])) for maker in loop.makers if maker.sent)
    return made + sent if loop.profile.workers else max(made, float(loop.steps.wait.sum()))


def _with_speedups(lines: tuple[HotLine, ...], costs: Costs | None, primary: Loop | None) -> tuple[HotLine, ...]:
    """Say what the run would win if a line cost nothing: the throughput model for loader lines, the step for others."""
    if costs is None or primary is None:
        return lines
    # What the threads of a loop without a DataLoader make is no part of the model's costs.
    apart = LOADER_WORK if primary.profile.own_loop else ()
    return tuple(
        line if line.activity in apart else replace(line, speedup_if_free=_speedup(line, costs)) for line in lines
    )


def _speedup(line: HotLine, costs: Costs) -> float | None:
    basis: Literal["line free"] = "line free"
    if line.activity in LOADER_WORK:
        return throughput.predict(costs, throughput.without_operation(costs, min(line.share, 0.999)), basis).predicted
    if line.activity in ("step", "long step") and line.process_role == "trainer":
        return throughput.predict(
            costs, throughput.with_step(costs, costs.device_ms * (1 - line.share)), basis
        ).predicted
    return None


def _hook_problems(recording: Recording) -> list[str]:
    """Return what the hook itself had to give up, once each."""
    found: dict[str, None] = {}
    for log in recording.by_writer("hook"):
        meta = meta_of(log)
        for key, words in (("hook_error", "the hook gave up on"), ("missing_seam", "this torch lacks")):
            if key in meta:
                found[f"{words} {meta[key]}"] = None
    return list(found)
