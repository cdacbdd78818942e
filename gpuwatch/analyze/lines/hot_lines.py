"""Which lines cost the loader, and which the training's own step, with all that is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gpuwatch.analyze.lines.blocked import blocked_shares
from gpuwatch.analyze.lines.feeding import OwnLoop
from gpuwatch.analyze.lines.folding import Seconds, fold_samples
from gpuwatch.analyze.lines.loop_lines import LoopLines
from gpuwatch.analyze.lines.moments import moments_of
from gpuwatch.analyze.lines.run_costs import LoopWait, by_cost
from gpuwatch.analyze.lines.sampled_loop import SampledLoop
from gpuwatch.analyze.lines.speedups import speedups_if_free
from gpuwatch.analyze.lines.step_parts import StepParts
from gpuwatch.analyze.loops import Analysis, Loop
from gpuwatch.model.hot_lines import HotLine, StackQuality
from gpuwatch.model.profile import Costs, RankProfile

# A thread that was met asleep cannot have run all of the time.
MOST_RUN = 0.99


def find_hot_lines(
    analysis: Analysis, ranks: tuple[RankProfile, ...], costs: Costs | None, sampled: SampledLoop | None = None
) -> tuple[tuple[HotLine, ...], StackQuality, Mapping[int, StepParts]]:
    """Return the lines by what they cost the run, who took the samples, and what they say of each trainer's steps.

    The samples say what a line costs; what was measured of fetches and steps, whether it waits; the model, what the run
    would win without it. `sampled`: the loop of a run of which no event tells one."""
    loop_lines = LoopLines(loop.loader for loop in analysis.loops)
    lines, quality, parts = fold_samples(analysis.processes, _seconds(analysis, ranks, sampled), loop_lines)
    blocked = blocked_shares(lines, [loop.profile for loop in analysis.loops], ranks)
    own_loop = analysis.primary is None or analysis.primary.profile.own_loop
    gains = speedups_if_free(lines, costs, own_loop)
    whole = (
        replace(line, blocked_share=share, speedup_if_free=gain)
        for line, share, gain in zip(lines, blocked, gains, strict=True)
    )
    waits = [
        LoopWait(
            loop.profile.own_loop,
            loop.profile.workers,
            float(loop.steps.wait.sum()) / 1e9,
            loop.profile.wrapper.ms * len(loop.steps) / 1e3 if loop.profile.wrapper else 0.0,
            loop.profile.pipeline is not None,
        )
        for loop in analysis.loops
    ]
    waits += [LoopWait(True, 0, 0.0)] if sampled is not None else []
    started = sampled.moments.startup_s / max(analysis.processes.seconds, 1e-9) if sampled is not None else None
    return tuple(by_cost(list(whole), waits, _startup_share(ranks) if started is None else started)), quality, parts


def _startup_share(ranks: tuple[RankProfile, ...]) -> float:
    """Return the share of the longest start-up: of a rank's time, until its first batch."""
    shares = [(rank.first_batch_s or 0.0) / rank.seconds for rank in ranks if rank.seconds > 0]
    return max(shares, default=0.0)


def _seconds(analysis: Analysis, ranks: tuple[RankProfile, ...], sampled: SampledLoop | None) -> Seconds:
    """Return what sampled shares stand for, in seconds of the run."""
    loading = sum(_loading_ns(loop) for loop in analysis.loops)
    trainer = sum(float(loop.steps.compute.sum()) for loop in analysis.loops)
    trainer += 1e9 * sum(_own_sampler_s(loop) for loop in analysis.loops)
    between = sum(phase.seconds for rank in ranks for phase in rank.phases if phase.name == "between loops")
    between += sum(
        max(iterator.made_ns - iterator.start_ns, 0.0) / 1e9
        for loop in analysis.loops
        for iterator in loop.loader.iterators[1:]
    )
    moments = moments_of(analysis.walks, [loop.loader for loop in analysis.loops], ranks)
    if sampled is not None:
        pid = sampled.trainer.log.pid
        rank = next(rank for rank in ranks if rank.pid == pid)
        own = {pid: sampled.about(rank)}
        return Seconds(0.0, sampled.seconds, 0.0, {**moments, pid: sampled.moments}, own)
    return Seconds(loading / 1e9, trainer / 1e9, between, moments, _own_loops(analysis, ranks))


def _own_loops(analysis: Analysis, ranks: tuple[RankProfile, ...]) -> Mapping[int, OwnLoop]:
    """Return what is known of the trainers none of whose loops is over a DataLoader, evaluation aside."""
    loops = [loop for loop in analysis.loops if loop.profile.role != "evaluation"]
    over_loaders = {loop.loader.trainer.log.pid for loop in loops if not loop.profile.own_loop}
    found = {}
    for loop in sorted(loops, key=lambda loop: loop.profile.steps):
        pid = loop.loader.trainer.log.pid
        rank = next((rank for rank in ranks if rank.pid == pid), None)
        if pid not in over_loaders and rank is not None:
            found[pid] = own_loop_of(rank, loop.profile.compute_cpu_share)
    return found


def own_loop_of(rank: RankProfile, cpu_share: float | None) -> OwnLoop:
    """Return what is known of a rank whose loop is not over a DataLoader; `cpu_share`: of its thread, in its steps."""
    ran = None if cpu_share is None else min(cpu_share + (rank.run_queue_delay_share or 0.0), MOST_RUN)
    return OwnLoop((rank.device or "cpu") != "cpu", ran)


def _own_sampler_s(loop: Loop) -> float:
    """Return the seconds that the user's own sampler took in requests for batches: its lines count as code of the step."""
    sampler = loop.profile.sampler
    return sampler.seconds if sampler is not None and sampler.where is not None else 0.0


def _loading_ns(loop: Loop) -> float:
    """Return the time that making and sending the loop's batches took. Without workers that is the wait for them, also
    in steps that were only timed, for which no fetch is recorded."""
    made = sum(float((maker.fetches["t1"] - maker.fetches["t0"]).sum()) for maker in loop.makers)
    sent = sum(float(np.nansum(maker.sent["t1"] - maker.sent["t0"])) for maker in loop.makers if maker.sent)
    return made + sent if loop.profile.workers else max(made, float(loop.steps.wait.sum()))
