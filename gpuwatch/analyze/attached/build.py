"""Recording of an attached look → profile: no event was written, the stack samples say how the wall time divides.

Shares come from the samples of each main thread, what workers and cores did from the kernel's counters. What only events
can tell (single steps, epochs, start-up, the state of the process) is missing, and the rules that need it say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gpuwatch.analyze.attached.gpu_busy import felt_by_gpu
from gpuwatch.analyze.attached.loader import Looked, asks_a_loader, attached_loader, in_units
from gpuwatch.analyze.attached.loops import Stack
from gpuwatch.analyze.attached.states import Seen, seconds_by_phase, seen_of
from gpuwatch.analyze.attached.workers import Pace, alive_at_once, pace_of, used_by, working_of
from gpuwatch.analyze.costs import measure_costs
from gpuwatch.analyze.lines.blocked import blocked_shares
from gpuwatch.analyze.lines.bursts import read_stacks
from gpuwatch.analyze.lines.folding import Seconds, fold_samples
from gpuwatch.analyze.lines.moments import Moments
from gpuwatch.analyze.lines.other_threads import trainer_threads
from gpuwatch.analyze.lines.run_costs import LoopWait, by_cost
from gpuwatch.analyze.lines.setups import find_setups
from gpuwatch.analyze.lines.speedups import speedups_if_free
from gpuwatch.analyze.loops import Analysis
from gpuwatch.analyze.machine.devices import device_profiles
from gpuwatch.analyze.machine.host import machine_profile
from gpuwatch.analyze.machine.usage import Window, cores_used, read_usage, sampled_window
from gpuwatch.analyze.numbers.arrays import numbers
from gpuwatch.analyze.overhead import overhead
from gpuwatch.analyze.processes.attached import LOOKED
from gpuwatch.analyze.processes.gaps import find_gaps
from gpuwatch.analyze.processes.sorting import Processes, Trainer
from gpuwatch.analyze.wall_time.phases import walk
from gpuwatch.model.hot_lines import HotLine, StackQuality
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.measures import phase_rows
from gpuwatch.model.profile import Costs, Profile, RankProfile
from gpuwatch.model.threads import TrainerThreads

Stacks = Sequence[tuple[Mapping[str, Any], Stack]]
_USUAL_HZ = 25.0
_WRITING_NS = 5e7


class _Loops:
    """Whose loop a stack is in, of whichever trainer it is. Asked like LoopLines."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        self._seen = seen

    def is_evaluation(self, frames: Sequence[Any]) -> bool | None:
        """Say whether the innermost loop around a stack evaluates; None where none is seen."""
        return next((said for one in self._seen if (said := one.loops.is_evaluation(frames)) is not None), None)


def attached_analysis(processes: Processes) -> Analysis:
    """Return the working state of a look: no loop was cut into steps."""
    walks = [walk(trainer) for trainer in processes.trainers]
    window = sampled_window(processes.sampler, (processes.start_ns, processes.end_ns))
    return Analysis(processes, walks, [], read_usage(processes.sampler), None, window)


