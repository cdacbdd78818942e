"""The profile of a loop that only stack samples tell of: its loader, its rank's phases, what the throughput model needs."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze.costs import measure_costs
from gpuwatch.analyze.lines.sampled_loop import SampledLoop
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.measures import Interval, phase_rows
from gpuwatch.model.profile import Costs, RankProfile


def loop_profile(loop: SampledLoop) -> LoaderProfile:
    """Return what is known of the loop: no event separates its steps, so that no time of one is known."""
    return LoaderProfile(
        id=f"r{loop.trainer.rank}.l0",
        rank=loop.trainer.rank,
        role="training" if loop.trains else "inference",
        dataset="no DataLoader",
        dataset_where=None,
        created_where=None,
        workers=0,
        batch_size=None,
        prefetch=None,
        persistent=False,
        pin_memory=False,
        in_order=True,
        start_method=None,
        dataset_length=None,
        iterators=1,
        batches=0,
        steps=0,
        seconds=loop.seconds,
        steps_per_s=None,
        samples_per_s=None,
        step_ms=None,
        wait_ms=None,
        compute_ms=None,
        gpu_wait_ms=None,
        wait_share=None,
        wait_clock="host",
        wait_seconds=0.0,
        compute_cpu_share=loop.ran,
        epoch_batches=None,
        startup_s=(),
        first_batch_s=(),
        queue=None,
        fetch=None,
        own_loop=True,
        samples=loop.samples,
        relative=True,
    )


def rank_of_loop(rank: RankProfile, loop: SampledLoop) -> RankProfile:
    """Return the rank with its time until the loop, in it and after it; what it did in it is for the samples to say."""
    trainer = loop.trainer
    seconds = {
        "startup": (loop.begin_ns - trainer.start_ns) / 1e9,
        "other in-step": loop.seconds,
        "shutdown": max(trainer.end_ns - loop.end_ns, 0.0) / 1e9,
    }
    return replace(rank, phases=phase_rows(seconds, rank.seconds), first_batch_s=seconds["startup"])


def costs_of_loop(loader: LoaderProfile, machine: MachineProfile, rank: RankProfile) -> Costs | None:
    """Return the throughput model's parameters with steps of a second: only ratios of them are known."""
    count = max(round(loader.seconds), 1)
    step_ms = 1e3 * loader.seconds / count
    share = loader.wait_share.median if loader.wait_share else 0.0
    exactly = Interval(step_ms, step_ms, step_ms, loader.samples or 0)
    computes = Interval(*((1 - share) * step_ms,) * 3, loader.samples or 0)
    in_units = replace(loader, steps=count, batches=count, step_ms=exactly, compute_ms=computes)
    costs = measure_costs(in_units, machine, 0.0, rank.run_queue_delay_share or 0.0)
    return None if costs is None else replace(costs, relative=True)
