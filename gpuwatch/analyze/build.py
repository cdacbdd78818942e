"""Raw recording → profile: everything that the rules may look at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpuwatch.analyze.choices import user_files
from gpuwatch.analyze.contents import large_tables, looks_inside, padding_of
from gpuwatch.analyze.costs import measure_costs
from gpuwatch.analyze.lines.engines import engine_problems
from gpuwatch.analyze.lines.hot_lines import find_hot_lines
from gpuwatch.analyze.lines.loop_by_samples import costs_of_loop, loop_profile, rank_of_loop
from gpuwatch.analyze.lines.other_threads import trainer_threads
from gpuwatch.analyze.lines.sampled_loop import SampledLoop, find_sampled_loop
from gpuwatch.analyze.lines.sampled_phases import trend_with_samples, with_samples
from gpuwatch.analyze.lines.setups import find_setups
from gpuwatch.analyze.lines.step_parts import StepParts
from gpuwatch.analyze.loading.fetches import find_makers
from gpuwatch.analyze.loading.profile import loader_profile
from gpuwatch.analyze.loading.sampled_feed import with_feed
from gpuwatch.analyze.loops import Analysis, Loop, main_loop
from gpuwatch.analyze.machine.devices import device_profiles
from gpuwatch.analyze.machine.host import machine_profile
from gpuwatch.analyze.machine.usage import Window, cores_used, read_usage, sampled_window
from gpuwatch.analyze.nodes.steps import compare_ranks
from gpuwatch.analyze.nodes.waiting import find_rank_work
from gpuwatch.analyze.numbers.arrays import numbers
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.overhead import overhead
from gpuwatch.analyze.processes.gaps import find_gaps, find_unentered, hook_problems
from gpuwatch.analyze.processes.sorting import Processes, meta_of
from gpuwatch.analyze.processes.state import process_state
from gpuwatch.analyze.ranks import rank_profile
from gpuwatch.analyze.trend import find_trend
from gpuwatch.analyze.wall_time.loaders import Loader, find_loaders, roles_of
from gpuwatch.analyze.wall_time.phases import walk
from gpuwatch.analyze.wall_time.steps import evaluation_time, find_steps, windows
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.process_state import ProcessState
from gpuwatch.model.profile import Costs, Profile, RankProfile
from gpuwatch.model.trend import Trend

# Phases that a change to the loop cannot touch.
_OUTSIDE = ("startup", "between loops", "tracing", "shutdown", "unexplained")


def analysis_of(processes: Processes) -> Analysis:
    """Cut the loops of one training's processes into steps."""
    walks = [walk(trainer) for trainer in processes.trainers]
    loaders = find_loaders(walks)
    evaluation = {id(this): evaluation_time(this, roles_of(loaders, this)) for this in walks}
    loops = [_loop(loader, evaluation[id(loader.walk)]) for loader in loaders]
    primary = main_loop(loops)
    return Analysis(processes, walks, loops, read_usage(processes.sampler), primary, _window(processes, primary))


def profile_of(analysis: Analysis) -> Profile:
    """Return the profile of an analysed recording."""
    processes, primary, recording = analysis.processes, analysis.primary, analysis.processes.recording
    machine = _machine(analysis)
    ranks = tuple(rank_profile(analysis, this) for this in analysis.walks)
    costs = _costs(analysis, primary, machine, ranks) if primary else None
    met = find_sampled_loop(processes) if primary is None else None
    lines, quality, sampled = find_hot_lines(analysis, ranks, costs, met)
    if met is not None:
        ranks = tuple(rank_of_loop(rank, met) if rank.pid == met.trainer.log.pid else rank for rank in ranks)
    measured, ranks = ranks, tuple(with_samples(rank, sampled.get(rank.pid)) for rank in ranks)
    if _sample_waits(analysis, sampled) and primary:
        costs = _costs(analysis, primary, machine, ranks)
    loaders, main = _loaders(analysis, met, sampled)
    if met is not None and main is not None:
        costs = costs_of_loop(main, machine, next(rank for rank in ranks if rank.pid == met.trainer.log.pid))
    files = user_files(lines)
    return Profile(
        run=recording.run,
        seconds=processes.seconds,
        ranks=ranks,
        loaders=loaders,
        primary=main,
        machine=machine,
        devices=device_profiles(processes, analysis.window),
        hot_lines=lines,
        stacks=quality,
        unentered=find_unentered(processes),
        costs=costs,
        overhead=overhead(processes, analysis.walks),
        gaps=find_gaps(processes),
        problems=(*recording.problems, *hook_problems(recording), *engine_problems(lines)),
        seen_pythons=len(recording.by_writer("hook")),
        damaged_logs=recording.unreadable + sum(log.torn for log in recording.logs),
        threads=trainer_threads(processes, met is not None),
        padding=padding_of(processes, primary, lines),
        setups=find_setups(lines),
        looked=primary is not None and looks_inside(primary.loader.trainer.log),
        tables=large_tables(primary.loader.trainer.log, files) if primary else (),
        torch_seen=any("torch" in meta_of(log) for log in recording.by_writer("hook")),
        trend=_trend(analysis, primary, measured, ranks) if primary else None,
        state=_state(primary) if primary else None,
        rank_steps=compare_ranks([analysis]),
        rank_work=find_rank_work([analysis], [0.0]),
    )