def attached_profile(analysis: Analysis) -> Profile:
    """Return the profile of a look at a running training."""
    processes, recording = analysis.processes, analysis.processes.recording
    stacks = [pair for log in recording.by_writer("stacks") for pair in read_stacks(log, processes)]
    threads = {one.rank: one for one in trainer_threads(processes)}
    looked = [_looked(trainer, analysis, stacks, threads.get(trainer.rank)) for trainer in processes.trainers]
    has_loader = any(map(asks_a_loader, looked))
    devices = device_profiles(processes, analysis.window)
    felt = [felt_by_gpu(attached_loader(each, has_loader), devices) for each in looked]
    loaders = [loader for loader, _ in felt]
    machine = _machine(analysis)
    ranks = tuple(
        _rank(trainer, each, loader, analysis)
        for trainer, each, loader in zip(processes.trainers, looked, loaders, strict=True)
    )
    primary = _primary(loaders)
    costs = _costs(analysis, primary, machine, ranks) if primary else None
    lines, quality = _hot_lines(analysis, looked, [one for one in loaders if one], ranks, costs, primary)
    return Profile(
        run=recording.run,
        seconds=processes.seconds,
        ranks=ranks,
        loaders=tuple(one for one in loaders if one),
        primary=primary,
        machine=machine,
        devices=devices,
        hot_lines=lines,
        stacks=quality,
        unentered=(),
        costs=costs,
        overhead=overhead(processes, []),
        gaps=find_gaps(processes),
        problems=(*recording.problems, *_refused(processes), *(note for _, note in felt if note)),
        seen_pythons=len(processes.trainers),
        threads=tuple(threads.values()),
        torch_seen=bool(processes.trainers),
        setups=find_setups(lines),
    )


def _looked(trainer: Trainer, analysis: Analysis, stacks: Stacks, threads: TrainerThreads | None) -> Looked:
    processes, pid = analysis.processes, trainer.log.pid
    logs = processes.recording.by_writer("stacks")
    workers = [worker.log.pid for worker in trainer.workers.get(LOOKED, ())]
    spans = _spans(processes, pid, stacks)
    seen = seen_of(pid, stacks, _hz(processes), trainer.meta.get("device") != "cpu")
    makers = working_of(workers or [pid], stacks)
    pace = pace_of(workers, logs) if workers else Pace(None, {})
    whole = (spans[0][0], spans[-1][1]) if spans else analysis.window
    return Looked(
        rank=trainer.rank,
        seconds=(whole[1] - whole[0]) / 1e9,
        seen=seen,
        makers=makers,
        workers=_at_once(workers, pace, analysis),
        pace=pace,
        used=used_by(workers, analysis.usages, processes.sampler, whole),
        threads=threads,
        stacks=[(row, frames) for row, frames in stacks if row.get("pid") in {pid, *workers}],
    )


def _at_once(workers: Sequence[int], pace: Pace, analysis: Analysis) -> int:
    """Return how many workers a loader has: epochs may follow each other with new ones, and there may be several loaders."""
    told, lived = pace.facts.get("workers"), alive_at_once(workers, analysis.processes.sampler)
    return min(lived, int(told)) if told else lived


def _spans(processes: Processes, pid: int, stacks: Stacks) -> list[Window]:
    """Return when the bursts ran in which a process was seen."""
    begun = {row.get("t0") for row, _ in stacks if row.get("pid") == pid}
    rows = [row for log in processes.recording.by_writer("stacks") for row in log.table("burst").dicts()]
    return sorted(
        (float(row.get("began") or row["t0"]), max(float(row["t1"]) - _WRITING_NS, float(row["t0"])))
        for row in rows
        if row.get("t0") in begun and row.get("t1")
    )


def _hz(processes: Processes) -> float:
    rates = [numbers(log.table("burst"), "hz") for log in processes.recording.by_writer("stacks")]
    known = np.concatenate([np.zeros(0), *rates])
    known = known[known > 0]
    return float(known[0]) if len(known) else _USUAL_HZ


def _machine(analysis: Analysis) -> MachineProfile:
    workers = [worker.log.pid for trainer in analysis.processes.trainers for worker in trainer.workers.get(LOOKED, ())]
    lived = alive_at_once(workers, analysis.processes.sampler)
    return machine_profile(analysis.processes, analysis.window, analysis.usages, [], dict.fromkeys(workers, lived))