def _sample_waits(analysis: Analysis, sampled: Mapping[int, StepParts]) -> bool:
    """Give loops that are not over a DataLoader the waits that their samples say; say whether there are any."""
    own = [loop for loop in analysis.loops if loop.profile.own_loop]
    for loop in own:
        parts = sampled.get(loop.loader.trainer.log.pid)
        loop.profile = with_feed(loop.profile, parts.feed if parts else None)
    return bool(own)


def _loaders(
    analysis: Analysis, met: SampledLoop | None, sampled: Mapping[int, StepParts]
) -> tuple[tuple[LoaderProfile, ...], LoaderProfile | None]:
    """Return the run's loaders, and the one that it is about: the loop that only samples tell of, where no event does."""
    primary = analysis.primary
    found = [
        loop.profile for loop in analysis.loops if loop is primary or loop.loader.own_loop or _was_asked(loop.loader)
    ]
    if met is None:
        return tuple(found), primary.profile if primary else None
    parts = sampled.get(met.trainer.log.pid)
    main = with_feed(loop_profile(met), parts.feed if parts else None)
    return (main, *found), main


def _loop(loader: Loader, evaluation: Array) -> Loop:
    steps, makers = find_steps(loader, evaluation), find_makers(loader)
    return Loop(loader, steps, makers, loader_profile(loader, steps, makers))


def _was_asked(loader: Loader) -> bool:
    """Say whether any of a loader's iterators was ever asked for a batch; Keras makes one more, for its first batch."""
    asked = numbers(loader.trainer.log.table("batch"), "iterator")
    return bool(np.isin(asked, [iterator.id for iterator in loader.iterators]).any())


def _window(processes: Processes, primary: Loop | None) -> Window:
    """Return the time that machine and GPUs are described for: from the primary loops' first batch to their last."""
    loops = windows(primary.loader) if primary else []
    whole = (processes.start_ns, processes.end_ns)
    return sampled_window(processes.sampler, (loops[0][0], loops[-1][1]) if loops else whole)


def _machine(analysis: Analysis) -> MachineProfile:
    loops = analysis.main_loops
    makers = [maker for loop in loops for maker in loop.makers]
    # Each worker with how many like it lived at once: epochs follow each other.
    at_once = sum(loop.profile.workers for loop in loops)
    workers = {pid: at_once for loop in loops for pid in loop.profile.worker_pids}
    return machine_profile(analysis.processes, analysis.window, analysis.usages, makers, workers)


def _costs(analysis: Analysis, primary: Loop, machine: MachineProfile, ranks: tuple[RankProfile, ...]) -> Costs | None:
    trainer = primary.loader.trainer
    rank = next(rank for rank in ranks if rank.pid == trainer.log.pid)
    # With a GPU the trainer's other threads are the input's libraries, or drivers.
    computing = [usage for usage in analysis.usages if usage.pid == trainer.log.pid and rank.device == "cpu"]
    used = [cores_used(usage, analysis.window) for usage in computing]
    threads = trainer.meta.get("threads")
    return measure_costs(
        primary.profile,
        machine,
        _rest_s(rank, primary),
        rank.run_queue_delay_share or 0.0,
        trainer_cores=max((cores for cores in used if cores is not None), default=None),
        library_threads=threads.get("torch") if isinstance(threads, dict) else None,
    )


def _trend(
    analysis: Analysis, primary: Loop, measured: tuple[RankProfile, ...], ranks: tuple[RankProfile, ...]
) -> Trend | None:
    """Return the trend of the primary loop; `measured`: the ranks before samples divided their steps."""
    trend = find_trend(primary.loader, primary.steps, primary.makers, analysis.usages, analysis.processes.sampler)
    pid = primary.loader.trainer.log.pid
    both = next((both for both in zip(measured, ranks, strict=True) if both[0].pid == pid), None)
    return trend_with_samples(trend, *both) if trend is not None and both is not None else trend


def _state(primary: Loop) -> ProcessState | None:
    loader, workers = primary.loader, [maker.log for maker in primary.makers]
    own = loader.trainer.log
    return process_state(loader.trainer, [log for log in workers if log is not own], primary.steps.end)


def _rest_s(rank: RankProfile, primary: Loop) -> float:
    """Return the seconds that the loops of the primary's rank took beyond its steady steps and their start-up:
    warm-up steps, evaluation, other loaders."""
    looped = sum(phase.seconds for phase in rank.phases if phase.name not in _OUTSIDE)
    return max(looped - primary.profile.seconds - sum(primary.profile.first_batch_s), 0.0)