def _rank(trainer: Trainer, looked: Looked, loader: LoaderProfile | None, analysis: Analysis) -> RankProfile:
    whole_s = (trainer.end_ns - trainer.start_ns) / 1e9
    # Of ranks that are looked at in turns, and while py-spy begins, the samples stand for all of the time.
    seconds = seconds_by_phase(looked.seen, whole_s) if looked.seen.phases else {"unexplained": whole_s}
    return RankProfile(
        rank=trainer.rank,
        local_rank=trainer.local_rank,
        world_size=trainer.world_size,
        host=trainer.host,
        pid=trainer.log.pid,
        python=str(trainer.log.header.get("python") or ""),
        torch=trainer.meta.get("torch"),
        device=str(trainer.meta.get("device")),
        seconds=whole_s,
        phases=phase_rows(seconds, whole_s),
        steps=loader.steps if loader else 0,
        warmup_steps=0,
        step_ms=loader.step_ms if loader else None,
        wait_share=loader.wait_share if loader else None,
        backward_ms=None,
        long_steps=None,
        gc_seconds=0.0,
        gc_collections=0,
        hook_us_per_step=None,
        first_batch_s=None,
        run_queue_delay_share=looked.threads.delay if looked.threads else None,
        start_s=(trainer.start_ns - analysis.processes.start_ns) / 1e9,
    )


def _primary(loaders: Sequence[LoaderProfile | None]) -> LoaderProfile | None:
    """Return the loader that the verdict is about: of ranks that train together the lowest one's."""
    return next((one for one in loaders if one), None)


def _costs(
    analysis: Analysis, primary: LoaderProfile, machine: MachineProfile, ranks: tuple[RankProfile, ...]
) -> Costs | None:
    rank = next(rank for rank in ranks if rank.rank == primary.rank)
    used = [cores_used(usage, analysis.window) for usage in analysis.usages if usage.pid == rank.pid]
    costs = measure_costs(
        in_units(primary),
        machine,
        max(rank.seconds - primary.seconds, 0.0),
        rank.run_queue_delay_share or 0.0,
        trainer_cores=max((one for one in used if one is not None), default=None) if rank.device == "cpu" else None,
    )
    return None if costs is None else replace(costs, relative=primary.relative)


def _hot_lines(
    analysis: Analysis,
    looked: Sequence[Looked],
    loaders: Sequence[LoaderProfile],
    ranks: tuple[RankProfile, ...],
    costs: Costs | None,
    primary: LoaderProfile | None,
) -> tuple[tuple[HotLine, ...], StackQuality]:
    processes, own_loop = analysis.processes, primary is not None and primary.own_loop
    loading = sum((one.makers.busy or 0.0) * max(one.workers, 0) * one.seconds for one in looked)
    loading += sum(one.wait_seconds for one in loaders if not one.workers)
    trainer = sum(one.seconds - one.wait_seconds for one in loaders)
    moments = {one.log.pid: _moments(one, own_loop) for one in processes.trainers}
    seconds = Seconds(loading, trainer, 0.0, moments)
    lines, quality, _ = fold_samples(processes, seconds, _Loops([one.seen for one in looked]))
    blocked = blocked_shares(lines, loaders, ranks)
    gains = speedups_if_free(lines, costs, own_loop)
    whole = [
        replace(line, blocked_share=share, speedup_if_free=gain)
        for line, share, gain in zip(lines, blocked, gains, strict=True)
    ]
    waits = [LoopWait(one.own_loop, one.workers, one.wait_seconds) for one in loaders]
    return tuple(by_cost(whole, waits, 0.0)), quality


def _moments(trainer: Trainer, own_loop: bool) -> Moments:
    """Return the moments of a trainer that has been training for long: all of the look is its loop."""
    begin, end = trainer.start_ns, trainer.end_ns
    return Moments(begin, begin - 1e9, end, [(begin - 1e9, end + 1e9)], own_loop=own_loop)


def _refused(processes: Processes) -> list[str]:
    """Return why processes could not be looked into, with the remedy."""
    rows = [row for log in processes.recording.by_writer("attached") for row in log.table("refused").dicts()]
    return [". ".join(filter(None, (row.get("reason"), row.get("remedy")))) for row in rows]
